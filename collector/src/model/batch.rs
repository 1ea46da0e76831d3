//! What a source sends: greetings, states, batches of events, and what was lost on the way.

use std::sync::Arc;

use super::{Degraded, Event, Origin, Timestamp};

/// The hook that sees `accept()` return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// `fexit/inet_csk_accept`.
    Fexit,
    /// `kretprobe/inet_csk_accept`.
    Kretprobe,
    /// The exits of the accept system calls, and `io_uring_complete`.
    Syscall,
}

impl HookKind {
    /// All hooks, best first.
    pub const ALL: [Self; 3] = [Self::Fexit, Self::Kretprobe, Self::Syscall];

    /// The word on the command line and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fexit => "fexit",
            Self::Kretprobe => "kretprobe",
            Self::Syscall => "syscall",
        }
    }
}

/// The first word of a source for a node: its hooks are attached, and what happens now is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The node's name.
    pub node: Arc<str>,
    /// The version of the tcpscope that watches it, where that is known.
    pub version: Option<Arc<str>>,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: Arc<str>,
    /// The hook that sees accepts; `None` where no probes run.
    pub accept_hook: Option<HookKind>,
    /// The filter of all that is watched there, where there is one.
    pub filter: Option<Arc<str>>,
    /// What is not known there.
    pub degraded: Vec<Degraded>,
    /// How many sockets were open before the start.
    pub seeded: u64,
    /// When the hooks were attached.
    pub ts: Timestamp,
}

impl Hello {
    /// What is not known there, as a sentence for a person; `None` where all is well.
    #[must_use]
    pub fn degraded_sentence(&self) -> Option<String> {
        let sentences: Vec<_> = self.degraded.iter().map(Degraded::sentence).collect();
        (!sentences.is_empty()).then(|| {
            let words: Vec<_> = self.degraded.iter().map(Degraded::word).collect();
            let (node, words) = (&self.node, words.join(", "));
            format!("{node} is degraded ({words}): {}", sentences.join("; "))
        })
    }
}

/// Where events are lost. Nothing is lost without being counted under one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossKind {
    /// The kernel's ring buffer was full.
    Ring,
    /// The kernel's map of sockets was full.
    Map,
    /// The kernel skipped a program that a softirq had interrupted.
    Recursion,
    /// A fresh snapshot showed that something had been missed.
    Drift,
    /// A queue between the parts of the program was full.
    Queue,
    /// A client read too slowly.
    Client,
    /// A rate limit applied.
    Rate,
    /// It fell out of a bounded store.
    Evicted,
}

impl LossKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Ring,
        Self::Map,
        Self::Recursion,
        Self::Drift,
        Self::Queue,
        Self::Client,
        Self::Rate,
        Self::Evicted,
    ];

    /// The word in JSON and in the header.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Map => "map",
            Self::Recursion => "recursion",
            Self::Drift => "drift",
            Self::Queue => "queue",
            Self::Client => "client",
            Self::Rate => "rate",
            Self::Evicted => "evicted",
        }
    }
}

/// How many events were lost since the last such statement of the same kind and node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where.
    pub kind: LossKind,
    /// How many.
    pub n: u64,
    /// Whose they were, where that is known.
    pub by: Option<Arc<Dropper>>,
}

impl Lost {
    /// So many events, of nobody that is known.
    #[must_use]
    pub fn new(kind: LossKind, n: u64) -> Self {
        Self { kind, n, by: None }
    }
}

/// Whose events did not fit into the kernel's ring buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropper {
    /// The user.
    pub uid: u32,
    /// Where that user's processes run; `None` is unknown.
    pub cgroup: Option<u64>,
    /// The workload of that cgroup.
    pub origin: Arc<Origin>,
}

/// Events of one node, in its order, and what was lost among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The node's name.
    pub node: Arc<str>,
    /// The events; those with `kind: None` list sockets that were open before the start.
    pub events: Vec<Event>,
    /// What was lost since the batch before.
    pub lost: Vec<Lost>,
}

/// What the id of a cgroup stands for: a container, as far as it is known. It is told once, before the
/// first event there, or after it if it became known later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The id, as events of the same node have it.
    pub cgroup: u64,
    /// Node, namespace, pod and container.
    pub origin: Arc<Origin>,
    /// The pod's UID; of a static pod the hash of its file.
    pub pod_uid: Option<Box<str>>,
    /// The container's whole id.
    pub container_id: Option<Box<str>>,
}

/// What a source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// On the way: loading probes, dialling an agent, opening a file.
    Connecting,
    /// Events arrive as they happen.
    Live,
    /// Over, and why: one sentence for a person.
    Lost(String),
    /// It came to its end: the last event of a recording.
    Ended,
}

/// The state of one node's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// The node's name.
    pub node: Arc<str>,
    /// What its source is doing.
    pub state: SourceState,
    /// How events come from it, where there is more than one way.
    pub via: Option<Via>,
}

/// The way to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The API server's proxy to pods.
    Proxy,
    /// A port-forward.
    PortForward,
}

impl Via {
    /// Both ways, the better one first.
    pub const ALL: [Self; 2] = [Self::Proxy, Self::PortForward];

    /// The word in JSON and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::PortForward => "port-forward",
        }
    }
}

/// The last word of a source, or of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bye {
    /// How many events went out.
    pub events: u64,
    /// The sum of all losses.
    pub lost: u64,
    /// Why it ended, if not because it was asked to.
    pub reason: Option<String>,
    /// When to come back, in milliseconds.
    pub retry_ms: Option<u64>,
}

/// What a source sends: the items of its stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// A node's first word.
    Hello(Hello),
    /// A node's source changed its state.
    State(NodeState),
    /// Events.
    Batch(Batch),
    /// What a cgroup is.
    Meta(Meta),
    /// What a person ought to know of the whole source while events arrive, such as what has no
    /// names: a sentence, in the place of the one before.
    Note(Option<String>),
}
