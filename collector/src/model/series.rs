//! Counts per second, of the last minute and of the last second.

use super::Timestamp;

/// Whole seconds of history that are kept.
pub const RATE_SECONDS: usize = 60;

/// The whole seconds, and the one that is under way.
const SLOTS: usize = RATE_SECONDS + 1;

/// How many there were in each of the last [`RATE_SECONDS`] seconds, by the clock of whoever counts.
#[derive(Clone, Debug)]
pub struct Series {
    /// A ring: the count of second `s` is at `s % SLOTS`.
    slots: [u32; SLOTS],
    /// The newest second in the ring, since 1970; before the first count, 0.
    newest: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            slots: [0; SLOTS],
            newest: 0,
        }
    }
}

impl Series {
    /// Counts `n` at `now`. A clock that was set back counts in the newest second.
    pub fn add(&mut self, n: u32, now: Timestamp) {
        let to = second(now);
        let stale = to.saturating_sub(self.newest).min(SLOTS as u64);
        for s in 0..stale {
            self.slots[slot(to - s)] = 0;
        }
        self.newest = self.newest.max(to);
        let slot = &mut self.slots[slot(self.newest)];
        *slot = slot.saturating_add(n);
    }

    /// The counts in the whole seconds before `now`, the oldest first.
    #[must_use]
    pub fn series(&self, now: Timestamp) -> [u32; RATE_SECONDS] {
        let current = second(now).max(self.newest);
        std::array::from_fn(|i| self.of(current.saturating_sub((RATE_SECONDS - i) as u64)))
    }

    /// The count in the last whole second before `now`.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> u32 {
        self.of(second(now).max(self.newest).saturating_sub(1))
    }

    /// The count of a second.
    fn of(&self, s: u64) -> u32 {
        let known = s <= self.newest && self.newest - s < SLOTS as u64;
        if known { self.slots[slot(s)] } else { 0 }
    }

    /// Nothing has happened in any second that is still shown, so nothing will change by waiting.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        second(now).saturating_sub(self.newest) > RATE_SECONDS as u64
    }
}

/// How many there were in the last whole second and in about the last minute: in few bytes, for
/// what there is much of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    /// The second under way, since 1970.
    second: u64,
    /// In that second, and in the one before.
    seconds: [u32; 2],
    /// In the ten seconds under way, and in each of the six ten seconds before.
    tens: [u32; 7],
}

impl Recent {
    /// Counts one at `now`.
    pub fn add(&mut self, now: Timestamp) {
        self.advance(second(now));
        self.seconds[0] = self.seconds[0].saturating_add(1);
        self.tens[0] = self.tens[0].saturating_add(1);
    }

    fn advance(&mut self, to: u64) {
        if to <= self.second {
            return;
        }
        self.seconds = [
            0,
            if to - self.second == 1 {
                self.seconds[0]
            } else {
                0
            },
        ];
        let tens = usize::try_from(to / 10 - self.second / 10).unwrap_or(usize::MAX);
        let len = self.tens.len();
        self.tens.rotate_right(tens.min(len) % len);
        self.tens[..tens.min(len)].fill(0);
        self.second = to;
    }

    /// The count in the last whole second before `now`.
    #[must_use]
    pub fn last(mut self, now: Timestamp) -> u32 {
        self.advance(second(now));
        self.seconds[1]
    }

    /// The count in the sixty to seventy seconds before `now`.
    #[must_use]
    pub fn minute(mut self, now: Timestamp) -> u32 {
        self.advance(second(now));
        self.tens.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The count in the ten to twenty seconds before `now`.
    #[must_use]
    pub fn ten_seconds(mut self, now: Timestamp) -> u32 {
        self.advance(second(now));
        self.tens[0].saturating_add(self.tens[1])
    }
}

fn second(ts: Timestamp) -> u64 {
    u64::try_from(ts.0 / 1_000_000_000).unwrap_or_default()
}

fn slot(second: u64) -> usize {
    // The remainder is below SLOTS.
    usize::try_from(second % SLOTS as u64).unwrap_or_default()
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
        let mut series = Series::default();
        series.add(3, at(100));
        assert_eq!(series.last(at(100)), 0);
        assert_eq!(series.last(at(101)), 3);
        assert_eq!(series.last(at(102)), 0);
        assert_eq!(series.series(at(102))[RATE_SECONDS - 2], 3);
    }

    #[test]
    fn quiet_begins_when_the_last_event_has_left_the_series() {
        let mut series = Series::default();
        assert!(series.is_quiet(at(500)));
        series.add(1, at(500));
        assert!(!series.is_quiet(at(560)));
        assert_eq!(series.series(at(560))[0], 1);
        assert!(series.is_quiet(at(561)));
        assert_eq!(series.series(at(561)), [0; RATE_SECONDS]);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut series = Series::default();
        series.add(1, at(1_000));
        series.add(1, at(10));
        assert_eq!(series.last(at(1_001)), 2);
    }

    proptest! {
        #[test]
        fn the_series_is_what_a_list_of_all_says(steps in prop::collection::vec((0_i64..40, 1_u32..9), 0..60)) {
            let mut series = Series::default();
            let mut recent = Recent::default();
            let mut all = Vec::new();
            let mut now = 1_000;
            for (step, n) in steps {
                now += step;
                series.add(n, at(now));
                (0..n).for_each(|_| recent.add(at(now)));
                all.push((now, n));
            }
            let of = |is: &dyn Fn(i64) -> bool| all.iter().filter(|(at, _)| is(*at)).map(|(_, n)| n).sum::<u32>();
            let expected: [u32; RATE_SECONDS] = std::array::from_fn(|i| {
                let s = now - i64::try_from(RATE_SECONDS - i).unwrap();
                of(&|at| at == s)
            });
            prop_assert_eq!(series.series(at(now)), expected);
            prop_assert_eq!(recent.last(at(now)), of(&|at| at == now - 1));
            prop_assert_eq!(recent.minute(at(now)), of(&|at| at / 10 >= now / 10 - 6));
            prop_assert_eq!(recent.ten_seconds(at(now)), of(&|at| at / 10 >= now / 10 - 1));
        }
    }
}
