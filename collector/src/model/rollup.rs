//! Counts: per type and reason, per second, per workload. All of them bounded.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Event, EventType, Origin, Reason, Timestamp};

/// Whole seconds of history that [`Rates`] keeps.
pub const RATE_SECONDS: usize = 60;

/// The whole seconds, and the one that is under way.
const SLOTS: usize = RATE_SECONDS + 1;

const TYPES: usize = EventType::ALL.len();

/// Events per type in each of the last [`RATE_SECONDS`] seconds, by the clock of whoever counts.
#[derive(Clone, Debug)]
pub struct Rates {
    /// A ring: the counts of second `s` are at `s % SLOTS`.
    slots: [[u32; TYPES]; SLOTS],
    /// The newest second in the ring, since 1970; before the first event, 0.
    newest: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            slots: [[0; TYPES]; SLOTS],
            newest: 0,
        }
    }
}

impl Rates {
    /// Counts `n` events of a type at `now`. A clock that was set back counts in the newest second.
    pub fn add(&mut self, kind: EventType, n: u32, now: Timestamp) {
        self.advance(second(now));
        let slot = &mut self.slots[slot(self.newest)][kind as usize];
        *slot = slot.saturating_add(n);
    }

    fn advance(&mut self, to: u64) {
        let stale = to.saturating_sub(self.newest).min(SLOTS as u64);
        for s in 0..stale {
            self.slots[slot(to - s)] = [0; TYPES];
        }
        self.newest = self.newest.max(to);
    }

    /// The counts of a type in the whole seconds before `now`, the oldest first.
    #[must_use]
    pub fn series(&self, kind: EventType, now: Timestamp) -> [u32; RATE_SECONDS] {
        let current = second(now).max(self.newest);
        std::array::from_fn(|i| {
            let s = current.saturating_sub((RATE_SECONDS - i) as u64);
            let known = s <= self.newest && self.newest - s < SLOTS as u64;
            if known {
                self.slots[slot(s)][kind as usize]
            } else {
                0
            }
        })
    }

    /// The count of a type in the last whole second before `now`.
    #[must_use]
    pub fn last(&self, kind: EventType, now: Timestamp) -> u32 {
        self.series(kind, now)[RATE_SECONDS - 1]
    }

    /// Nothing has happened in any second that is still shown, so nothing will change by waiting.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        second(now).saturating_sub(self.newest) > RATE_SECONDS as u64
    }
}

fn second(ts: Timestamp) -> u64 {
    u64::try_from(ts.0 / 1_000_000_000).unwrap_or_default()
}

fn slot(second: u64) -> usize {
    // The remainder is below SLOTS.
    usize::try_from(second % SLOTS as u64).unwrap_or_default()
}

/// How many events there were of each type, and of each type and reason.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The last place of each row is for events without a reason.
    by_reason: [[u64; Reason::ALL.len() + 1]; TYPES],
}

impl Counts {
    pub(super) fn add(&mut self, kind: EventType, reason: Option<Reason>) {
        self.by_reason[kind as usize][place(reason)] += 1;
    }

    /// Events of a type.
    #[must_use]
    pub fn of(&self, kind: EventType) -> u64 {
        self.by_reason[kind as usize].iter().sum()
    }

    /// Events of a type with a reason, or with none.
    #[must_use]
    pub fn with_reason(&self, kind: EventType, reason: Option<Reason>) -> u64 {
        self.by_reason[kind as usize][place(reason)]
    }

    /// Events of all types.
    #[must_use]
    pub fn total(&self) -> u64 {
        EventType::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }
}

fn place(reason: Option<Reason>) -> usize {
    reason.map_or(Reason::ALL.len(), |r| r as usize)
}

/// What is counted for one workload.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Events by type and reason.
    pub counts: Counts,
    /// Failed connects, and endings that nobody wanted.
    pub failures: u64,
    /// Payload bytes sent by connections that ended.
    pub tx_bytes: u64,
    /// Payload bytes received by connections that ended.
    pub rx_bytes: u64,
}

impl Tally {
    fn add(&mut self, kind: EventType, event: &Event) {
        self.counts.add(kind, event.reason);
        self.failures += u64::from(event.is_failure());
        let bytes = |b: Option<nonmax::NonMaxU64>| b.map_or(0, |b| b.get());
        self.tx_bytes = self.tx_bytes.saturating_add(bytes(event.figures.tx_bytes));
        self.rx_bytes = self.rx_bytes.saturating_add(bytes(event.figures.rx_bytes));
    }
}

/// One [`Tally`] per workload, for a bounded number of them.
#[derive(Clone, Debug)]
pub struct Workloads {
    tallies: FxHashMap<Arc<Origin>, Tally>,
    others: Tally,
    limit: usize,
}

impl Workloads {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            tallies: FxHashMap::default(),
            others: Tally::default(),
            limit,
        }
    }

    pub(super) fn add(&mut self, kind: EventType, event: &Event) {
        let tally = if let Some(tally) = self.tallies.get_mut(&event.origin) {
            tally
        } else if self.tallies.len() < self.limit {
            self.tallies.entry(Arc::clone(&event.origin)).or_default()
        } else {
            &mut self.others
        };
        tally.add(kind, event);
    }

    /// The workloads, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Origin>, &Tally)> {
        self.tallies.iter()
    }

    /// How many workloads have a tally of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tallies.len()
    }

    /// No workload has a tally yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// The sum of the workloads that came when there was no room for more.
    #[must_use]
    pub fn others(&self) -> &Tally {
        &self.others
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000 + 5)
    }

    #[test]
    fn a_second_is_shown_when_it_is_whole() {
        let mut rates = Rates::default();
        rates.add(EventType::Accept, 3, at(100));
        assert_eq!(rates.last(EventType::Accept, at(100)), 0);
        assert_eq!(rates.last(EventType::Accept, at(101)), 3);
        assert_eq!(rates.last(EventType::Connect, at(101)), 0);
        assert_eq!(rates.last(EventType::Accept, at(102)), 0);
        assert_eq!(
            rates.series(EventType::Accept, at(102))[RATE_SECONDS - 2],
            3
        );
    }

    #[test]
    fn quiet_begins_when_the_last_event_has_left_the_series() {
        let mut rates = Rates::default();
        assert!(rates.is_quiet(at(500)));
        rates.add(EventType::Close, 1, at(500));
        assert!(!rates.is_quiet(at(560)));
        assert_eq!(rates.series(EventType::Close, at(560))[0], 1);
        assert!(rates.is_quiet(at(561)));
        assert_eq!(rates.series(EventType::Close, at(561)), [0; RATE_SECONDS]);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut rates = Rates::default();
        rates.add(EventType::Close, 1, at(1_000));
        rates.add(EventType::Close, 1, at(10));
        assert_eq!(rates.last(EventType::Close, at(1_001)), 2);
    }

    proptest! {
        #[test]
        fn the_series_is_what_a_list_of_all_events_says(steps in prop::collection::vec((0_i64..40, 1_u32..9), 0..60)) {
            let mut rates = Rates::default();
            let mut all = Vec::new();
            let mut now = 1_000;
            for (step, n) in steps {
                now += step;
                rates.add(EventType::Unknown, n, at(now));
                all.push((now, n));
            }
            let expected: [u32; RATE_SECONDS] = std::array::from_fn(|i| {
                let s = now - i64::try_from(RATE_SECONDS - i).unwrap();
                all.iter().filter(|(at, _)| *at == s).map(|(_, n)| n).sum()
            });
            prop_assert_eq!(rates.series(EventType::Unknown, at(now)), expected);
        }
    }
}
