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
        // Between two looks at one clock, so that being interrupted between them shows.
        let (before, wall, after) = (
            nanos(ClockId::Monotonic),
            nanos(ClockId::Realtime),
            nanos(ClockId::Monotonic),
        );
        Self {
            offset: wall - (before + (after - before) / 2),
        }
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
