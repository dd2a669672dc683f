//! A budget for retries, so that a cloud in trouble is not buried under them: every call that succeeds earns a little,
//! every retry costs more. When most calls fail, retries stop and the failures are told at once.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a retry costs, in successes.
const COST: u32 = 10;
/// What there is at first and at most: 50 retries.
const MOST: u32 = 50 * COST;

/// How many retries may still be made.
#[derive(Debug)]
pub struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(MOST))
    }
}

impl RetryBudget {
    /// A call succeeded.
    pub fn earn(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some((left + 1).min(MOST)));
    }

    /// Takes the cost of a retry; false when there is not enough.
    pub fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(COST)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_earned_by_successes() {
        let budget = RetryBudget::default();
        assert_eq!((0..1_000).filter(|_| budget.spend()).count(), 50);
        (0..9).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
    }
}
