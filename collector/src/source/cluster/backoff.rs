//! When to try again: ever later, and not all at the same time. What is back within a minute, as an API
//! server that was started anew, is noticed within seconds.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
/// The longest wait in the first minute, and after it.
const SOON: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);

/// Waits of half a second to half a minute, each up to twice the one before.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    /// The sum of the waits.
    waited: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            next: FIRST,
            waited: Duration::ZERO,
        }
    }
}

impl Backoff {
    /// How long to wait now; `chance` is from 0 to 1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let wait = self.next.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        self.waited += wait;
        let most = if self.waited < MINUTE { SOON } else { LAST };
        self.next = (self.next * 2).min(most);
        wait
    }

    /// It worked: the next failure is the first again.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_then_to_half_a_minute_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..20).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits[..6], [500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(waits[14..], [5000, 10_000, 20_000, 30_000, 30_000, 30_000]);
        assert_eq!(backoff.next(0.0), LAST / 2);
        backoff.reset();
        assert_eq!(backoff.next(0.0), FIRST / 2);
    }
}
