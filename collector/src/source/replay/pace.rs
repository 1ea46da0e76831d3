//! When an event of a recording is due. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::model::Timestamp;
use crate::units::{self, UnitError};

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// So many thousandths of the speed at which it was recorded; at least one.
    Thousandths(u32),
    /// As fast as it is read.
    Max,
}

impl Speed {
    /// As it was recorded.
    pub const NORMAL: Self = Self::Thousandths(1000);
}

/// Why a text is no speed.
#[derive(Debug, Error)]
pub enum SpeedError {
    /// It is not a number of times.
    #[error(transparent)]
    Number(#[from] UnitError),
    /// Nobody would live to see the end, or see anything at all.
    #[error("it takes 0.001x to 1000x, or `max`")]
    Range,
}

/// `4x`, `0.5x`, `2` or `max`.
impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let thousandths = units::parse(text, &[("x", 1000)], Some(1000))?;
        match u32::try_from(thousandths) {
            Ok(thousandths @ 1..=1_000_000) => Ok(Self::Thousandths(thousandths)),
            _ => Err(SpeedError::Range),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thousandths(n) => write!(f, "{}x", f64::from(*n) / 1000.0),
            Self::Max => f.write_str("max"),
        }
    }
}

/// The time line of a recording.
///
/// It begins with the first event, not with a greeting, which may be a day older where an agent
/// had run for a day. Endings and the clocks of several nodes go back at times: what is older than
/// what was played before it is due at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    speed: Speed,
    first: Option<Timestamp>,
    latest: Timestamp,
}

impl Pace {
    pub(super) fn new(speed: Speed) -> Self {
        Self {
            speed,
            first: None,
            latest: Timestamp(i64::MIN),
        }
    }

    /// When an event of that time is due, after the first one of all.
    pub(super) fn due(&mut self, ts: Timestamp) -> Duration {
        self.latest = self.latest.max(ts);
        let first = *self.first.get_or_insert(ts);
        let nanos = u64::try_from(i128::from(self.latest.0) - i128::from(first.0)).unwrap_or(0);
        match self.speed {
            Speed::Max => Duration::ZERO,
            Speed::Thousandths(n) => {
                let nanos = u128::from(nanos) * 1000 / u128::from(n.max(1));
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn dues(speed: Speed, seconds: &[i64]) -> Vec<u64> {
        let mut pace = Pace::new(speed);
        let due = |s: &i64| pace.due(Timestamp(s * SECOND));
        seconds.iter().map(due).map(|d| d.as_secs()).collect()
    }

    #[test]
    fn gaps_are_kept_and_divided_by_the_speed() {
        let normal = Speed::NORMAL;
        assert_eq!(dues(normal, &[100, 101, 103, 163]), [0, 1, 3, 63]);
        let four = Speed::Thousandths(4000);
        assert_eq!(dues(four, &[100, 104, 140]), [0, 1, 10]);
        let half = Speed::Thousandths(500);
        assert_eq!(dues(half, &[100, 101, 103]), [0, 2, 6]);
        assert_eq!(dues(Speed::Max, &[100, 200]), [0, 0]);
    }

    #[test]
    fn what_is_older_is_due_at_once() {
        assert_eq!(dues(Speed::NORMAL, &[10, 15, 12, 16]), [0, 5, 5, 6]);
    }

    #[test]
    fn no_times_overflow() {
        let mut pace = Pace::new(Speed::Thousandths(1));
        assert_eq!(pace.due(Timestamp(i64::MIN)), Duration::ZERO);
        assert_eq!(
            pace.due(Timestamp(i64::MAX)),
            Duration::from_nanos(u64::MAX)
        );
    }

    #[test]
    fn speeds_are_read_as_people_write_them() {
        for (text, speed, shown) in [
            ("4x", Speed::Thousandths(4000), "4x"),
            ("0.5x", Speed::Thousandths(500), "0.5x"),
            ("2", Speed::Thousandths(2000), "2x"),
            ("1x", Speed::NORMAL, "1x"),
            ("max", Speed::Max, "max"),
        ] {
            let read: Speed = text.parse().expect(text);
            assert_eq!((read, &*read.to_string()), (speed, shown));
        }
        for (text, said) in [
            ("0", "it takes 0.001x to 1000x, or `max`"),
            ("0.0001x", "it takes 0.001x to 1000x, or `max`"),
            ("1001x", "it takes 0.001x to 1000x, or `max`"),
            ("4y", "unknown unit `y`: use x"),
            ("fast", "`fast` is not a number"),
            ("", "`` is not a number"),
        ] {
            let error = text.parse::<Speed>().expect_err(text);
            assert_eq!(error.to_string(), said);
        }
    }
}
