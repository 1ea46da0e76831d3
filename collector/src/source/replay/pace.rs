//! When an event of a recording is due. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use super::Playing;
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

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Due {
    Now,
    At(Instant),
    /// Not while it is played in this way.
    Never,
}

/// The time line of a recording.
///
/// It begins with the first event, not with a greeting, which may be a day older where an agent
/// had run for a day. Endings and the clocks of several nodes go back at times: what is older than
/// what was played before it is due at once.
#[derive(Debug)]
pub(super) struct Pace {
    playing: Playing,
    /// What is older is due at once.
    from: Timestamp,
    latest: Timestamp,
    /// Something was older than that.
    skipped: bool,
    /// A moment of the recording, and when it was played.
    mark: Option<(Timestamp, Instant)>,
}

impl Pace {
    pub(super) fn new(playing: Playing, from: Option<Timestamp>) -> Self {
        Self {
            playing,
            from: from.unwrap_or(Timestamp(i64::MIN)),
            latest: Timestamp(i64::MIN),
            skipped: false,
            mark: None,
        }
    }

    /// It is played in another way from now on.
    pub(super) fn change(&mut self, playing: Playing, now: Instant) {
        self.mark = self.mark.map(|(ts, at)| (self.position(ts, at, now), now));
        self.playing = playing;
    }

    /// The moment of the recording that is played now, if that one was played then.
    fn position(&self, ts: Timestamp, at: Instant, now: Instant) -> Timestamp {
        match self.playing {
            Playing { held: true, .. } => ts,
            Playing { speed, .. } => match speed {
                Speed::Max => self.latest.max(ts),
                Speed::Thousandths(n) => {
                    let nanos = (now - at).as_nanos() * u128::from(n) / 1000;
                    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
                    Timestamp(ts.0.saturating_add(nanos))
                }
            },
        }
    }

    /// When an event of that time is due.
    pub(super) fn due(&mut self, ts: Timestamp, now: Instant) -> Due {
        self.latest = self.latest.max(ts);
        if self.latest < self.from {
            self.skipped = true;
            return Due::Now;
        }
        let begins = if self.skipped { self.from } else { self.latest };
        let (marked, at) = *self.mark.get_or_insert((begins, now));
        let nanos = u64::try_from(i128::from(self.latest.0) - i128::from(marked.0)).unwrap_or(0);
        match self.playing {
            Playing { held: true, .. } => Due::Never,
            Playing { speed, .. } => match speed {
                Speed::Max => Due::Now,
                Speed::Thousandths(n) => {
                    let nanos = u128::from(nanos) * 1000 / u128::from(n.max(1));
                    let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                    // A time that no clock reaches is never due.
                    at.checked_add(after).map_or(Due::Never, Due::At)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(speed: Speed) -> Playing {
        Playing::at(speed)
    }

    /// How many seconds after its beginning each event is due.
    fn dues(speed: Speed, seconds: &[i64]) -> Vec<u64> {
        let start = Instant::now();
        let mut pace = Pace::new(at(speed), None);
        let due = |s: &i64| match pace.due(Timestamp(s * SECOND), start) {
            Due::Now => 0,
            Due::At(at) => (at - start).as_secs(),
            Due::Never => u64::MAX,
        };
        seconds.iter().map(due).collect()
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
        let mut pace = Pace::new(at(Speed::Thousandths(1)), None);
        let now = Instant::now();
        assert_eq!(pace.due(Timestamp(i64::MIN), now), Due::At(now));
        // Beyond that, it depends on how far the clock goes.
        let due = pace.due(Timestamp(i64::MAX), now);
        assert!(
            due == Due::Never || due > Due::At(now + Duration::from_secs(1 << 33)),
            "{due:?}"
        );
    }

    #[test]
    fn a_change_of_speed_goes_on_from_where_it_is() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(at(Speed::NORMAL), None);
        assert_eq!(pace.due(Timestamp(0), start), Due::At(start));
        pace.change(at(Speed::Thousandths(2_000)), after(10));
        // Of the 20 seconds to it, ten were over, and the others take half as long.
        assert_eq!(
            pace.due(Timestamp(20 * SECOND), after(10)),
            Due::At(after(15))
        );
        let held = Playing {
            held: true,
            ..at(Speed::NORMAL)
        };
        pace.change(held, after(12));
        assert_eq!(pace.due(Timestamp(20 * SECOND), after(12)), Due::Never);
        pace.change(at(Speed::NORMAL), after(112));
        assert_eq!(
            pace.due(Timestamp(20 * SECOND), after(112)),
            Due::At(after(118))
        );
    }

    #[test]
    fn what_is_before_the_beginning_is_due_at_once_even_if_it_is_held() {
        let start = Instant::now();
        let held = Playing {
            held: true,
            ..at(Speed::NORMAL)
        };
        let mut pace = Pace::new(held, Some(Timestamp(10 * SECOND)));
        assert_eq!(pace.due(Timestamp(3 * SECOND), start), Due::Now);
        assert_eq!(pace.due(Timestamp(12 * SECOND), start), Due::Never);
        pace.change(at(Speed::NORMAL), start);
        let due = Due::At(start + Duration::from_secs(2));
        assert_eq!(pace.due(Timestamp(12 * SECOND), start), due);
        // There is nothing to wait for before the first event of all.
        let mut pace = Pace::new(at(Speed::NORMAL), Some(Timestamp(0)));
        assert_eq!(pace.due(Timestamp(12 * SECOND), start), Due::At(start));
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
