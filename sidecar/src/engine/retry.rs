//! How long to wait after a failure: exponential, capped, jittered. Randomness is a parameter.

use std::time::Duration;

/// Consecutive failures of one thing.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// The first wait is about `first`, none is longer than `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            failures: 0,
        }
    }

    /// Forgets the failures.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: between half of the exponential value and all of it, by `random` in 0..1, so that many
    /// sidecars do not come back at the same moment.
    pub fn failed(&mut self, random: f64) -> Duration {
        self.whole().mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// The same where many may have failed in one instant: the first wait lies anywhere between nothing and `spread`, and the others are
    /// as long on average as above but differ twice as much: between a fourth of the exponential value and five fourths, and none is
    /// longer than the cap.
    pub fn failed_together(&mut self, spread: Duration, random: f64) -> Duration {
        let random = random.clamp(0.0, 1.0);
        if self.failures > 0 {
            return self.whole().mul_f64(0.25 + random).min(self.cap);
        }
        self.failures = 1;
        spread.mul_f64(random)
    }

    /// The exponential value after one more failure.
    fn whole(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_starts_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let waits: Vec<u128> = (0..6).map(|_| backoff.failed(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        backoff.succeeded();
        assert_eq!(backoff.failed(0.0), Duration::from_millis(50));
    }
}
