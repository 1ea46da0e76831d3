//! Events of a source, with the names that the cluster has for what is on this node.
//!
//! ```text
//! source ─▶ cgroup id ─ CgroupIndex ─▶ pod UID, container id ─ Pods ─▶ namespace, pod, container
//! ```
//!
//! A container may be faster than the word of it. An event whose names are not known yet waits, for
//! two seconds at the most, and so do those of the same connection, whose order is theirs; nothing
//! else waits for it. What was waited for in vain goes with what is known, and a [`Meta`] follows
//! when there is more.
//!
//! [`Meta`]: crate::model::Meta

mod places;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

pub use self::places::Names;
use self::places::Verdict;
use super::Updates;
use crate::model::{Batch, ConnId, Event, Lack, SourceState, Update};

/// How long an event may wait for its names.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often names are looked for while something waits.
const AGAIN: Duration = Duration::from_millis(20);
/// How many events may wait: what waits longest then goes as it is.
const MOST: usize = 65_536;
/// How many updates wait for a slow reader, as in the source.
const QUEUE: usize = 16;

/// Names what a source says. The stream ends with the source, after what waits.
#[must_use]
pub fn start(updates: Updates, names: Names) -> Updates {
    let (reader, stream) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        // A reader who has gone need not be told.
        let _ = run(updates, Line::new(names), reader).await;
    });
    Box::pin(ReceiverStream::new(stream))
}

async fn run(
    mut updates: Updates,
    mut line: Line,
    reader: mpsc::Sender<Update>,
) -> Result<(), mpsc::error::SendError<Update>> {
    let followed = line.names.follow(Instant::now());
    #[expect(
        deprecated,
        reason = "sound with an owned descriptor, and the other call is unsafe"
    )]
    let cgroups =
        followed.and_then(|cgroups| AsyncFd::with_interest(cgroups, Interest::READABLE).ok());
    loop {
        let due = line.due();
        let until = tokio::time::Instant::from_std(due.unwrap_or_else(Instant::now));
        let said = tokio::select! {
            biased;
            // First: a cgroup that is gone when it is looked at has no id.
            () = changed(cgroups.as_ref()) => {
                line.names.catch_up(Instant::now());
                Vec::new()
            }
            update = updates.next() => match update {
                Some(update) => line.take(update, Instant::now()),
                None => break,
            },
            () = sleep_until(until), if due.is_some() => line.again(false, Instant::now()),
        };
        for update in said {
            reader.send(update).await?;
        }
    }
    for update in line.again(true, Instant::now()) {
        reader.send(update).await?;
    }
    Ok(())
}

/// Waits until cgroups were made or removed; without an end, if that can't be known.
async fn changed(cgroups: Option<&AsyncFd<OwnedFd>>) {
    match cgroups {
        Some(cgroups) => match cgroups.readable().await {
            // It is read right after this, whole.
            Ok(mut readable) => readable.clear_ready(),
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// What passes, and what waits beside it. Pure, but for what [`Names`] looks up.
struct Line {
    names: Names,
    node: Option<Arc<str>>,
    waiting: VecDeque<(Instant, Event)>,
    /// The connections of which something waits.
    behind: FxHashSet<ConnId>,
    /// When names are to be looked for again, if anything waits.
    next: Instant,
}

impl Line {
    fn new(names: Names) -> Self {
        Self {
            names,
            node: None,
            waiting: VecDeque::new(),
            behind: FxHashSet::default(),
            next: Instant::now(),
        }
    }

    /// When to call [`Line::again`], if nothing comes before.
    fn due(&self) -> Option<Instant> {
        let waiting = (!self.waiting.is_empty()).then_some(self.next);
        waiting.into_iter().chain(self.names.look_again_at()).min()
    }

    /// What can be said now that the source has said this.
    fn take(&mut self, update: Update, now: Instant) -> Vec<Update> {
        let batch = match update {
            Update::Batch(batch) => batch,
            Update::State(state) => {
                let over = matches!(state.state, SourceState::Ended | SourceState::Lost(_));
                let mut said = if over {
                    self.again(true, now)
                } else {
                    Vec::new()
                };
                said.push(Update::State(state));
                return said;
            }
            Update::Hello(mut hello) => {
                let v1 = self.names.are_in_v1.then_some(Lack::ContainerV1);
                hello.degraded.extend(v1.map(Into::into));
                return vec![Update::Hello(hello)];
            }
            other => return vec![other],
        };
        self.node.get_or_insert_with(|| Arc::clone(&batch.node));
        let mut said = if self.due().is_some_and(|due| due <= now) {
            self.again(false, now)
        } else {
            Vec::new()
        };
        let mut events = Vec::with_capacity(batch.events.len());
        for event in batch.events {
            self.pass(event, now, false, now, &mut events);
        }
        while self.waiting.len() > MOST
            && let Some((since, event)) = self.waiting.pop_front()
        {
            self.behind.remove(&event.conn);
            self.pass(event, since, true, now, &mut events);
        }
        self.say(events, batch.lost, &mut said);
        said
    }

    /// What can be said of what waits; when it is over, all.
    fn again(&mut self, over: bool, now: Instant) -> Vec<Update> {
        if self.names.look_again_at().is_some_and(|at| at <= now) {
            self.names.look_again(now);
        }
        self.next = now + AGAIN;
        self.behind.clear();
        let mut events = Vec::new();
        for (since, event) in std::mem::take(&mut self.waiting) {
            let waited = over || now.saturating_duration_since(since) >= PATIENCE;
            self.pass(event, since, waited, now, &mut events);
        }
        let mut said = Vec::new();
        self.say(events, Vec::new(), &mut said);
        said
    }

    /// Lets an event pass, or wait.
    fn pass(
        &mut self,
        mut event: Event,
        since: Instant,
        waited: bool,
        now: Instant,
        passed: &mut Vec<Event>,
    ) {
        let verdict = if self.behind.contains(&event.conn) {
            Verdict::NotYet
        } else {
            self.names.name(&mut event, waited, now)
        };
        match verdict {
            Verdict::Named => passed.push(event),
            Verdict::Elsewhere => {}
            Verdict::NotYet => {
                if self.waiting.is_empty() {
                    self.next = now + AGAIN;
                }
                self.behind.insert(event.conn);
                self.waiting.push_back((since, event));
            }
        }
    }

    fn say(&mut self, events: Vec<Event>, lost: Vec<crate::model::Lost>, said: &mut Vec<Update>) {
        let Some(node) = &self.node else { return };
        said.extend(self.names.news().into_iter().map(Update::Meta));
        if !events.is_empty() || !lost.is_empty() {
            let node = Arc::clone(node);
            said.push(Update::Batch(Batch { node, events, lost }));
        }
    }
}

#[cfg(test)]
mod tests;
