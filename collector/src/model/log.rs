//! The newest events, bounded by their number, each with an identity that never changes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::Event;

/// The identity of an event in a [`Log`]: rises by one per event, and is never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub u64);

impl EventId {
    /// The identity `n` events later.
    #[must_use]
    pub fn plus(self, n: usize) -> Self {
        Self(self.0.saturating_add(n as u64))
    }

    /// The identity `n` events earlier, or the very first.
    #[must_use]
    pub fn minus(self, n: usize) -> Self {
        Self(self.0.saturating_sub(n as u64))
    }

    /// How many events after `other` this one is; 0 if it is not after it.
    #[must_use]
    pub fn since(self, other: Self) -> usize {
        usize::try_from(self.0.saturating_sub(other.0)).unwrap_or(usize::MAX)
    }
}

/// Events in the order in which they came; the oldest goes when there is no room.
///
/// Kept in pieces, so that growing never copies what is there: a single buffer takes tens of
/// milliseconds to double at a million events, and somebody may be typing. The pieces are shared
/// between a log and its clones until one of them changes: a clone is a picture of the moment that
/// costs next to nothing, for whoever has more to do with it than fits between two keys.
#[derive(Clone, Debug)]
pub struct Log {
    /// Piece `i` holds the identities that are `i` multiples of [`PIECE`] after the first's; only
    /// the first and the last piece may be short of [`PIECE`] events.
    pieces: VecDeque<Arc<VecDeque<Event>>>,
    first: EventId,
    len: usize,
    limit: usize,
}

/// Events in one piece: some 100 KiB.
const PIECE: usize = 512;

impl Log {
    /// An empty log that keeps the newest `limit` events, and at least one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            first: EventId::default(),
            len: 0,
            limit: limit.max(1),
        }
    }

    /// Appends an event; the oldest is evicted if the log is full.
    pub fn push(&mut self, event: Event) -> EventId {
        if self.len == self.limit {
            self.evict();
        }
        let id = self.end();
        match self.pieces.back_mut() {
            Some(piece) if offset(id) != 0 => Arc::make_mut(piece).push_back(event),
            _ => {
                let mut piece = VecDeque::with_capacity(PIECE);
                piece.push_back(event);
                self.pieces.push_back(Arc::new(piece));
            }
        }
        self.len += 1;
        id
    }

    fn evict(&mut self) {
        let Some(piece) = self.pieces.front_mut() else {
            return;
        };
        Arc::make_mut(piece).pop_front();
        self.first = self.first.plus(1);
        self.len -= 1;
        if offset(self.first) == 0 {
            self.pieces.pop_front();
        }
    }

    /// The event of that identity, if it is still kept.
    #[must_use]
    pub fn get(&self, id: EventId) -> Option<&Event> {
        if id < self.first || id >= self.end() {
            return None;
        }
        let start = offset(self.first);
        let place = start + id.since(self.first);
        let (piece, within) = (place / PIECE, place % PIECE);
        let within = if piece == 0 { within - start } else { within };
        self.pieces.get(piece)?.get(within)
    }

    /// The identity of the oldest event that is kept: also how many were evicted.
    #[must_use]
    pub fn first(&self) -> EventId {
        self.first
    }

    /// The identity that the next event will get: also how many there ever were.
    #[must_use]
    pub fn end(&self) -> EventId {
        self.first.plus(self.len)
    }

    /// The identities that are kept.
    #[must_use]
    pub fn range(&self) -> Range<EventId> {
        self.first..self.end()
    }

    /// How many events are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The place in its piece of an event.
fn offset(id: EventId) -> usize {
    // The remainder is below PIECE.
    usize::try_from(id.0 % PIECE as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::sample;

    proptest! {
        #[test]
        fn keeps_the_newest_under_their_identities(limit in 1_usize..1_600, n in 0_u16..4_000) {
            let mut log = Log::new(limit);
            for i in 0..n {
                let id = log.push(sample::connect(u64::from(i), i));
                prop_assert_eq!(id, EventId(u64::from(i)));
            }
            prop_assert_eq!(log.end(), EventId(u64::from(n)));
            prop_assert_eq!(log.len(), usize::from(n).min(limit));
            for i in 0..n {
                let kept = log.get(EventId(u64::from(i))).map(|e| e.local.port);
                prop_assert_eq!(kept, (EventId(u64::from(i)) >= log.first()).then_some(i));
            }
            prop_assert!(log.get(log.end()).is_none());
        }
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut log = Log::new(700);
        for i in 0..1_000 {
            log.push(sample::connect(i, 1));
        }
        let picture = log.clone();
        let before: Vec<u64> = ids(&picture);
        for i in 1_000..3_000 {
            log.push(sample::connect(i, 1));
        }
        assert_eq!(before, (300..1_000).collect::<Vec<_>>());
        assert_eq!(ids(&picture), before);
        assert_eq!(ids(&log), (2_300..3_000).collect::<Vec<_>>());
    }

    fn ids(log: &Log) -> Vec<u64> {
        (log.first().0..log.end().0)
            .filter_map(|id| log.get(EventId(id)).map(|event| event.conn.0))
            .collect()
    }

    #[test]
    fn pieces_are_freed_as_their_events_go() {
        let mut log = Log::new(PIECE);
        for i in 0..20 * PIECE as u64 {
            log.push(sample::connect(i, 1));
        }
        assert!(log.pieces.len() <= 2);
    }
}
