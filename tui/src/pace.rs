//! When to draw the next frame. Pure.

use std::time::{Duration, Instant};

/// At most 30 frames a second because of data.
const DATA: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// At most 120 frames a second because of keys and resizes.
const INPUT: Duration = Duration::from_nanos(1_000_000_000 / 120);

/// What a frame is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Input,
    Data,
}

/// Counts the time between frames.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Pace {
    /// A frame is wanted: now, or as soon as the last one is old enough.
    pub(crate) fn want(&mut self, cause: Cause, now: Instant) {
        let gap = match cause {
            Cause::Input => INPUT,
            Cause::Data => DATA,
        };
        let at = self.last.map_or(now, |last| (last + gap).max(now));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When the next frame is due, if one is wanted.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A frame was drawn.
    pub(crate) fn drawn(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_waits_and_a_key_does_not() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due(), None);
        pace.want(Cause::Data, start);
        assert_eq!(pace.due(), Some(start));
        pace.drawn(start);
        assert_eq!(pace.due(), None);

        let soon = start + Duration::from_millis(1);
        pace.want(Cause::Data, soon);
        assert_eq!(pace.due(), Some(start + DATA));
        pace.want(Cause::Input, soon);
        assert_eq!(pace.due(), Some(start + INPUT));
        pace.want(Cause::Data, soon);
        assert_eq!(pace.due(), Some(start + INPUT));

        let late = start + Duration::from_secs(1);
        pace.drawn(soon);
        pace.want(Cause::Data, late);
        assert_eq!(pace.due(), Some(late));
    }
}
