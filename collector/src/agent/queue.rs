//! What waits for one client: bounded, the oldest goes first, and what goes is counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::rate::Bucket;
use crate::filter::Filter;
use crate::model::{Bye, Event, LossKind, Losses, Lost, Meta};

/// What a client is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// An event, or a socket that turned out to be open.
    Event(Arc<Event>),
    /// The source lost something.
    Lost(Lost),
    /// What a cgroup is became known. It has the number of what went before.
    Meta(Arc<Meta>),
}

/// An item and its number, which rises by one for each event and each loss of a source.
pub(super) type Numbered = (u64, Item);

/// What a client asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) filter: Filter,
    pub(super) bucket: Option<Bucket>,
}

/// One client's queue, between the hub that fills it and the stream that empties it.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug)]
struct Inner {
    wanted: Wanted,
    items: VecDeque<Numbered>,
    /// Lost on the way to this client, and not told yet.
    owed: Losses,
    /// The number of the last item that was offered, wanted or not.
    offered: u64,
    bye: Option<Bye>,
    /// So many items wait, and no more.
    most: usize,
}

/// What a stream takes at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// To be told first: it is older than the items.
    pub(super) owed: Losses,
    pub(super) items: Vec<Numbered>,
    /// All up to this number is told with this.
    pub(super) through: u64,
    /// How many items are left.
    pub(super) queued: usize,
    /// The last word, when nothing is left.
    pub(super) bye: Option<Bye>,
}

impl Queue {
    pub(super) fn new(wanted: Wanted, offered: u64, most: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                wanted,
                items: VecDeque::new(),
                owed: Losses::default(),
                offered,
                bye: None,
                most,
            }),
            filled: Notify::new(),
        }
    }

    /// A panic while it was held leaves nothing half done: single pushes and pops.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the items that the client wants, as far as its rate allows.
    pub(super) fn offer(&self, items: &[Numbered], now: Instant) {
        let mut inner = self.lock();
        for (number, item) in items {
            inner.offer(*number, item, now);
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// How many items wait.
    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Nothing comes any more.
    pub(super) fn close(&self, bye: Bye) {
        self.lock().bye = Some(bye);
        self.filled.notify_one();
    }

    /// Waits until there are so many items, or something else to be told.
    pub(super) async fn filled(&self, most: usize) {
        loop {
            {
                let inner = self.lock();
                if inner.items.len() >= most || inner.bye.is_some() || inner.owed.total() > 0 {
                    return;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Takes what is there, at most this many items.
    pub(super) fn take(&self, most: usize) -> Taken {
        let mut inner = self.lock();
        let owed = std::mem::take(&mut inner.owed);
        let count = most.min(inner.items.len());
        let items: Vec<Numbered> = inner.items.drain(..count).collect();
        let through = items.last().map_or(0, |(number, _)| *number);
        let queued = inner.items.len();
        Taken {
            owed,
            items,
            through: if queued == 0 { inner.offered } else { through },
            queued,
            bye: (queued == 0).then(|| inner.bye.clone()).flatten(),
        }
    }
}

impl Inner {
    fn offer(&mut self, number: u64, item: &Item, now: Instant) {
        self.offered = number;
        if let Item::Event(event) = item {
            if !self.wanted.filter.matches(event) {
                return;
            }
            let happened = event.kind.is_some();
            if let Some(bucket) = &mut self.wanted.bucket
                && happened
                && !bucket.take(now)
            {
                self.owe(LossKind::Rate);
                return;
            }
        }
        if self.items.len() >= self.most {
            match self.items.pop_front() {
                Some((_, Item::Event(_))) => self.owe(LossKind::Client),
                Some((_, Item::Lost(lost))) => self.owed.add(&lost),
                Some((_, Item::Meta(_))) | None => {}
            }
        }
        self.items.push_back((number, item.clone()));
    }

    fn owe(&mut self, kind: LossKind) {
        self.owed.add(&Lost::new(kind, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    const MOST: usize = 100;

    fn queue(filter: &str, bucket: Option<Bucket>) -> Queue {
        let filter = Filter::parse(filter).unwrap();
        Queue::new(Wanted { filter, bucket }, 0, MOST)
    }

    fn events(numbers: std::ops::Range<u64>) -> Vec<Numbered> {
        numbers
            .map(|number| (number, Item::Event(Arc::new(event()))))
            .collect()
    }

    #[test]
    fn the_oldest_goes_when_it_is_full_and_is_counted() {
        let queue = queue("", None);
        let most = MOST as u64;
        let loss = Lost::new(LossKind::Ring, 5);
        queue.offer(&[(1, Item::Lost(loss))], Instant::now());
        queue.offer(&events(2..most + 4), Instant::now());
        let taken = queue.take(1);
        assert_eq!(taken.owed.of(LossKind::Ring), 5);
        assert_eq!(taken.owed.of(LossKind::Client), 2);
        assert_eq!(taken.through, 4);
        assert_eq!(taken.queued, MOST - 1);
        assert_eq!(queue.take(MOST).owed.total(), 0);
    }

    #[test]
    fn what_is_not_wanted_is_no_loss_and_counts_as_told() {
        let queue = queue("comm:wget", None);
        queue.offer(&events(1..9), Instant::now());
        let taken = queue.take(MOST);
        assert!(taken.items.is_empty());
        assert_eq!((taken.through, taken.owed.total()), (8, 0));
    }

    #[test]
    fn what_the_rate_forbids_is_a_loss() {
        let now = Instant::now();
        let queue = queue("", Some(Bucket::new(3, now)));
        queue.offer(&events(1..11), now);
        let taken = queue.take(MOST);
        assert_eq!(taken.items.len(), 3);
        assert_eq!(taken.owed.of(LossKind::Rate), 7);
    }

    #[test]
    fn the_farewell_comes_last() {
        let queue = queue("", None);
        queue.offer(&events(1..4), Instant::now());
        queue.close(Bye::default());
        assert_eq!(queue.take(2).bye, None);
        let last = queue.take(2);
        assert_eq!((last.items.len(), last.bye), (1, Some(Bye::default())));
    }
}
