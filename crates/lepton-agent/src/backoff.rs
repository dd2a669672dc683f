//! Waiting between attempts: longer each time, never at the same moment as everybody else.

use std::time::Duration;

/// Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): the wait is anywhere between
/// zero and the bound, and the bound doubles.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Bounds of the first and of the longest wait.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The wait after one more failure.
    pub fn wait(&mut self) -> Duration {
        let bound = self.first.saturating_mul(2_u32.saturating_pow(self.failures.min(31))).min(self.most);
        self.failures = self.failures.saturating_add(1);
        // Never under a quarter: "anywhere from zero" alone would sometimes retry at once.
        bound.mul_f64(0.25 + 0.75 * fraction())
    }

    /// It worked: the next wait is a first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since it last worked.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// A random number in 0…1. Half, when the system has no randomness to give.
fn fraction() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for bound in [100, 200, 400, 800, 1_000, 1_000] {
            let wait = backoff.wait();
            assert!((bound / 4..=bound).contains(&(wait.as_millis())), "{wait:?} for {bound}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(100));
    }
}
