//! Which connections pass the filter, and in which order they stand. Pure.

use collector::model::{ConnKey, Connection, Connections, Cursor, Timestamp};
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::rank::Value;
use super::sorted::{Sorted, may_move};
use super::window::Rows;

/// The names of the connections that pass, in the order in which they stand.
#[derive(Debug)]
pub(crate) struct ConnectionIndex {
    sorted: Sorted<ConnKey>,
    /// How many places have been looked at, until all that there was is shown.
    filling: Option<usize>,
    /// All of these places are in what is to be shown next.
    whole: bool,
    /// Changes up to here are in the list; before the first look, there are none.
    cursor: Option<Cursor>,
    /// What is being brought in.
    news: Option<News>,
    /// When rows last moved.
    made: Option<Timestamp>,
}

/// Connections that have changed.
#[derive(Debug)]
struct News {
    /// Their names, some of them more than once, as far as they have not been looked at.
    names: Vec<ConnKey>,
    /// What was looked at.
    changed: FxHashSet<ConnKey>,
    /// Where the changes end.
    cursor: Cursor,
}

/// What the index has to know of a connection.
pub(crate) trait Judge {
    fn passes(&self, connection: &Connection) -> bool;

    /// What it is sorted by.
    fn value<'a>(&self, connection: &'a Connection) -> Value<'a>;
}

impl ConnectionIndex {
    /// An index of nothing yet.
    pub(crate) fn new(inverted: bool) -> Self {
        Self {
            sorted: Sorted::new(inverted),
            filling: Some(0),
            whole: false,
            cursor: None,
            news: None,
            made: None,
        }
    }

    /// Begins anew: other rows pass now.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.sorted.is_inverted());
    }

    /// Turns the order around.
    pub(crate) fn invert(&mut self) {
        self.sorted.invert();
    }

    /// Something has begun that is to be gone on with.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_filling() || self.news.is_some()
    }

    /// It does not hold all that there was at the beginning yet.
    pub(crate) fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    /// Something has happened that the list does not show yet.
    pub(crate) fn is_behind(&self, all: &Connections) -> bool {
        self.is_filling() || self.cursor != Some(all.cursor())
    }

    /// Looks at up to `budget` connections that it has not looked at yet. Says whether rows moved.
    pub(crate) fn catch_up(
        &mut self,
        all: &Connections,
        budget: usize,
        now: Timestamp,
        judge: &impl Judge,
    ) -> bool {
        let Some(from) = self.filling else {
            return false;
        };
        self.cursor.get_or_insert(all.cursor());
        // What comes while the whole of it is merged is a change, and not to come in twice.
        if !self.whole {
            let to = (from + budget).min(all.places());
            let rows = (from..to).filter_map(|place| all.at(place));
            add(&mut self.sorted, rows, judge);
            self.filling = Some(to);
            if !self.sorted.is_merging() {
                self.whole = to == all.places();
                // What there was at the beginning shows as it multiplies: the first rows at once.
                if !self.whole && !self.sorted.has_outgrown() {
                    return false;
                }
            }
        }
        let shows = self.sorted.merge(budget, |_, _| true);
        if shows && self.whole {
            self.filling = None;
            // What has changed meanwhile is to come in at once.
            let settled = self.cursor == Some(all.cursor());
            self.made = settled.then_some(now);
        }
        shows
    }

    /// Goes on bringing in what has changed, if rows may move: `moved` is when somebody last moved
    /// about in them. Says whether any did.
    pub(crate) fn arrange(
        &mut self,
        all: &Connections,
        budget: usize,
        now: Timestamp,
        moved: Timestamp,
        judge: &impl Judge,
    ) -> bool {
        let Some(cursor) = self.cursor.filter(|_| !self.is_filling()) else {
            return false;
        };
        if !may_move(self.made, now, moved) {
            self.hold();
            return false;
        }
        if self.news.is_none() {
            if cursor == all.cursor() {
                return false;
            }
            let Some(names) = all.changes(cursor).filter(|_| !self.sorted.is_full()) else {
                self.restart();
                self.made = Some(now);
                return false;
            };
            self.news = Some(News::of(names.collect(), all.cursor()));
        }
        let Some(news) = &mut self.news else {
            return false;
        };
        let rows = news.look(budget, all);
        add(&mut self.sorted, rows, judge);
        let changed = &news.changed;
        let done = news.names.is_empty()
            && (self.sorted).merge(budget, |key, shown| !shown || !changed.contains(&key));
        if done {
            self.made = Some(now);
            self.cursor = Some(news.cursor);
            self.news = None;
        }
        done
    }

    /// Rows are not to move: gives up what is being brought in.
    pub(crate) fn hold(&mut self) {
        if self.news.take().is_some() {
            self.sorted.hold(|_| false);
        }
    }
}

impl News {
    fn of(names: Vec<ConnKey>, cursor: Cursor) -> Self {
        Self {
            changed: FxHashSet::with_capacity_and_hasher(names.len(), FxBuildHasher),
            names,
            cursor,
        }
    }

    /// Up to `budget` of those that are still known.
    fn look<'a>(
        &mut self,
        budget: usize,
        all: &'a Connections,
    ) -> impl Iterator<Item = (ConnKey, &'a Connection)> {
        let names = self.names.drain(self.names.len().saturating_sub(budget)..);
        names
            .filter(|key| self.changed.insert(*key))
            .filter_map(|key| Some((key, all.get(key)?)))
    }
}

fn add<'a>(
    sorted: &mut Sorted<ConnKey>,
    rows: impl Iterator<Item = (ConnKey, &'a Connection)>,
    judge: &impl Judge,
) {
    let passing = rows.filter(|(_, row)| judge.passes(row));
    sorted.add(passing.map(|(key, row)| (key, judge.value(row))));
}

impl Rows for ConnectionIndex {
    type Key = ConnKey;

    fn len(&self) -> usize {
        self.sorted.len()
    }

    fn key(&self, place: usize) -> Option<ConnKey> {
        self.sorted.key(place)
    }

    fn find(&self, key: ConnKey, last: usize) -> usize {
        self.sorted.find(key, last).unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use collector::model::{Limits, Store};
    use proptest::prelude::*;

    use super::super::window::{Home, Motion, Window};
    use super::*;
    use crate::sample;

    /// Passes all but one port, and sorts by the port.
    struct Without(u16);

    impl Judge for Without {
        fn passes(&self, connection: &Connection) -> bool {
            connection.row.local.port != self.0
        }

        fn value<'a>(&self, connection: &'a Connection) -> Value<'a> {
            Value::number(Some(connection.row.local.port))
        }
    }

    const NEVER: Timestamp = Timestamp(i64::MIN);

    fn at(ms: i64) -> Timestamp {
        Timestamp(5_000_000_000 + ms * 1_000_000)
    }

    fn order(index: &ConnectionIndex) -> Vec<u64> {
        let keys = (0..index.len()).map_while(|place| index.key(place));
        keys.map(|key| key.conn.0).collect()
    }

    fn fill(index: &mut ConnectionIndex, store: &Store, judge: &Without) {
        while index.is_filling() {
            index.catch_up(store.connections(), 2, at(0), judge);
        }
    }

    #[test]
    fn changes_come_in_at_most_once_a_second_and_not_while_somebody_moves() {
        let mut store = Store::new(Limits::default());
        let connect = |store: &mut Store, port| {
            store.apply(sample::batch(vec![sample::connect(port)]), at(0));
        };
        (1..4).for_each(|port| connect(&mut store, port));
        let mut index = ConnectionIndex::new(true);
        fill(&mut index, &store, &Without(2));
        assert_eq!(order(&index), [3, 1]);

        let judge = &Without(2);
        connect(&mut store, 4);
        assert!(index.arrange(store.connections(), 9, at(1_000), NEVER, judge));
        assert_eq!(order(&index), [4, 3, 1]);
        connect(&mut store, 5);
        assert!(index.is_behind(store.connections()));
        assert!(!index.arrange(store.connections(), 9, at(1_999), NEVER, judge));
        assert!(!index.arrange(store.connections(), 9, at(2_000), at(1_500), judge));
        assert!(index.arrange(store.connections(), 9, at(2_500), at(1_500), judge));
        assert_eq!(order(&index), [5, 4, 3, 1]);
    }

    proptest! {
        /// Whatever comes, ends and is forgotten: in the end the list is what a look at all says,
        /// and a selected connection is selected for as long as it is known.
        #[test]
        fn the_list_is_what_a_look_at_all_says(steps in prop::collection::vec((0_u16..30, 0_u8..8), 1..80)) {
            let limits = Limits { open: 12, ended: 6, ..Limits::default() };
            let mut store = Store::new(limits);
            let mut index = ConnectionIndex::new(false);
            let mut window = Window::new(Home::Start);
            let judge = &Without(7);
            for (i, (port, what)) in (0..).zip(steps) {
                match what {
                    0 | 1 => store.apply(sample::batch(vec![sample::connect(port)]), at(0)),
                    2 => store.apply(sample::batch(vec![sample::close(port)]), at(0)),
                    3 => index.restart(),
                    4 => index.invert(),
                    5 => index.hold(),
                    6 => {}
                    _ => window.go(&index, 4, Motion::Down),
                }
                index.catch_up(store.connections(), 3, at(i * 700), judge);
                index.arrange(store.connections(), 3, at(i * 700), NEVER, judge);
                window.settle(&index);
                let mut shown = order(&index);
                if index.sorted.is_inverted() {
                    shown.reverse();
                }
                prop_assert!(shown.is_sorted(), "{shown:?} after step {i}");
            }
            for later in 1..3 {
                fill(&mut index, &store, judge);
                let later = at(later * 1_000_000);
                index.arrange(store.connections(), 3, later, NEVER, judge);
                while index.is_busy() {
                    index.arrange(store.connections(), 3, later, NEVER, judge);
                }
            }
            window.settle(&index);

            let passing = store.connections().iter().filter(|(_, c)| judge.passes(c));
            let mut expected: Vec<u64> = passing.map(|(key, _)| key.conn.0).collect();
            expected.sort_unstable();
            if index.sorted.is_inverted() {
                expected.reverse();
            }
            prop_assert_eq!(order(&index), expected);
            let selected = window.visible(&index, 4).selected.and_then(|place| index.key(place));
            if let Some(wanted) = window.wanted().filter(|key| store.connections().get(*key).is_some_and(|c| judge.passes(c))) {
                prop_assert_eq!(selected, Some(wanted));
            }
        }
    }
}
