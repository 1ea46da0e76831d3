//! The kernel's clock and the wall clock.

use std::sync::atomic::{AtomicI64, Ordering};

use rustix::time::{ClockId, clock_gettime};

use crate::model::Timestamp;

/// This process's monotonic clock minus that of programs in the kernel, nanoseconds: not 0 in a time
/// namespace.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Compares the two, by `ask`, which gives the time as programs have it.
pub(super) fn compare_with_programs(ask: impl FnMut() -> Option<u64>) {
    let mut ask = ask;
    let looks = std::iter::from_fn(|| {
        let before = own_nanos();
        let other = i64::try_from(ask()?).ok()?;
        let after = own_nanos();
        Some(Look {
            before,
            other,
            after,
        })
    });
    let Some(best) = best_of(looks) else {
        return;
    };
    // What is less than a look takes is no difference.
    let ahead = best.middle() - best.other;
    if ahead.abs() > best.took() {
        AHEAD.store(ahead, Ordering::Relaxed);
    }
}

/// Turns the kernel's monotonic time into wall-clock time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Wall clock minus monotonic clock, nanoseconds.
    offset: i64,
}

impl Clock {
    /// Compares the two clocks now. The wall clock may be set, so compare again now and then.
    #[must_use]
    pub fn now() -> Self {
        let looks = std::iter::repeat_with(|| Look {
            before: kernel_nanos(),
            other: nanos(ClockId::Realtime),
            after: kernel_nanos(),
        });
        let offset = best_of(looks).map_or(0, |look| look.other - look.middle());
        Self { offset }
    }

    /// A clock whose wall time is its monotonic time plus `offset` nanoseconds.
    #[must_use]
    pub fn with_offset(offset: i64) -> Self {
        Self { offset }
    }

    /// The wall-clock time of a moment in the kernel's nanoseconds.
    #[must_use]
    pub fn wall(self, monotonic_ns: u64) -> Timestamp {
        Timestamp(
            self.offset
                .saturating_add(i64::try_from(monotonic_ns).unwrap_or(i64::MAX)),
        )
    }
}

/// One look at another clock, between two at the monotonic one.
#[derive(Clone, Copy)]
struct Look {
    before: i64,
    other: i64,
    after: i64,
}

impl Look {
    /// How long it took: the offset is as uncertain as that.
    fn took(self) -> i64 {
        self.after - self.before
    }

    fn middle(self) -> i64 {
        self.before + self.took() / 2
    }
}

/// The shortest of a few looks: a reader that is interrupted in the middle of one would shift every time
/// that it writes, by as much as half of the interruption.
fn best_of(looks: impl Iterator<Item = Look>) -> Option<Look> {
    const MOST: usize = 8;
    /// Three reads of a clock take a tenth of this.
    const UNDISTURBED_NS: i64 = 2_000;
    let mut best: Option<Look> = None;
    for look in looks.take(MOST) {
        if best.is_none_or(|best| look.took() < best.took()) {
            best = Some(look);
        }
        if look.took() <= UNDISTURBED_NS {
            break;
        }
    }
    best
}

/// The monotonic time of programs in the kernel, nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    kernel_nanos().unsigned_abs()
}

fn kernel_nanos() -> i64 {
    own_nanos() - AHEAD.load(Ordering::Relaxed)
}

fn own_nanos() -> i64 {
    nanos(ClockId::Monotonic)
}

fn nanos(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_look_is_not_believed() {
        let look = |before, took| Look {
            before,
            other: before + 1_000_000 + 100,
            after: before + took,
        };
        let looks = [look(0, 80_000_000), look(90_000_000, 200)];
        let best = best_of(looks.into_iter()).unwrap();
        assert_eq!(best.other - best.middle(), 1_000_000);
    }

    #[test]
    fn looks_are_bounded_and_the_shortest_counts() {
        let mut at = 0;
        let slow = std::iter::repeat_with(|| {
            at += 1;
            Look {
                before: 0,
                other: 5_000 * (20 - at),
                after: 10_000 * (20 - at),
            }
        });
        let best = best_of(slow).unwrap();
        assert_eq!(best.other, best.middle());
        assert_eq!(at, 8);
    }
}
