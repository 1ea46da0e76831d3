//! A sorted list of names of rows. Pure.
//!
//! What is sorted are ranks, taken from each row once; rows are never touched again. New rows come
//! in pieces and wait in sorted runs. Of these and of what is shown another list is made, so many
//! rows in a step, and shown when it is whole: nothing moves under somebody's eyes, and nobody waits
//! for a million rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

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
    /// What is shown, from the least to the greatest.
    rows: Vec<Ranked<K>>,
    /// How many of them have a rank. The others stand last, whichever way round the list is.
    known: usize,
    /// What waits: each run from the least to the greatest.
    runs: Vec<Vec<Ranked<K>>>,
    /// What is to be shown next.
    next: Option<Next<K>>,
    ranking: Ranking,
    inverted: bool,
    /// When rows last moved; `None` until all that there was at the beginning is there.
    made: Option<Timestamp>,
}

/// Rows in a run at most, unless they came together: as many as may be merged at once.
const RUN: usize = 1 << 16;

impl<K: Copy + Ord> Sorted<K> {
    /// An empty list, from the least to the greatest or the other way round.
    pub(crate) fn new(inverted: bool) -> Self {
        Self {
            rows: Vec::new(),
            known: 0,
            runs: Vec::new(),
            next: None,
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
    }

    /// Takes in rows, to be seen after the next [`Sorted::merge`] that begins.
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
        sort(&self.ranking, &mut run);
        let merging = self.next.as_ref().map_or(0, |next| next.places.len());
        while self.runs.len() > merging
            && let Some(mut last) = self
                .runs
                .pop_if(|last| last.len() < 2 * run.len() && last.len() + run.len() <= RUN)
        {
            merge(&self.ranking, &mut last, &run);
            run = last;
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

    /// A [`Sorted::merge`] has begun that is not done.
    pub(crate) fn is_merging(&self) -> bool {
        self.next.is_some()
    }

    /// What waits is a multiple of what is shown: if that is merged whenever it is so, the sum of
    /// all merges costs little more than the last one.
    pub(crate) fn has_outgrown(&self) -> bool {
        const MULTIPLE: usize = 3;
        let waiting: usize = self.runs.iter().map(Vec::len).sum();
        self.is_behind() && waiting >= MULTIPLE * self.rows.len()
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

    /// Brings up to `budget` rows further towards being shown: what waits when it begins, and what
    /// is shown. Says whether it is done; rows move only then.
    ///
    /// `stays` says whether a row is not to be dropped, and is told whether it is shown.
    pub(crate) fn merge(&mut self, budget: usize, stays: impl Fn(K, bool) -> bool) -> bool {
        let mut next = (self.next.take()).unwrap_or_else(|| Next::of(&self.rows, &self.runs));
        if !next.proceed(&self.rows, &self.runs, &self.ranking, budget, stays) {
            self.next = Some(next);
            return false;
        }
        self.runs.drain(..next.places.len());
        self.rows = next.rows;
        self.known = self.rows.partition_point(|row| !row.rank.is_unknown());
        true
    }

    /// Drops at once what is not to stay.
    pub(crate) fn retain(&mut self, stays: impl Fn(K) -> bool) {
        self.hold(&stays);
        for rows in self.runs.iter_mut().chain([&mut self.rows]) {
            rows.retain(|row| stays(row.key));
        }
        self.known = self.rows.partition_point(|row| !row.rank.is_unknown());
    }

    /// Rows are not to move: gives up what has begun. Whatever waits goes on waiting, but for runs
    /// of which nothing stays.
    pub(crate) fn hold(&mut self, stays: impl Fn(K) -> bool) {
        self.next = None;
        self.runs.retain(|run| run.iter().any(|row| stays(row.key)));
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn key(&self, place: usize) -> Option<K> {
        self.rows.get(self.turned(place)).map(|r| r.key)
    }

    /// The place of a row, `last` being where it was. Looks at all of them if it is not there.
    pub(crate) fn find(&self, key: K, last: usize) -> Option<usize> {
        if self.key(last) == Some(key) {
            return Some(last);
        }
        let at = self.rows.iter().position(|r| r.key == key)?;
        Some(self.turned(at))
    }

    /// Where in `rows` that is what is shown at a place, or the other way round.
    fn turned(&self, place: usize) -> usize {
        let (known, len) = (self.known, self.rows.len());
        if !self.inverted || place >= len {
            place
        } else if place < known {
            known - 1 - place
        } else {
            known + (len - 1 - place)
        }
    }
}

/// A list that is being made of another one and of runs.
#[derive(Debug)]
struct Next<K> {
    rows: Vec<Ranked<K>>,
    /// How far the other list is in it.
    shown: usize,
    /// How far each run is in it. Those that came later are not.
    places: Vec<usize>,
}

impl<K: Copy + Ord> Next<K> {
    fn of(rows: &[Ranked<K>], runs: &[Vec<Ranked<K>>]) -> Self {
        let waiting: usize = runs.iter().map(Vec::len).sum();
        Self {
            rows: Vec::with_capacity(rows.len() + waiting),
            shown: 0,
            places: vec![0; runs.len()],
        }
    }

    /// Takes up to `budget` rows. Says whether those were all.
    fn proceed(
        &mut self,
        rows: &[Ranked<K>],
        runs: &[Vec<Ranked<K>>],
        ranking: &Ranking,
        budget: usize,
        stays: impl Fn(K, bool) -> bool,
    ) -> bool {
        // The first ones of the runs; not kept, for the numbers of texts change as texts come.
        let heads = self.places.iter().zip(runs).enumerate();
        let mut heads: BinaryHeap<_> = heads
            .filter_map(|(i, (place, run))| Some(Reverse((order(ranking, run.get(*place)?), i))))
            .collect();
        for _ in 0..budget {
            let head = heads.peek_mut();
            let before = |row: &&Ranked<K>| {
                let row = order(ranking, row);
                head.as_ref().is_none_or(|head| row < head.0.0)
            };
            if let Some(row) = rows.get(self.shown).filter(before) {
                self.shown += 1;
                self.rows.extend(stays(row.key, true).then_some(*row));
                continue;
            }
            let Some(mut head) = head else { return true };
            let (run, place) = (&runs[head.0.1], &mut self.places[head.0.1]);
            let row = run[*place];
            *place += 1;
            self.rows.extend(stays(row.key, false).then_some(row));
            match run.get(*place) {
                Some(row) => head.0.0 = order(ranking, row),
                None => drop(PeekMut::pop(head)),
            }
        }
        false
    }
}

/// What rows compare by. Ranks that are not known are the greatest.
fn order<K: Copy>(ranking: &Ranking, row: &Ranked<K>) -> (u128, K) {
    (ranking.number(row.rank), row.key)
}

fn sort<K: Copy + Ord>(ranking: &Ranking, rows: &mut Vec<Ranked<K>>) {
    if !rows.is_sorted_by_key(|r| r.key) {
        rows.sort_unstable_by_key(|r| r.key);
    }
    // By themselves, for they differ from the others in all bytes.
    let unknown: Vec<Ranked<K>> = rows.extract_if(.., |r| r.rank.is_unknown()).collect();
    radix::sort(rows, |r| ranking.number(r.rank));
    rows.extend(unknown);
}

/// Merges one sorted run into another one, in place: from its end, so that nothing is moved twice,
/// and no further than there is something to merge.
fn merge<K: Copy + Ord>(ranking: &Ranking, into: &mut Vec<Ranked<K>>, from: &[Ranked<K>]) {
    let (mut old, mut new) = (into.len(), from.len());
    let Some(filler) = from.first() else { return };
    into.resize(old + new, *filler);
    while new > 0 {
        let greater = old > 0 && order(ranking, &into[old - 1]) > order(ranking, &from[new - 1]);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(sorted: &Sorted<u32>) -> Vec<u32> {
        (0..sorted.len()).map_while(|i| sorted.key(i)).collect()
    }

    fn finish(sorted: &mut Sorted<u32>, stays: impl Fn(u32, bool) -> bool) {
        while !sorted.merge(3, &stays) {}
    }

    #[test]
    fn nothing_moves_until_all_of_it_is_merged() {
        let mut sorted = Sorted::new(true);
        sorted.add([(1, Value::Number(5)), (2, Value::Unknown)].into_iter());
        assert!(keys(&sorted).is_empty() && sorted.is_behind());
        finish(&mut sorted, |_, _| true);
        sorted.add([(3, Value::Number(9))].into_iter());
        assert!(!sorted.merge(3, |_, _| true));
        assert_eq!(keys(&sorted), [1, 2]);
        sorted.add([(4, Value::Number(7))].into_iter());
        assert!(sorted.merge(3, |_, _| true));
        assert_eq!(keys(&sorted), [3, 1, 2]);
        sorted.invert();
        assert_eq!(keys(&sorted), [1, 3, 2]);
        finish(&mut sorted, |key, _| key != 1);
        assert_eq!(keys(&sorted), [4, 3, 2]);
    }

    #[test]
    fn what_is_held_is_shown_when_rows_may_move_again() {
        let mut sorted = Sorted::new(false);
        sorted.add((0..9).map(|key| (key, Value::Number(0))));
        assert!(!sorted.merge(3, |_, _| true));
        sorted.hold(|key| key > 5);
        assert!(!sorted.is_merging() && sorted.is_behind());
        finish(&mut sorted, |_, _| true);
        assert_eq!(keys(&sorted), (0..9).collect::<Vec<_>>());
        sorted.add((9..12).map(|key| (key, Value::Number(0))));
        sorted.hold(|key| key > 11);
        assert!(!sorted.is_behind());
    }

    #[test]
    fn many_rows_are_in_the_order_of_a_plain_sort() {
        let value = |key: u32| u128::from(key.wrapping_mul(0x9e37_79b9) >> 12);
        let (rows, piece) = (300_000, 16_384);
        let mut sorted = Sorted::new(false);
        for from in (0..rows).step_by(piece) {
            let keys = from..rows.min(from + 16_384);
            sorted.add(keys.map(|key| (key, Value::Number(value(key)))));
            sorted.merge(piece, |_, _| true);
        }
        for _ in 0..2 {
            finish(&mut sorted, |_, _| true);
        }
        let mut expected: Vec<u32> = (0..rows).collect();
        expected.sort_by_key(|key| (value(*key), *key));
        assert!(keys(&sorted) == expected);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(Vec<Option<u8>>),
        /// Up to so many rows further.
        Merge(usize),
        /// So many more of the oldest rows are not to stay.
        Evict(u32),
        Invert,
        Hold,
        Retain,
    }

    fn step() -> impl Strategy<Value = Step> {
        let values = prop::collection::vec(prop::option::of(0_u8..9), 0..12);
        prop_oneof![
            3 => values.prop_map(Step::Add),
            4 => (1_usize..12).prop_map(Step::Merge),
            1 => (0_u32..6).prop_map(Step::Evict),
            1 => Just(Step::Invert),
            1 => Just(Step::Hold),
            1 => Just(Step::Retain),
        ]
    }

    /// Values by which rows are sorted, each the key of its place.
    #[derive(Default)]
    struct Plain {
        values: Vec<Option<u8>>,
        inverted: bool,
    }

    impl Plain {
        fn sort(&self, keys: &mut [u32]) {
            keys.sort_by(|a, b| {
                let [x, y] = [a, b].map(|key| (self.values[*key as usize], *key));
                let order = if self.inverted { y.cmp(&x) } else { x.cmp(&y) };
                x.0.is_none().cmp(&y.0.is_none()).then(order)
            });
        }
    }

    proptest! {
        /// Whatever comes, is evicted or turned around between the steps of a merge: rows only move
        /// when it is done, they are in order at any time, and in the end all of them are there.
        #[test]
        fn the_order_is_that_of_a_plain_sort(
            steps in prop::collection::vec(step(), 0..40),
            texts: bool,
        ) {
            let mut sorted = Sorted::new(false);
            let mut plain = Plain::default();
            let mut first = 0;
            for step in steps {
                let mut before = keys(&sorted);
                let mut moved = false;
                match step {
                    Step::Add(values) => {
                        let from = plain.values.len();
                        plain.values.extend(values);
                        let rows = (0..).zip(&plain.values).skip(from);
                        sorted.add(rows.map(|(key, value)| (key, match value {
                            Some(n) if texts => Value::Text(n.to_string().into()),
                            value => Value::number(*value),
                        })));
                    }
                    Step::Merge(budget) => moved = sorted.merge(budget, |key, _| key >= first),
                    Step::Evict(n) => first += n,
                    Step::Invert => {
                        sorted.invert();
                        plain.inverted = !plain.inverted;
                        plain.sort(&mut before);
                    }
                    Step::Hold => sorted.hold(|key| key >= first),
                    Step::Retain => {
                        sorted.retain(|key| key >= first);
                        before.retain(|key| *key >= first);
                    }
                }
                let shown = keys(&sorted);
                if moved {
                    before.clone_from(&shown);
                    plain.sort(&mut before);
                }
                prop_assert_eq!(&shown, &before);
                for (place, key) in shown.iter().enumerate() {
                    prop_assert_eq!(sorted.find(*key, 0), Some(place));
                }
            }
            // What has begun, and what came since.
            for _ in 0..2 {
                finish(&mut sorted, |key, _| key >= first);
            }
            let mut expected: Vec<u32> = (0..).zip(&plain.values).map(|(key, _)| key).collect();
            expected.retain(|key| *key >= first);
            plain.sort(&mut expected);
            prop_assert_eq!(keys(&sorted), expected);
        }
    }
}
