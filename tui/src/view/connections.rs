//! Which connections pass the filter, and in which order they stand. Pure.

use std::cmp::Reverse;

use collector::model::{ConnKey, ConnState, Connection, Connections, Timestamp};

use super::window::Rows;

/// The order is made anew at most this often, and not while somebody moves about in it.
const HOLD_NANOS: i64 = 1_000_000_000;

/// The names of the connections that pass, in the order in which they stand.
#[derive(Debug, Default)]
pub(crate) struct ConnectionIndex {
    rows: Vec<ConnKey>,
    /// When the order was made; `None` if that is to be done at once.
    made: Option<Timestamp>,
    /// Something has happened since.
    stale: bool,
}

impl ConnectionIndex {
    /// Something has happened to some connection.
    pub(crate) fn touch(&mut self) {
        self.stale = true;
    }

    /// Other rows pass now: the order is to be made anew without waiting.
    pub(crate) fn restart(&mut self) {
        self.made = None;
        self.stale = true;
    }

    /// There is no order yet.
    pub(crate) fn is_new(&self) -> bool {
        self.made.is_none()
    }

    /// Something has happened that the order does not show yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.stale
    }

    /// The order is to be made anew, `moved` being when somebody last moved about in it.
    pub(crate) fn is_due(&self, now: Timestamp, moved: Timestamp) -> bool {
        let held = |since: Timestamp| (0..HOLD_NANOS).contains(&now.0.saturating_sub(since.0));
        self.stale && self.made.is_none_or(|made| !held(made) && !held(moved))
    }

    /// Makes the order: open ones first, those that opened last at the top; then those that ended
    /// last.
    pub(crate) fn make(
        &mut self,
        all: &Connections,
        now: Timestamp,
        passes: impl Fn(&Connection) -> bool,
    ) {
        let rank = |c: &Connection| match c.state {
            ConnState::Open => (0, Reverse(c.first)),
            ConnState::Unsure | ConnState::Ended | ConnState::Failed => (1, Reverse(c.last)),
        };
        let passing = all.iter().filter(|(_, c)| passes(c));
        let mut ranked: Vec<_> = passing.map(|(key, c)| (rank(c), key)).collect();
        ranked.sort_unstable();
        self.rows.clear();
        self.rows.extend(ranked.into_iter().map(|(_, key)| key));
        self.made = Some(now);
        self.stale = false;
    }
}

impl Rows for ConnectionIndex {
    type Key = ConnKey;

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, place: usize) -> Option<ConnKey> {
        self.rows.get(place).copied()
    }

    fn find(&self, key: ConnKey, last: usize) -> usize {
        if self.rows.get(last) == Some(&key) {
            return last;
        }
        self.rows.iter().position(|k| *k == key).unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use collector::model::{Limits, Store};

    use super::*;
    use crate::sample;

    fn order(index: &ConnectionIndex) -> Vec<u64> {
        index.rows.iter().map(|key| key.conn.0).collect()
    }

    #[test]
    fn open_ones_stand_first_and_the_newest_at_the_top() {
        let mut store = Store::new(Limits::default());
        let events = vec![
            sample::connect(1),
            sample::connect(2),
            sample::connect(3),
            sample::close(2),
        ];
        store.apply(sample::batch(events), Timestamp(0));
        let mut index = ConnectionIndex::default();
        index.make(store.connections(), Timestamp(0), |_| true);
        assert_eq!(order(&index), [3, 1, 2]);
        index.make(store.connections(), Timestamp(0), |c| c.row.local.port != 3);
        assert_eq!(order(&index), [1, 2]);
    }

    #[test]
    fn the_order_holds_for_a_second_and_while_somebody_moves() {
        let at = |ms: i64| Timestamp(5_000_000_000 + ms * 1_000_000);
        let mut index = ConnectionIndex::default();
        assert!(!index.is_due(at(0), at(-5_000)));
        index.touch();
        assert!(index.is_due(at(0), at(-5_000)));
        index.made = Some(at(0));
        assert!(!index.is_due(at(999), at(-5_000)));
        assert!(index.is_due(at(1_000), at(-5_000)));
        assert!(!index.is_due(at(1_000), at(500)));
        index.restart();
        assert!(index.is_due(at(1_000), at(999)));
    }
}
