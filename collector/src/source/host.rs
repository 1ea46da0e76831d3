//! This host: the probes' records, as they come.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use probe_common::lost;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Stop, Updates};
use crate::model::{
    Batch, Event, Hello, LossKind, Lost, NodeState, Origin, SourceState, Timestamp, Update,
};
use crate::probe::{
    self, Clock, Interpreter, Origins, Output, ProbeError, Probes, Ring, monotonic_ns,
};

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
/// How many events one batch holds at the most.
const BATCH_MAX: usize = 8192;
/// How many batches wait for a slow reader. When they are full the ring fills, and counts.
const QUEUE: usize = 16;

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
        let mut reader = Reader::attach(options).map_err(|e| e.to_string())?;
        let hello = reader.hello(options).map_err(|e| e.to_string())?;
        for update in [Update::Hello(hello), state(node, SourceState::Live)] {
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
    origins: Workloads,
    attached: Timestamp,
    /// Decoded, and not sent yet.
    events: Vec<Event>,
}

impl Reader {
    fn attach(options: &Options) -> Result<Self, ProbeError> {
        let mut probes = Probes::attach(&options.probe)?;
        let attached = Timestamp::now();
        let ring = probes.take_ring()?;
        let origins = Workloads {
            none: Arc::new(Origin {
                node: options.node.clone(),
                ..Origin::default()
            }),
        };
        Ok(Self {
            node: options.node.clone(),
            probes,
            ring,
            interpreter: Interpreter::default(),
            origins,
            attached,
            events: Vec::new(),
        })
    }

    /// Lists what is open already.
    fn hello(&mut self, options: &Options) -> Result<Hello, ProbeError> {
        if options.seed {
            self.probes.seed()?;
        }
        self.drain();
        let seeded = self.events.iter().filter(|e| e.kind.is_none()).count();
        Ok(Hello {
            node: self.node.clone(),
            kernel: kernel_release(),
            accept_hook: Some(self.probes.accept_hook()),
            seeded: seeded as u64,
            ts: self.attached,
        })
    }

    /// Sends what comes, until it is asked to stop.
    async fn follow(&mut self, updates: &mpsc::Sender<Update>, stop: Stop) -> std::io::Result<()> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut lost = Vec::new();
        loop {
            let more = self.events.len() >= BATCH_MAX;
            let idle = self.events.is_empty() && lost.is_empty();
            if !idle {
                let events = std::mem::take(&mut self.events);
                let batch = Batch {
                    node: self.node.clone(),
                    events,
                    lost: std::mem::take(&mut lost),
                };
                if updates.send(Update::Batch(batch)).await.is_err() {
                    return Ok(());
                }
            }
            let pace = async {
                match (more, idle) {
                    (true, _) => {}
                    (false, false) => tokio::time::sleep(PACE).await,
                    (false, true) => self.ring.readable().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.requested() => break,
                () = updates.closed() => return Ok(()),
                _ = tick.tick() => lost = self.lost(),
                () = pace => {}
            }
            self.drain();
        }
        self.drain();
        let mut out = output(&mut self.events, &mut self.origins);
        self.interpreter.finish(&mut out);
        let events = std::mem::take(&mut self.events);
        let batch = Batch {
            node: self.node.clone(),
            events,
            lost: self.lost(),
        };
        let _ = updates.send(Update::Batch(batch)).await;
        let _ = updates.send(state(&self.node, SourceState::Ended)).await;
        Ok(())
    }

    /// Reads the ring until it is empty or a batch is full.
    fn drain(&mut self) {
        let mut out = output(&mut self.events, &mut self.origins);
        self.ring.drain(|bytes| {
            self.interpreter.bytes(bytes, &mut out);
            if out.events.len() < BATCH_MAX {
                Continue(())
            } else {
                Break(())
            }
        });
        self.interpreter.expire(monotonic_ns(), &mut out);
    }

    fn lost(&mut self) -> Vec<Lost> {
        let counts = self.probes.take_lost();
        [(LossKind::Ring, lost::RING), (LossKind::Map, lost::MAP)]
            .into_iter()
            .map(|(kind, index)| Lost {
                kind,
                n: counts[index as usize],
            })
            .filter(|lost| lost.n > 0)
            .collect()
    }
}

fn output<'a>(events: &'a mut Vec<Event>, origins: &'a mut Workloads) -> Output<'a> {
    Output {
        events,
        origins,
        clock: Clock::now(),
    }
}

/// Names workloads by their cgroup.
struct Workloads {
    none: Arc<Origin>,
}

impl Origins for Workloads {
    fn origin(&mut self, _cgroup: u64) -> Arc<Origin> {
        self.none.clone()
    }
}

fn kernel_release() -> Arc<str> {
    rustix::system::uname().release().to_string_lossy().into()
}
