//! This host: the probes' records, as they come.

mod looks;
mod names;

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;
use std::time::{Duration, Instant};

use probe_common::lost;
use rustc_hash::FxHashSet;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use self::names::{Names, dropped_by};
use super::queued::Queued;
use super::{Stop, Updates, snapshot};
use crate::identity;
use crate::model::{
    Batch, ConnId, Degraded, Event, Hello, Lack, LossKind, Lost, NodeState, SourceState, Timestamp,
    Update,
};
use crate::probe::requirements::explain_failure;
use crate::probe::{
    self, Clock, DriftCheck, Interpreter, Output, ProbeError, Probes, Ring, monotonic_ns,
};
use crate::{privileges, sock_diag};

/// How this host is watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the probes are loaded.
    pub probe: probe::Options,
    /// The node's name in events.
    pub node: Arc<str>,
    /// List what is open at the start.
    pub seed: bool,
}

/// A burst is read in pieces, this far apart: one wake-up each, and none when nothing happens.
const PACE: Duration = Duration::from_millis(20);
/// How often losses are looked for.
const TICK: Duration = Duration::from_secs(1);
/// How often what is open is listed at the start, if the ring has no room for all of it.
const LISTINGS: u32 = 64;
/// How many events one batch holds at the most.
const BATCH_MAX: usize = 8192;
/// How many batches wait for a slow reader. When they are full the ring fills, and counts.
const QUEUE: usize = 16;

/// How often, and after what pause, a record is looked at again that is being written.
const HELD_TRIES: u32 = 1000;
const HELD_PAUSE: Duration = Duration::from_millis(1);

/// Starts to watch this host. The first update says that the source is connecting; the probes are
/// loaded on a thread of their own.
#[must_use]
pub fn start(options: Options, stop: Stop) -> Updates {
    let (updates, stream) = mpsc::channel(QUEUE);
    let node = options.node.clone();
    let on_failure = updates.clone();
    let thread = std::thread::Builder::new()
        .name("host".into())
        .spawn(move || {
            if let Err(why) = run(&options, &updates, stop) {
                let _ = updates.blocking_send(state(&options.node, SourceState::Lost(why)));
            }
        });
    if let Err(error) = thread {
        let why = format!("cannot start a thread: {error}");
        let _ = on_failure.try_send(state(&node, SourceState::Lost(why)));
    }
    Box::pin(ReceiverStream::new(stream))
}

fn state(node: &Arc<str>, state: SourceState) -> Update {
    Update::State(NodeState {
        node: node.clone(),
        state,
        via: None,
    })
}

/// Runs until it is asked to stop, or nobody listens any more.
fn run(options: &Options, updates: &mpsc::Sender<Update>, stop: Stop) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start: {e}"))?;
    runtime.block_on(async {
        let gone = |_| String::from("nobody listens");
        let node = &options.node;
        updates
            .send(state(node, SourceState::Connecting))
            .await
            .map_err(gone)?;
        let mut reader = Reader::attach(options).map_err(|e| explain_failure(&e))?;
        let hello = reader.hello(options);
        let told = hello
            .degraded_sentence()
            .map(|said| Update::Note(Some(said)));
        let first = [Update::Hello(hello), state(node, SourceState::Live)];
        for update in first.into_iter().chain(told) {
            updates.send(update).await.map_err(gone)?;
        }
        reader
            .follow(updates, stop)
            .await
            .map_err(|e| e.to_string())
    })
}

/// The ring, and all that turns its bytes into events.
struct Reader {
    node: Arc<str>,
    probes: Probes,
    ring: Ring,
    interpreter: Interpreter,
    origins: Names,
    drift: DriftCheck,
    /// Whether the sockets that were open at the start are known.
    seeded: bool,
    /// Whether records were lost since the last look at what they may have said.
    ring_overran: bool,
    /// Connections whose opening was counted as lost since they did not fit into the map. When
    /// there is room again, a look at what is open may find them.
    unfit: u64,
    /// When what is open is to be looked through again, and how long after that.
    next_look: Instant,
    look_every: Duration,
    /// What waited to be accepted at the start, and how long it may.
    queued: Option<Queued>,
    unaccepted_after: Duration,
    /// When what waits to be accepted is looked for again.
    next_unaccepted: Instant,
    /// When who has a socket is looked for again.
    next_holders: Instant,
    attached: Timestamp,
    /// Decoded, and not sent yet.
    events: Vec<Event>,
}

impl Reader {
    fn attach(options: &Options) -> Result<Self, ProbeError> {
        let mut probes = Probes::attach(&options.probe)?;
        privileges::keep(privileges::WATCHING);
        let ring = probes.take_ring()?;
        Ok(Self {
            node: options.node.clone(),
            ring,
            interpreter: Interpreter::default(),
            origins: Names::new(&options.node),
            drift: probes.check_drift()?,
            attached: probes.attached(),
            probes,
            seeded: false,
            ring_overran: false,
            unfit: 0,
            next_look: Instant::now() + options.probe.look_every,
            look_every: options.probe.look_every,
            queued: None,
            unaccepted_after: options.probe.unaccepted_after,
            next_unaccepted: Instant::now(),
            next_holders: Instant::now(),
            events: Vec::new(),
        })
    }

    /// Lists what is open already.
    fn hello(&mut self, options: &Options) -> Hello {
        let mut listed = true;
        if options.seed {
            // First: what is in the kernel's list has a cookie from then on, which is its id.
            let all = sock_diag::dump_all_netns();
            self.list_owned();
            match all {
                Ok(all) => self.list_others(&all),
                Err(error) => {
                    tracing::warn!("connections without an owner are not listed: {error}");
                    listed = false;
                }
            }
        }
        let mut degraded = self.probes.degraded();
        let has_owners = !options.seed || self.seeded;
        let lacks = [
            (!has_owners).then_some(Lack::OwnersAtStart),
            (!listed).then_some(Lack::OpenAtStart),
        ];
        for lack in lacks.into_iter().flatten().map(Degraded::from) {
            if !degraded.contains(&lack) {
                degraded.push(lack);
            }
        }
        let seeded = self.events.iter().filter(|e| e.kind.is_none()).count();
        self.interpreter.take_listed();
        Hello {
            node: self.node.clone(),
            version: Some(env!("CARGO_PKG_VERSION").into()),
            kernel: identity::host::kernel_release(),
            accept_hook: Some(self.probes.accept_hook()),
            filter: None,
            degraded,
            seeded: seeded as u64,
            ts: self.attached,
        }
    }

    /// Lists what processes hold.
    fn list_owned(&mut self) {
        for _ in 0..LISTINGS {
            if let Err(error) = self.probes.seed() {
                tracing::warn!("owners of what is open are not known: {error}");
                return;
            }
            self.drain_all();
            if self.probes.take_lost(lost::UNLISTED) == 0 {
                break;
            }
            self.probes.seed_again();
        }
        self.seeded = true;
    }

    /// Lists what else was open when the hooks were attached; `all` was taken after that, and before what
    /// is remembered is asked for: what was opened since then is remembered, or was, and an event says so.
    fn list_others(&mut self, all: &sock_diag::AllNetns) {
        let remembered = self.probes.remembered().into_iter();
        let mut known: FxHashSet<u64> = remembered.map(ConnId::cookie).collect();
        self.drain_all();
        known.extend(self.events.iter().map(|event| event.conn.cookie()));
        let origins = &mut self.origins;
        origins.now = Instant::now();
        let mut interfaces = std::mem::take(&mut origins.interfaces);
        let scope = |netns, socket: &_| interfaces.scope_of(Some(netns), socket);
        let origin = |cgroup| origins.of(cgroup);
        let others = snapshot::others(all, &known, self.attached, origin, scope);
        origins.interfaces = interfaces;
        self.events.extend(others);
        let is_new = |socket: &sock_diag::Socket| !known.contains(&socket.cookie);
        self.queued = Some(Queued::among(all, is_new, self.unaccepted_after));
        if self.seeded {
            let listed = self.events.iter().filter(|event| event.kind.is_none());
            let listed = listed.map(|event| event.conn);
            self.interpreter.started_with(listed);
        }
    }

    /// Sends what comes, until it is asked to stop.
    async fn follow(&mut self, updates: &mpsc::Sender<Update>, stop: Stop) -> std::io::Result<()> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut lost = Vec::new();
        loop {
            let more = self.events.len() >= BATCH_MAX;
            let idle = self.events.is_empty() && lost.is_empty();
            if !idle && self.send(updates, &mut lost).await.is_err() {
                return Ok(());
            }
            let held_for = self
                .interpreter
                .next_due_ns()
                .map(|due_ns| Duration::from_nanos(due_ns.saturating_sub(monotonic_ns())));
            let pace = async {
                match (more, idle, held_for) {
                    (true, ..) => {}
                    (false, false, _) => tokio::time::sleep(PACE).await,
                    (false, true, None) => self.ring.readable().await,
                    (false, true, Some(held_for)) => {
                        let _ = tokio::time::timeout(held_for, self.ring.readable()).await;
                    }
                }
            };
            tokio::select! {
                biased;
                () = stop.requested() => break,
                () = updates.closed() => return Ok(()),
                _ = tick.tick() => {
                    if Instant::now() >= self.next_look {
                        self.next_look = Instant::now() + self.look_every;
                        self.look_again();
                    }
                    if std::mem::take(&mut self.ring_overran) {
                        self.forget_gone();
                        self.take_back_unaccepted();
                    }
                    self.ask_half_closed();
                    self.list_left_open();
                    self.list_unaccepted();
                    lost = self.lost();
                }
                () = pace => {}
            }
            self.drain(BATCH_MAX, u64::MAX);
        }
        // What has happened by now is said, and more comes in: until the last look at drift is over,
        // for what ends meanwhile has to be seen to end.
        let look = self.drift.last_look();
        while !look.is_over(PACE) {
            self.catch_up(BATCH_MAX, monotonic_ns());
            if self.send(updates, &mut lost).await.is_err() {
                return Ok(());
            }
        }
        // From here on the ring, the map and the counters stand still, and add up.
        if let Err(error) = self.probes.stop_watching() {
            tracing::warn!("what happens while the ring is read may be missed: {error}");
        }
        // A program that runs just now is long done then.
        std::thread::sleep(HELD_PAUSE);
        while !self.catch_up(BATCH_MAX, u64::MAX) {
            if self.send(updates, &mut lost).await.is_err() {
                return Ok(());
            }
        }
        let mut out = output(&mut self.events, &mut self.origins);
        self.interpreter.finish(&mut out);
        lost.extend(self.lost());
        let unsaid = self.probes.unsaid_endings();
        lost.extend(dropped_by(unsaid, &mut self.origins));
        let _ = self.send(updates, &mut lost).await;
        let _ = updates.send(state(&self.node, SourceState::Ended)).await;
        Ok(())
    }

    /// Sends what was decoded and not sent yet, with what was lost.
    async fn send(
        &mut self,
        updates: &mpsc::Sender<Update>,
        lost: &mut Vec<Lost>,
    ) -> Result<(), mpsc::error::SendError<Update>> {
        let batch = Batch {
            node: self.node.clone(),
            events: std::mem::take(&mut self.events),
            lost: std::mem::take(lost),
        };
        updates.send(Update::Batch(batch)).await
    }

    /// Reads the ring until nothing can be read, there are this many events, or a record comes that
    /// is not older than `until_ns`.
    fn drain(&mut self, most: usize, until_ns: u64) -> Drained {
        let mut reached = false;
        let mut out = output(&mut self.events, &mut self.origins);
        let shares = self.probes.shares();
        let end = self.ring.drain(|bytes| {
            shares.count(bytes);
            let ts_ns = self.interpreter.bytes(bytes, &mut out);
            reached = ts_ns.is_some_and(|ts_ns| ts_ns >= until_ns);
            if reached || out.events.len() >= most {
                Break(())
            } else {
                Continue(())
            }
        });
        self.interpreter.expire(monotonic_ns(), &mut out);
        shares.give_back();
        self.name_holders();
        match end {
            Break(()) if reached => Drained::All,
            Break(()) => Drained::Enough,
            Continue(()) if self.ring.is_empty() => Drained::All,
            Continue(()) => Drained::Held,
        }
    }

    /// Reads all that was written before `until_ns`, unless there are this many events first: then
    /// it says no. What is being written is waited for.
    fn catch_up(&mut self, most: usize, until_ns: u64) -> bool {
        for _ in 0..HELD_TRIES {
            match self.drain(most, until_ns) {
                Drained::All => return true,
                Drained::Enough => return false,
                Drained::Held => std::thread::sleep(HELD_PAUSE),
            }
        }
        tracing::warn!("a record in the ring was not finished: what is behind it is not read yet");
        true
    }

    /// Reads all that was written before now.
    fn drain_all(&mut self) {
        self.catch_up(usize::MAX, monotonic_ns());
    }

    fn drift(&mut self) -> u64 {
        let listed = self.interpreter.take_listed();
        let counted = listed.min(self.unfit);
        self.unfit -= counted;
        let unopened = self.interpreter.take_missed();
        let uncounted = unopened.saturating_sub(self.unfit);
        self.unfit -= unopened - uncounted;
        let found = Drift {
            transitions: self.probes.take_lost(lost::MISSED) + uncounted,
            ended: self.drift.take(),
            opened: listed - counted,
            malformed: self.interpreter.take_malformed(),
        };
        if found.sum() > 0 {
            tracing::debug!("drift: {found:?}");
        }
        found.sum()
    }

    fn lost(&mut self) -> Vec<Lost> {
        let overran = self.probes.take_lost(lost::RING) > 0;
        self.ring_overran |= overran;
        let unfit = self.probes.take_lost(lost::MAP);
        self.unfit += unfit;
        let rest = [
            (LossKind::Map, unfit + self.interpreter.take_unopened()),
            (LossKind::Recursion, self.probes.take_skipped()),
            (LossKind::Drift, self.drift()),
        ];
        let mut lost = Vec::new();
        // Each is counted to whose it was first, so that nothing of the sum is missing there.
        if overran {
            lost = dropped_by(self.probes.shares().take_dropped(), &mut self.origins);
        }
        lost.extend(rest.map(|(kind, n)| Lost::new(kind, n)));
        lost.retain(|lost| lost.n > 0);
        lost
    }
}

/// How reading the ring ended.
enum Drained {
    /// All was read that was asked for.
    All,
    /// There are enough events for now.
    Enough,
    /// A record is being written, and holds up what is behind it.
    Held,
}

/// Events that were missed without a counter that says so.
#[derive(Debug)]
struct Drift {
    /// Of transitions that the kernel has run no program for.
    transitions: u64,
    /// Of sockets that were remembered and are gone.
    ended: u64,
    /// Openings of sockets that are open and were not known.
    opened: u64,
    /// Records that made no sense.
    malformed: u64,
}

impl Drift {
    fn sum(&self) -> u64 {
        self.transitions + self.ended + self.opened + self.malformed
    }
}

fn output<'a>(events: &'a mut Vec<Event>, origins: &'a mut Names) -> Output<'a> {
    origins.now = Instant::now();
    Output {
        events,
        origins,
        clock: Clock::now(),
    }
}
