//! A sorted list of names of rows. Pure.
//!
//! What is sorted are ranks, taken from each row once; rows are never touched again. New rows come
//! in pieces, wait in sorted runs, and are merged into the list at most once a second, so that
//! nothing moves under somebody's eyes and no single step looks at more than the ranks.

use std::cmp::Ordering;

use collector::model::Timestamp;

use super::radix;
use super::rank::{Rank, Ranking, Value};

/// The order is made anew at most this often, and not while somebody moves about in it.
const HOLD_NANOS: i64 = 1_000_000_000;

/// May rows move on the screen now, if they last moved at `made` and somebody moved about at
/// `moved`?
pub(crate) fn may_move(made: Option<Timestamp>, now: Timestamp, moved: Timestamp) -> bool {
    let held = |since: Timestamp| (0..HOLD_NANOS).contains(&now.0.saturating_sub(since.0));
    made.is_none_or(|made| !held(made) && !held(moved))
}

#[derive(Clone, Copy, Debug)]
struct Ranked<K> {
    rank: Rank,
    key: K,
}

/// Rows with their ranks, in no order yet.
pub(crate) struct Run<K>(Vec<Ranked<K>>);

impl<K> Run<K> {
    pub(crate) fn push(&mut self, key: K, rank: Rank) {
        self.0.push(Ranked { rank, key });
    }
}

/// The names of rows, in the order of their ranks; where those are the same, in that of the names.
#[derive(Debug)]
pub(crate) struct Sorted<K> {
    rows: Vec<Ranked<K>>,
    /// What waits: each run is sorted, and longer than the one after it.
    runs: Vec<Vec<Ranked<K>>>,
    ranking: Ranking,
    inverted: bool,
    /// When rows last moved; `None` until all that there was at the beginning is there.
    made: Option<Timestamp>,
}

impl<K: Copy + Ord> Sorted<K> {
    /// An empty list, from the least to the greatest or the other way round.
    pub(crate) fn new(inverted: bool) -> Self {
        Self {
            rows: Vec::new(),
            runs: Vec::new(),
            ranking: Ranking::default(),
            inverted,
            made: None,
        }
    }

    /// The order is from the greatest to the least.
    pub(crate) fn is_inverted(&self) -> bool {
        self.inverted
    }

    /// Turns the order around. Rows whose rank is not known stay at the end.
    pub(crate) fn invert(&mut self) {
        self.inverted = !self.inverted;
        let order = Order::new(&self.ranking, self.inverted);
        let turn = |rows: &mut [Ranked<K>]| {
            let known = rows.partition_point(|r| !r.rank.is_unknown());
            rows[..known].reverse();
            rows[known..].reverse();
            debug_assert!(rows.is_sorted_by(|a, b| order.compare(a, b) != Ordering::Greater));
        };
        turn(&mut self.rows);
        self.runs.iter_mut().for_each(|run| turn(run));
    }

    /// Takes in rows, to be seen after the next [`Sorted::merge`].
    pub(crate) fn add<'a>(&mut self, rows: impl Iterator<Item = (K, Value<'a>)>) {
        self.add_ranked(|ranking, run| {
            rows.for_each(|(key, value)| run.push(key, ranking.rank(&value)));
        });
    }

    /// The same, of rows that are ranked by the caller.
    pub(crate) fn add_ranked(&mut self, rank: impl FnOnce(&mut Ranking, &mut Run<K>)) {
        let mut run = Run(Vec::new());
        rank(&mut self.ranking, &mut run);
        let Run(mut run) = run;
        if run.is_empty() {
            return;
        }
        self.ranking.settle();
        let order = Order::new(&self.ranking, self.inverted);
        order.sort(&mut run);
        while let Some(mut longer) = self.runs.pop_if(|last| last.len() < 2 * run.len()) {
            order.merge(&mut longer, &run);
            run = longer;
        }
        self.runs.push(run);
    }

    /// Rows wait.
    pub(crate) fn is_behind(&self) -> bool {
        !self.runs.is_empty()
    }

    /// It does not hold all that there was at the beginning yet.
    pub(crate) fn is_filling(&self) -> bool {
        self.made.is_none()
    }

    /// As many rows wait as are shown, or more.
    pub(crate) fn has_doubled(&self) -> bool {
        self.is_behind() && self.runs.iter().map(Vec::len).sum::<usize>() >= self.rows.len()
    }

    /// Rows may move now.
    pub(crate) fn is_due(&self, now: Timestamp, moved: Timestamp) -> bool {
        may_move(self.made, now, moved)
    }

    /// So many names of workloads and the like are known that it is time to begin anew.
    pub(crate) fn is_full(&self) -> bool {
        self.ranking.is_full()
    }

    /// All that there was at the beginning is there.
    pub(crate) fn filled(&mut self, now: Timestamp) {
        self.made = Some(now);
    }

    /// Shows what waits, and drops what is not to stay.
    pub(crate) fn merge(&mut self, stays: impl Fn(K) -> bool) {
        let order = Order::new(&self.ranking, self.inverted);
        self.rows.retain(|r| stays(r.key));
        // The shorter ones first: whatever is merged into the rows moves nearly all of them.
        let mut waiting = self.runs.pop().unwrap_or_default();
        while let Some(mut longer) = self.runs.pop() {
            order.merge(&mut longer, &waiting);
            waiting = longer;
        }
        waiting.retain(|r| stays(r.key));
        order.merge(&mut self.rows, &waiting);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn key(&self, place: usize) -> Option<K> {
        self.rows.get(place).map(|r| r.key)
    }

    /// The place of a row, `last` being where it was. Looks at all of them if it is not there.
    pub(crate) fn find(&self, key: K, last: usize) -> Option<usize> {
        if self.key(last) == Some(key) {
            return Some(last);
        }
        self.rows.iter().position(|r| r.key == key)
    }
}

struct Order<'a> {
    ranking: &'a Ranking,
    inverted: bool,
}

impl<'a> Order<'a> {
    fn new(ranking: &'a Ranking, inverted: bool) -> Self {
        Self { ranking, inverted }
    }

    fn compare<K: Ord>(&self, a: &Ranked<K>, b: &Ranked<K>) -> Ordering {
        let ranks = self.ranking.compare(a.rank, b.rank, self.inverted);
        ranks.then_with(|| {
            let order = a.key.cmp(&b.key);
            if self.inverted {
                order.reverse()
            } else {
                order
            }
        })
    }

    fn sort<K: Copy + Ord>(&self, rows: &mut Vec<Ranked<K>>) {
        if !rows.is_sorted_by_key(|r| r.key) {
            rows.sort_unstable_by_key(|r| r.key);
        }
        if self.inverted {
            rows.reverse();
        }
        let unknown: Vec<Ranked<K>> = rows.extract_if(.., |r| r.rank.is_unknown()).collect();
        radix::sort(rows, |r| {
            let number = self.ranking.number(r.rank);
            if self.inverted { !number } else { number }
        });
        rows.extend(unknown);
    }

    /// Merges one sorted list into another one, in place: from its end, so that nothing is moved
    /// twice, and no further than there is something to merge.
    fn merge<K: Copy + Ord>(&self, into: &mut Vec<Ranked<K>>, from: &[Ranked<K>]) {
        let (mut old, mut new) = (into.len(), from.len());
        let Some(filler) = from.first() else { return };
        into.resize(old + new, *filler);
        while new > 0 {
            let greater = old > 0 && self.compare(&into[old - 1], &from[new - 1]).is_gt();
            let place = old + new - 1;
            into[place] = if greater {
                old -= 1;
                into[old]
            } else {
                new -= 1;
                from[new]
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(sorted: &Sorted<u32>) -> Vec<u32> {
        (0..sorted.len()).map_while(|i| sorted.key(i)).collect()
    }

    #[test]
    fn nothing_moves_until_it_is_merged() {
        let mut sorted = Sorted::new(true);
        sorted.add([(1, Value::Number(5)), (2, Value::Unknown)].into_iter());
        assert!(keys(&sorted).is_empty() && sorted.is_behind());
        sorted.merge(|_| true);
        sorted.add([(3, Value::Number(9))].into_iter());
        assert_eq!(keys(&sorted), [1, 2]);
        sorted.merge(|_| true);
        assert_eq!(keys(&sorted), [3, 1, 2]);
        sorted.invert();
        assert_eq!(keys(&sorted), [1, 3, 2]);
        sorted.merge(|key| key != 1);
        assert_eq!(keys(&sorted), [3, 2]);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_a_plain_sort(
            pieces in prop::collection::vec(prop::collection::vec(prop::option::of(0_u128..9), 0..12), 0..12),
            merges: u16,
            inverts: u16,
        ) {
            let mut sorted = Sorted::new(false);
            let mut inverted = false;
            let mut all: Vec<(Option<u128>, u32)> = Vec::new();
            for (i, piece) in pieces.into_iter().enumerate() {
                let start = all.len();
                all.extend((u32::try_from(start).unwrap()..).zip(piece).map(|(k, v)| (v, k)));
                sorted.add(all[start..].iter().map(|(v, k)| (*k, Value::number(*v))));
                if merges & (1 << i) != 0 {
                    sorted.merge(|_| true);
                }
                if inverts & (1 << i) != 0 {
                    sorted.invert();
                    inverted = !inverted;
                }
            }
            sorted.merge(|key| key % 5 != 0);
            all.retain(|(_, key)| key % 5 != 0);
            all.sort_by(|a, b| {
                let order = if inverted { b.cmp(a) } else { a.cmp(b) };
                a.0.is_none().cmp(&b.0.is_none()).then(order)
            });
            let expected: Vec<u32> = all.into_iter().map(|(_, key)| key).collect();
            prop_assert_eq!(keys(&sorted), expected);
        }
    }
}
