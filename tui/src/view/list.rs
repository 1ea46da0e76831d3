//! A list of sums, each of which has a name: made anew when it is due. Pure.

use collector::model::Timestamp;

use super::rank::Value;
use super::sorted::{Sorted, may_move};
use super::window::Rows;

/// The names of the rows, in the order in which they stand.
#[derive(Debug)]
pub(crate) struct ListIndex<K> {
    sorted: Sorted<K>,
    /// When it was made; `None` if that is to be done at once.
    made: Option<Timestamp>,
}

impl<K: Copy + Ord> Default for ListIndex<K> {
    fn default() -> Self {
        Self {
            sorted: Sorted::new(false),
            made: None,
        }
    }
}

impl<K: Copy + Ord> ListIndex<K> {
    /// It is to be made anew without waiting.
    pub(crate) fn restart(&mut self) {
        self.made = None;
    }

    /// It is to be made anew: at most once a second, and not while somebody moves about in it.
    pub(crate) fn is_due(&self, now: Timestamp, moved: Timestamp) -> bool {
        may_move(self.made, now, moved)
    }

    /// Nobody has asked for it yet, or for another order since.
    pub(crate) fn is_new(&self) -> bool {
        self.made.is_none()
    }

    /// Makes it.
    pub(crate) fn make<'a>(
        &mut self,
        rows: impl Iterator<Item = (K, Value<'a>)>,
        inverted: bool,
        now: Timestamp,
    ) {
        self.sorted = Sorted::new(inverted);
        self.sorted.add(rows);
        while !self.sorted.merge(usize::MAX, |_, _| true) {}
        self.made = Some(now);
    }
}

impl<K: Copy + Ord> Rows for ListIndex<K> {
    type Key = K;

    fn len(&self) -> usize {
        self.sorted.len()
    }

    fn key(&self, place: usize) -> Option<K> {
        self.sorted.key(place)
    }

    fn find(&self, key: K, last: usize) -> usize {
        self.sorted.find(key, last).unwrap_or(last)
    }
}
