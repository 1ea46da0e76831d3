//! The kernel's clock and the wall clock.

use rustix::time::{ClockId, clock_gettime};

use crate::model::Timestamp;

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
        best_of(std::iter::repeat_with(|| Look {
            before: nanos(ClockId::Monotonic),
            wall: nanos(ClockId::Realtime),
            after: nanos(ClockId::Monotonic),
        }))
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

/// One look at the wall clock, between two at the other.
#[derive(Clone, Copy)]
struct Look {
    before: i64,
    wall: i64,
    after: i64,
}

impl Look {
    /// How long it took: the offset is as uncertain as that.
    fn took(self) -> i64 {
        self.after - self.before
    }
}

/// The offset by the shortest of a few looks: a reader that is interrupted in the middle of one
/// would shift every time that it writes, by as much as half of the interruption.
fn best_of(looks: impl Iterator<Item = Look>) -> Clock {
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
    let offset = best.map_or(0, |look| look.wall - (look.before + look.took() / 2));
    Clock { offset }
}

/// The kernel's monotonic time, nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    nanos(ClockId::Monotonic).unsigned_abs()
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
            wall: before + 1_000_000 + 100,
            after: before + took,
        };
        let looks = [look(0, 80_000_000), look(90_000_000, 200)];
        assert_eq!(best_of(looks.into_iter()).offset, 1_000_000);
    }

    #[test]
    fn looks_are_bounded_and_the_shortest_counts() {
        let mut at = 0;
        let slow = std::iter::repeat_with(|| {
            at += 1;
            Look {
                before: 0,
                wall: 5_000 * (20 - at),
                after: 10_000 * (20 - at),
            }
        });
        assert_eq!(best_of(slow).offset, 0);
        assert_eq!(at, 8);
    }
}
