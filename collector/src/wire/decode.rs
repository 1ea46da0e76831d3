//! From lines to the model.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use nonmax::{NonMaxU32, NonMaxU64};
use rustc_hash::{FxBuildHasher, FxHashMap};
use serde::Deserialize;
use thiserror::Error;

use super::PROTO;
use crate::model::{
    Bye, Comm, ConnId, Degraded, Dropper, Endpoint, Event, EventType, Family, Figures, Hello,
    HookKind, LossKind, Lost, Meta, NodeState, Origin, Peer, PeerKind, Phase, Process, Reason,
    SourceState, TcpState, Timestamp, Via, Zone, is_link_local,
};

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A node's greeting.
    Hello(Hello),
    /// An event, or a socket that was open before the start.
    Event(Box<Event>),
    /// What was lost on a node.
    Lost(Arc<str>, Lost),
    /// What a cgroup is.
    Meta(Meta),
    /// A node's state.
    Node(NodeState),
    /// The last line.
    Bye(Bye),
}

/// Why a line is not a record.
#[derive(Debug, Error)]
pub enum WireError {
    /// It is not a JSON object, or a key has a value of another type.
    #[error("not a record: {0}")]
    Json(#[from] serde_json::Error),
    /// A key that the record must have is not there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A key has a value that it cannot have.
    #[error("`{0}` cannot be `{1}`")]
    Value(&'static str, String),
    /// It was written by a program that speaks another protocol.
    #[error("it speaks protocol {0}; tcpscope {version} reads protocol {PROTO}", version = env!("CARGO_PKG_VERSION"))]
    Proto(u32),
}

/// Reads lines. It remembers workloads and peers, so that the events of one share them.
#[derive(Debug, Default)]
pub struct Decoder {
    origins: Shared<Origin>,
    peers: Shared<Peer>,
}

impl Decoder {
    /// The record of a line; `None` for a kind of record that is not known.
    ///
    /// # Errors
    /// If the line is not JSON, or lacks what its kind must have.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Record>, WireError> {
        let raw: Raw<'_> = serde_json::from_slice(line)?;
        Ok(Some(match raw.t.as_deref() {
            Some("ev" | "open") => Record::Event(Box::new(self.event(&raw)?)),
            Some("hello") => Record::Hello(raw.hello()?),
            Some("lost") => raw.lost()?,
            Some("meta") => Record::Meta(self.meta(&raw)?),
            Some("node") => Record::Node(raw.node_state()?),
            Some("bye") => Record::Bye(raw.bye()),
            Some(_) => return Ok(None),
            None => return Err(WireError::Missing("t")),
        }))
    }

    fn origin(&mut self, raw: &Raw<'_>) -> Result<Arc<Origin>, WireError> {
        Ok(self.origins.get(Origin {
            node: raw.node()?,
            namespace: arc(raw.namespace.as_deref()),
            pod: arc(raw.pod.as_deref()),
            container: arc(raw.container.as_deref()),
        }))
    }

    fn meta(&mut self, raw: &Raw<'_>) -> Result<Meta, WireError> {
        Ok(Meta {
            cgroup: raw.cgroup.ok_or(WireError::Missing("cgroup"))?,
            origin: self.origin(raw)?,
            pod_uid: raw.pod_uid.as_deref().map(Into::into),
            container_id: raw.container_id.as_deref().map(Into::into),
        })
    }

    fn event(&mut self, raw: &Raw<'_>) -> Result<Event, WireError> {
        let open = raw.t.as_deref() == Some("open");
        let kind = raw.r#type.as_deref();
        let kind = kind
            .map(|kind| named("type", kind, EventType::from_letter))
            .transpose()?;
        if kind.is_none() && !open {
            return Err(WireError::Missing("type"));
        }
        let local = endpoint(("saddr", raw.saddr), ("sport", raw.sport))?;
        let remote = endpoint(("daddr", raw.daddr), ("dport", raw.dport))?;
        let has_zone = [local, remote].iter().any(|end| is_link_local(end.addr));
        let family = match (raw.family, local.addr) {
            (Some(4), _) | (None, IpAddr::V4(_)) => Family::V4,
            (Some(6), _) | (None, IpAddr::V6(_)) => Family::V6,
            (Some(other), _) => return Err(value("family", &other)),
        };
        Ok(Event {
            seq: below_max("seq", raw.seq, NonMaxU64::new)?,
            ts: raw.time()?,
            origin: self.origin(raw)?,
            kind,
            phase: known(raw.phase.as_deref(), &Phase::ALL, Phase::word),
            state: known(raw.state.as_deref(), &TcpState::ALL, TcpState::name).filter(|_| open),
            reason: known(raw.reason.as_deref(), &Reason::ALL, Reason::word),
            errno: raw.errno.and_then(NonZeroU16::new),
            process: raw.process()?.map(Arc::new),
            family,
            local,
            remote,
            conn: raw.conn()?,
            before: raw.before.unwrap_or(open),
            figures: raw.figures()?,
            netns: below_max("netns", raw.netns, NonMaxU32::new)?,
            mntns: below_max("mntns", raw.mntns, NonMaxU32::new)?,
            cgroup: below_max("cgroup", raw.cgroup, NonMaxU64::new)?,
            peer: raw
                .peer
                .as_ref()
                .and_then(RawPeer::read)
                .map(|peer| self.peers.get(peer)),
            scope: raw
                .scope
                .as_deref()
                .filter(|_| has_zone)
                .and_then(Zone::new),
        })
    }
}

/// The keys of all records. Where a key is in two of them it has the same type in both.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    t: Option<Cow<'a, str>>,
    // Events.
    seq: Option<u64>,
    #[serde(borrow)]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow)]
    node: Option<Cow<'a, str>>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pod: Option<Cow<'a, str>>,
    #[serde(borrow)]
    container: Option<Cow<'a, str>>,
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    pid: Option<u32>,
    tid: Option<u32>,
    #[serde(borrow)]
    comm: Option<Cow<'a, str>>,
    uid: Option<u32>,
    gid: Option<u32>,
    family: Option<u8>,
    saddr: Option<IpAddr>,
    daddr: Option<IpAddr>,
    sport: Option<u16>,
    dport: Option<u16>,
    #[serde(borrow)]
    conn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    phase: Option<Cow<'a, str>>,
    #[serde(borrow)]
    state: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    errno: Option<u16>,
    lat_us: Option<u64>,
    dur_us: Option<u64>,
    tx_bytes: Option<u64>,
    rx_bytes: Option<u64>,
    rtt_us: Option<u32>,
    retrans: Option<u32>,
    before: Option<bool>,
    netns: Option<u32>,
    mntns: Option<u32>,
    cgroup: Option<u64>,
    #[serde(borrow)]
    peer: Option<RawPeer<'a>>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thread: Option<Cow<'a, str>>,
    // Greetings.
    proto: Option<u32>,
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kernel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    accept_hook: Option<Cow<'a, str>>,
    filter: Option<Cow<'a, str>>,
    degraded: Option<Vec<Cow<'a, str>>>,
    seeded: Option<u64>,
    // Losses.
    #[serde(borrow)]
    src: Option<Cow<'a, str>>,
    n: Option<u64>,
    // What cgroups are.
    #[serde(borrow)]
    pod_uid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    container_id: Option<Cow<'a, str>>,
    // States of nodes.
    #[serde(borrow)]
    why: Option<Cow<'a, str>>,
    #[serde(borrow)]
    via: Option<Cow<'a, str>>,
    // Farewells.
    events: Option<u64>,
    lost: Option<u64>,
    retry_ms: Option<u64>,
}

#[derive(Deserialize)]
struct RawPeer<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

impl RawPeer<'_> {
    /// A peer of a kind that is not known is not known.
    fn read(&self) -> Option<Peer> {
        Some(Peer {
            kind: known(self.kind.as_deref(), &PeerKind::ALL, PeerKind::word)?,
            namespace: arc(self.namespace.as_deref()),
            name: arc(self.name.as_deref())?,
        })
    }
}

impl Raw<'_> {
    fn node(&self) -> Result<Arc<str>, WireError> {
        arc(self.node.as_deref()).ok_or(WireError::Missing("node"))
    }

    fn time(&self) -> Result<Timestamp, WireError> {
        let text = self.ts.as_deref().ok_or(WireError::Missing("ts"))?;
        let nanos = text
            .parse::<jiff::Timestamp>()
            .map(jiff::Timestamp::as_nanosecond);
        match nanos.map(i64::try_from) {
            Ok(Ok(nanos)) => Ok(Timestamp(nanos)),
            _ => Err(value("ts", text)),
        }
    }

    fn conn(&self) -> Result<ConnId, WireError> {
        let text = self.conn.as_deref().ok_or(WireError::Missing("conn"))?;
        u64::from_str_radix(text, 16)
            .map(ConnId)
            .map_err(|_| value("conn", text))
    }

    /// Without a pid there is no process.
    fn process(&self) -> Result<Option<Process>, WireError> {
        let Some(pid) = self.pid else {
            return Ok(None);
        };
        let name = |text: &Option<Cow<'_, str>>| text.as_deref().map(Comm::from_text);
        let comm = name(&self.comm).unwrap_or_default();
        Ok(Some(Process {
            pid,
            tid: below_max("tid", self.tid, NonMaxU32::new)?,
            uid: below_max("uid", self.uid, NonMaxU32::new)?,
            gid: below_max("gid", self.gid, NonMaxU32::new)?,
            comm,
            thread: name(&self.thread).and_then(|thread| thread.beside(comm)),
        }))
    }

    fn figures(&self) -> Result<Figures, WireError> {
        Ok(Figures {
            lat_us: below_max("lat_us", self.lat_us, NonMaxU64::new)?,
            dur_us: below_max("dur_us", self.dur_us, NonMaxU64::new)?,
            tx_bytes: below_max("tx_bytes", self.tx_bytes, NonMaxU64::new)?,
            rx_bytes: below_max("rx_bytes", self.rx_bytes, NonMaxU64::new)?,
            rtt_us: below_max("rtt_us", self.rtt_us, NonMaxU32::new)?,
            retrans: below_max("retrans", self.retrans, NonMaxU32::new)?,
        })
    }

    fn hello(&self) -> Result<Hello, WireError> {
        match self.proto {
            Some(PROTO) => {}
            Some(other) => return Err(WireError::Proto(other)),
            None => return Err(WireError::Missing("proto")),
        }
        Ok(Hello {
            node: self.node()?,
            version: arc(self.version.as_deref()),
            kernel: arc(self.kernel.as_deref()).unwrap_or_default(),
            accept_hook: known(self.accept_hook.as_deref(), &HookKind::ALL, HookKind::word),
            filter: arc(self.filter.as_deref()),
            degraded: self
                .degraded
                .iter()
                .flatten()
                .map(|word| Degraded::of_word(word))
                .collect(),
            seeded: self.seeded.unwrap_or_default(),
            ts: self.time()?,
        })
    }

    fn lost(&self) -> Result<Record, WireError> {
        let src = self.src.as_deref().ok_or(WireError::Missing("src"))?;
        let kind = named("src", src, |src| {
            known(Some(src), &LossKind::ALL, LossKind::word)
        })?;
        let n = self.n.ok_or(WireError::Missing("n"))?;
        let node = self.node()?;
        let by = self.uid.map(|uid| {
            let origin = Origin {
                node: Arc::clone(&node),
                namespace: arc(self.namespace.as_deref()),
                pod: arc(self.pod.as_deref()),
                container: arc(self.container.as_deref()),
            };
            Arc::new(Dropper {
                uid,
                cgroup: self.cgroup,
                origin: Arc::new(origin),
            })
        });
        Ok(Record::Lost(node, Lost { kind, n, by }))
    }

    fn node_state(&self) -> Result<NodeState, WireError> {
        let state = match self.state.as_deref() {
            Some("connecting") => SourceState::Connecting,
            Some("live") => SourceState::Live,
            Some("lost") => match self.why.as_deref() {
                Some(why) => SourceState::Lost(why.to_owned()),
                None => SourceState::Ended,
            },
            Some(other) => return Err(value("state", other)),
            None => return Err(WireError::Missing("state")),
        };
        Ok(NodeState {
            node: self.node()?,
            state,
            via: known(self.via.as_deref(), &Via::ALL, Via::word),
        })
    }

    fn bye(&self) -> Bye {
        Bye {
            events: self.events.unwrap_or_default(),
            lost: self.lost.unwrap_or_default(),
            reason: self.reason.as_deref().map(str::to_owned),
            retry_ms: self.retry_ms,
        }
    }
}

fn value(key: &'static str, value: &(impl ToString + ?Sized)) -> WireError {
    WireError::Value(key, value.to_string())
}

fn arc(text: Option<&str>) -> Option<Arc<str>> {
    text.map(Arc::from)
}

/// The one of `all` with this word; a word that is not known is not an error, but unknown.
fn known<T: Copy>(text: Option<&str>, all: &[T], word: fn(T) -> &'static str) -> Option<T> {
    let text = text?;
    all.iter().copied().find(|one| word(*one) == text)
}

fn named<T>(
    key: &'static str,
    text: &str,
    find: impl FnOnce(&str) -> Option<T>,
) -> Result<T, WireError> {
    find(text).ok_or_else(|| value(key, text))
}

/// The largest number of a type stands for none inside, so it cannot be had.
fn below_max<N: Copy + ToString, T>(
    key: &'static str,
    number: Option<N>,
    new: fn(N) -> Option<T>,
) -> Result<Option<T>, WireError> {
    let Some(number) = number else {
        return Ok(None);
    };
    new(number).map(Some).ok_or_else(|| value(key, &number))
}

/// IPv4-mapped addresses are IPv4 here, whoever wrote them.
fn endpoint(
    addr: (&'static str, Option<IpAddr>),
    port: (&'static str, Option<u16>),
) -> Result<Endpoint, WireError> {
    Ok(Endpoint {
        addr: addr.1.ok_or(WireError::Missing(addr.0))?.to_canonical(),
        port: port.1.ok_or(WireError::Missing(port.0))?,
    })
}

/// Values that many events have in common, each kept once, found by their hash.
#[derive(Debug)]
struct Shared<T>(FxHashMap<u64, Arc<T>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

/// How many values are remembered before it starts afresh: more workloads than a node has.
const SHARED_MAX: usize = 4096;

impl<T: std::hash::Hash + PartialEq> Shared<T> {
    fn get(&mut self, value: T) -> Arc<T> {
        let hash = FxBuildHasher.hash_one(&value);
        match self.0.get(&hash) {
            Some(known) if **known == value => known.clone(),
            _ => {
                if self.0.len() >= SHARED_MAX {
                    self.0.clear();
                }
                let value = Arc::new(value);
                self.0.insert(hash, value.clone());
                value
            }
        }
    }
}
