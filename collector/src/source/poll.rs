//! The source that needs no privileges: the kernel's list of sockets, read again and again.
//!
//! It works on a thread of its own, since a long list takes a while and a full channel may wait.
//!
//! ```text
//! thread: dump ─▶ diff ─▶ owners, cgroups ─▶ events ─▶ channel ─▶ stream
//! ```

mod diff;
mod names;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

use self::diff::Tracker;
use self::names::Names;
use super::{Stop, Updates};
use crate::identity::host;
use crate::model::{Batch, Event, Family, Hello, NodeState, SourceState, Timestamp, Update};
use crate::sock_diag::netns::Netns;
use crate::sock_diag::{Client, Error, States};

/// What this source cannot see, for a person who looks at its screen.
pub const LIMITS: &str = "Polling sees what is open at each look, in this network namespace. It \
    misses connections shorter than the interval and connects that failed; it cannot tell who \
    opened or closed a connection, nor why it ended, so every change is U. Times are those of the \
    look, bytes and round trips those of the last look, and owners only those that may be read.";

/// How to poll.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time between two looks; what opens and closes within it is not seen.
    pub interval: Duration,
    /// The node's name.
    pub node: Arc<str>,
}

/// Once a second, under the host's name.
impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            node: host::node_name(),
        }
    }
}

/// How many updates may wait for a reader. Nothing is lost when it is full: the next look is later.
const WAITING: usize = 4;

/// Starts polling. The stream ends when it is asked to stop, and when the first look fails, with a
/// [`SourceState::Lost`] that says why; a later look that fails says so too, and is tried again.
#[must_use]
pub fn start(options: Options, stop: Stop) -> Updates {
    let (updates, receiver) = mpsc::channel(WAITING);
    let node = Arc::clone(&options.node);
    let failed = updates.clone();
    let spawned = thread::Builder::new().name("poll".into()).spawn(move || {
        let ran = Builder::new_current_thread().enable_time().build();
        match ran.map(|runtime| runtime.block_on(run(&options, &updates, stop))) {
            // A reader who has gone need not be told.
            Ok(Ok(()) | Err(Gone)) => {}
            Err(error) => drop(updates.blocking_send(lost(&options.node, &error))),
        }
    });
    if let Err(error) = spawned {
        // The channel is new and empty.
        drop(failed.try_send(lost(&node, &error)));
    }
    Box::pin(ReceiverStream::new(receiver))
}

/// The reader has gone.
struct Gone;

async fn run(options: &Options, updates: &mpsc::Sender<Update>, stop: Stop) -> Result<(), Gone> {
    let send = async |update| updates.send(update).await.map_err(|_| Gone);
    let state = |state| {
        let node = Arc::clone(&options.node);
        Update::State(NodeState {
            node,
            state,
            via: None,
        })
    };
    let batch = |events| {
        Update::Batch(Batch {
            node: Arc::clone(&options.node),
            events,
            lost: Vec::new(),
        })
    };

    send(state(SourceState::Connecting)).await?;
    let (mut look, snapshot) = match Look::first(options) {
        Ok(first) => first,
        Err(error) => return send(lost(&options.node, &error)).await,
    };
    send(Update::Hello(Hello {
        node: Arc::clone(&options.node),
        version: Some(env!("CARGO_PKG_VERSION").into()),
        kernel: host::kernel_release(),
        accept_hook: None,
        filter: None,
        degraded: Vec::new(),
        seeded: snapshot.len() as u64,
        ts: look.began,
    }))
    .await?;
    send(state(SourceState::Live)).await?;
    send(batch(snapshot)).await?;

    let mut live = true;
    loop {
        let asked = tokio::select! {
            biased;
            () = stop.requested() => true,
            () = updates.closed() => return Err(Gone),
            () = sleep(options.interval) => false,
        };
        // Once more after it was asked: what has changed until then is not lost.
        match look.again() {
            Ok(events) => {
                if !live {
                    send(state(SourceState::Live)).await?;
                }
                live = true;
                if !events.is_empty() {
                    send(batch(events)).await?;
                }
            }
            Err(error) => {
                if live {
                    send(lost(&options.node, &error)).await?;
                }
                live = false;
            }
        }
        if asked {
            return send(state(SourceState::Ended)).await;
        }
    }
}

fn lost(node: &Arc<str>, error: &dyn std::fmt::Display) -> Update {
    Update::State(NodeState {
        node: Arc::clone(node),
        state: SourceState::Lost(error.to_string()),
        via: None,
    })
}

/// One look after the other.
struct Look {
    client: Client,
    tracker: Tracker,
    names: Names,
    /// When the first look began.
    began: Timestamp,
}

impl Look {
    fn first(options: &Options) -> Result<(Self, Vec<Event>), Error> {
        let began = Timestamp::now();
        let netns = Netns::own().ok().map(|netns| netns.inum());
        let mut names = Names::new(Arc::clone(&options.node));
        let mut look = Self {
            client: Client::open()?,
            tracker: Tracker::new(netns, names.nobody()),
            names,
            began,
        };
        look.see()?;
        let snapshot = look.tracker.snapshot(Timestamp::now());
        Ok((look, snapshot))
    }

    fn again(&mut self) -> Result<Vec<Event>, Error> {
        self.see()?;
        let now = Timestamp::now();
        let client = &mut self.client;
        Ok(self
            .tracker
            .changes(now, |socket| client.find(&socket.key())))
    }

    fn see(&mut self) -> Result<(), Error> {
        let mut sockets = self.client.dump(Family::V4, States::CONNECTIONS)?;
        sockets.append(&mut self.client.dump(Family::V6, States::CONNECTIONS)?);
        self.tracker.see(sockets);
        self.names.name(&mut self.tracker);
        Ok(())
    }
}
