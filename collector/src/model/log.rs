//! The newest events, bounded by their number, each with an identity that never changes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::Event;

mod column;
mod part;
mod piece;

pub(crate) use part::blank;
pub use part::{Number, Part};
pub(crate) use piece::Piece;

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
/// The newest are as they came. Whenever there are enough of them they become a piece that is kept by
/// columns, in a quarter of the room, and that a filter or an order reads a column at a time. Pieces
/// are shared between a log and its clones: a clone is a picture of the moment that costs next to
/// nothing, for whoever has more to do with it than fits between two keys.
#[derive(Clone, Debug)]
pub struct Log {
    /// Piece `i` has the identities from `i` multiples of [`PIECE`] after `start` on.
    pieces: VecDeque<Arc<Piece>>,
    /// Those after the pieces.
    newest: Vec<Event>,
    /// The identity of the first event that is there: a multiple of [`PIECE`].
    start: EventId,
    /// Of the first that is kept: what is before it goes with its piece.
    first: EventId,
    limit: usize,
}

/// Events in one piece. The more, the more have in common; it takes less than a millisecond to make.
const PIECE: usize = 4_096;

impl Log {
    /// An empty log that keeps the newest `limit` events, and at least one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            newest: Vec::new(),
            start: EventId::default(),
            first: EventId::default(),
            limit: limit.max(1),
        }
    }

    /// Appends an event; the oldest is evicted if the log is full.
    pub fn push(&mut self, event: Event) -> EventId {
        let id = self.end();
        self.newest.push(event);
        if self.newest.len() == PIECE {
            self.pieces.push_back(Arc::new(Piece::of(&self.newest)));
            self.newest.clear();
        }
        self.first = self.first.max(id.plus(1).minus(self.limit));
        if self.first.since(self.start) >= PIECE && self.pieces.pop_front().is_some() {
            self.start = self.start.plus(PIECE);
        }
        id
    }

    /// The event of that identity, if it is still kept.
    #[must_use]
    pub fn get(&self, id: EventId) -> Option<Event> {
        if id < self.first {
            return None;
        }
        let place = id.since(self.start);
        match self.pieces.get(place / PIECE) {
            Some(piece) => piece.event(place % PIECE),
            None => self.newest.get(place - self.pieces.len() * PIECE).cloned(),
        }
    }

    /// The stretches that a range of identities goes through, in their order.
    pub(crate) fn stretches(&self, ids: Range<EventId>) -> impl Iterator<Item = Stretch<'_>> {
        let from = ids.start.max(self.first);
        let to = ids.end.min(self.end()).max(from);
        let places = from.since(self.start)..to.since(self.start);
        let packed = self.pieces.len() * PIECE;
        let pieces = self.pieces.iter().enumerate();
        let pieces = pieces
            .skip(places.start / PIECE)
            .take_while({
                let places = places.clone();
                move |(i, _)| i * PIECE < places.end
            })
            .map(move |(i, piece)| {
                let within = |place: usize| place.saturating_sub(i * PIECE).min(PIECE);
                Stretch {
                    start: self.start.plus(i * PIECE),
                    rows: within(places.start)..within(places.end),
                    of: Rows::Packed(piece),
                }
            });
        let within = |place: usize| place.saturating_sub(packed);
        let newest = Stretch {
            start: self.start.plus(packed),
            rows: within(from.since(self.start))..within(to.since(self.start)),
            of: Rows::Plain(&self.newest),
        };
        pieces
            .chain(Some(newest))
            .filter(|stretch| !stretch.rows.is_empty())
    }

    /// Tells what `value` says of a part of events, whose identities rise. It is asked once for
    /// all events that share what they have there, and sees an event that has nothing else.
    pub fn each<T: Copy>(
        &self,
        ids: impl IntoIterator<Item = EventId>,
        part: Part,
        mut value: impl FnMut(&Event) -> T,
        mut tell: impl FnMut(EventId, T),
    ) {
        let mut ids = ids.into_iter().peekable();
        let mut event = blank(Arc::default());
        while ids.next_if(|id| *id < self.first).is_some() {}
        while let Some(first) = ids.peek().copied() {
            let Some(stretch) = self.stretches(first..self.end()).next() else {
                return;
            };
            let mut rows = || {
                let id = ids.next_if(|id| *id < stretch.end())?;
                Some((id, id.since(stretch.start)))
            };
            match (&stretch.of, part) {
                (Rows::Plain(events), _) => {
                    while let Some((id, row)) = rows() {
                        tell(id, value(&events[row]));
                    }
                }
                (Rows::Packed(piece), Part::Number(number)) => {
                    let column = piece.column(part);
                    while let Some((id, row)) = rows() {
                        number.put(column.get(row), &mut event);
                        tell(id, value(&event));
                    }
                }
                (Rows::Packed(piece), _) => {
                    let column = piece.column(part);
                    let mut values = vec![None; piece.values(part)];
                    while let Some((id, row)) = rows() {
                        let place = column.get(row).and_then(|n| usize::try_from(n).ok());
                        let Some(place) = place else { continue };
                        tell(
                            id,
                            *values[place].get_or_insert_with(|| {
                                piece.put(part, place, &mut event);
                                value(&event)
                            }),
                        );
                    }
                }
            }
        }
    }

    /// The identity of the oldest event that is kept: also how many were evicted.
    #[must_use]
    pub fn first(&self) -> EventId {
        self.first
    }

    /// The identity that the next event will get: also how many there ever were.
    #[must_use]
    pub fn end(&self) -> EventId {
        self.start
            .plus(self.pieces.len() * PIECE + self.newest.len())
    }

    /// The identities that are kept.
    #[must_use]
    pub fn range(&self) -> Range<EventId> {
        self.first..self.end()
    }

    /// How many events are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end().since(self.first)
    }

    /// Nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Some events one after the other.
pub(crate) struct Stretch<'a> {
    /// The identity of row 0.
    pub(crate) start: EventId,
    /// The rows that are meant.
    pub(crate) rows: Range<usize>,
    pub(crate) of: Rows<'a>,
}

impl Stretch<'_> {
    /// The identity after the last one that is meant.
    fn end(&self) -> EventId {
        self.start.plus(self.rows.end)
    }
}

/// How the events of a [`Stretch`] are kept.
pub(crate) enum Rows<'a> {
    Packed(&'a Piece),
    Plain(&'a [Event]),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::sample;
    use crate::testing::any_event;

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// Whether they have become a piece or not, and whatever few of them have.
        #[test]
        fn events_come_back_as_they_were(events in prop::collection::vec(any_event(), 1..40)) {
            let mut log = Log::new(2 * PIECE);
            let all = events.iter().cycle();
            for event in all.clone().take(PIECE + 40) {
                log.push(event.clone());
            }
            for (id, event) in (0..log.end().0).zip(all) {
                let kept = log.get(EventId(id));
                prop_assert_eq!(kept.as_ref(), Some(event));
            }
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
