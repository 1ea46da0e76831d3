//! The source that needs no privileges: the kernel's list of sockets, read again and again.
//!
//! It works on a thread of its own, since a long list takes a while and a full channel may wait.
//!
//! ```text
//! thread: dump ─▶ diff ─▶ owners, cgroups ─▶ events ─▶ channel ─▶ stream
//! ```

mod diff;
mod names;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::Stream;

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

/// Starts polling. The stream ends by itself only when the first look fails, with a
/// [`SourceState::Lost`] that says why; a later look that fails says so too, and is tried again.
/// Polling stops when it is asked to, or when the stream is dropped.
#[must_use]
pub fn start(options: Options, stop: Stop) -> Updates {
    let (updates, receiver) = mpsc::channel(WAITING);
    let (dropped, stopped) = channel();
    let node = Arc::clone(&options.node);
    let failed = updates.clone();
    let spawned = thread::Builder::new()
        .name("poll".into())
        // An error is that of a reader who has gone: nobody is left to be told.
        .spawn(move || run(&options, &updates, &stopped).unwrap_or_default());
    if let Err(error) = spawned {
        // The channel is new and empty.
        let _ = failed.try_send(lost(&node, &error));
    }
    Box::pin(Polling {
        receiver,
        stop: Some(Box::pin(async move { stop.requested().await })),
        _dropped: dropped,
    })
}

/// The reader's end; dropping it ends the thread's wait.
struct Polling {
    receiver: mpsc::Receiver<Update>,
    stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _dropped: Sender<()>,
}

impl Stream for Polling {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        // Nothing is held back, so that there is nothing to wait for.
        if self
            .stop
            .as_mut()
            .is_some_and(|stop| stop.as_mut().poll(cx).is_ready())
        {
            self.stop = None;
            self.receiver.close();
        }
        self.receiver.poll_recv(cx)
    }
}

/// The reader has gone.
struct Gone;

fn run(
    options: &Options,
    updates: &mpsc::Sender<Update>,
    stopped: &Receiver<()>,
) -> Result<(), Gone> {
    let send = |update| updates.blocking_send(update).map_err(|_| Gone);
    let state = |state| {
        let node = Arc::clone(&options.node);
        Update::State(NodeState { node, state })
    };
    let batch = |events| {
        Update::Batch(Batch {
            node: Arc::clone(&options.node),
            events,
            lost: Vec::new(),
        })
    };

    send(state(SourceState::Connecting))?;
    let (mut look, snapshot) = match Look::first(options) {
        Ok(first) => first,
        Err(error) => return send(lost(&options.node, &error)),
    };
    send(Update::Hello(Hello {
        node: Arc::clone(&options.node),
        kernel: host::kernel_release(),
        accept_hook: None,
        seeded: snapshot.len() as u64,
        ts: look.began,
    }))?;
    send(state(SourceState::Live))?;
    send(batch(snapshot))?;

    let mut live = true;
    // The channel never carries anything: it times out, or its other end is dropped.
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(options.interval) {
        match look.again() {
            Ok(events) => {
                if !live {
                    send(state(SourceState::Live))?;
                }
                live = true;
                if !events.is_empty() {
                    send(batch(events))?;
                }
            }
            Err(error) => {
                if live {
                    send(lost(&options.node, &error))?;
                }
                live = false;
            }
        }
    }
    Ok(())
}

fn lost(node: &Arc<str>, error: &dyn std::fmt::Display) -> Update {
    Update::State(NodeState {
        node: Arc::clone(node),
        state: SourceState::Lost(error.to_string()),
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
        Ok(self.tracker.changes(now, |socket| client.find(socket)))
    }

    fn see(&mut self) -> Result<(), Error> {
        let mut sockets = self.client.dump(Family::V4, States::CONNECTIONS)?;
        sockets.append(&mut self.client.dump(Family::V6, States::CONNECTIONS)?);
        self.tracker.see(sockets);
        self.names.name(&mut self.tracker);
        Ok(())
    }
}
