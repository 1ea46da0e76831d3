//! A token bucket: so many events a second, and as many at once after a pause.

use std::time::{Duration, Instant};

/// Lets `rate` events a second pass. Pure: the clock is an argument.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u32,
    /// In events times nanoseconds per second, so that nothing is rounded.
    tokens: u128,
    filled: Instant,
}

const SECOND: u128 = Duration::from_secs(1).as_nanos();

impl Bucket {
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self {
            rate,
            tokens: u128::from(rate) * SECOND,
            filled: now,
        }
    }

    /// Whether one more event may pass now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        self.filled = self.filled.max(now);
        let rate = u128::from(self.rate);
        self.tokens = (self.tokens + passed.saturating_mul(rate)).min(rate * SECOND);
        let enough = self.tokens >= SECOND;
        if enough {
            self.tokens -= SECOND;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_may_come_at_once_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        let passed =
            |bucket: &mut Bucket, at: Instant| (0..100).filter(|_| bucket.take(at)).count();
        assert_eq!(passed(&mut bucket, start), 10);
        assert_eq!(passed(&mut bucket, start + Duration::from_millis(99)), 0);
        assert_eq!(passed(&mut bucket, start + Duration::from_millis(100)), 1);
        assert_eq!(passed(&mut bucket, start + Duration::from_millis(350)), 2);
        assert_eq!(passed(&mut bucket, start + Duration::from_secs(3600)), 10);
        // A clock that goes back gives nothing.
        assert_eq!(passed(&mut bucket, start), 0);
    }
}
