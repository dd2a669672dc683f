//! What probe results amount to. Pure: `now` is handed in.

use std::time::Duration;

/// One check's results against its thresholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Threshold {
    /// Failures in a row that make it unhealthy.
    failures: u32,
    /// Successes in a row that make it healthy.
    successes: u32,
    /// Results in a row of the same kind as the last.
    row: u32,
    last: Option<bool>,
    healthy: Option<bool>,
}

impl Threshold {
    pub(crate) fn new(failures: u32, successes: u32) -> Self {
        Self { failures, successes, row: 0, last: None, healthy: None }
    }

    /// Takes one result.
    pub(crate) fn saw(&mut self, success: bool) {
        self.row = if self.last == Some(success) { self.row.saturating_add(1) } else { 1 };
        self.last = Some(success);
        let needed = if success { self.successes } else { self.failures };
        if self.row >= needed {
            self.healthy = Some(success);
        }
    }

    /// After thresholds; none until one was reached.
    pub(crate) fn healthy(&self) -> Option<bool> {
        self.healthy
    }

    /// Failures in a row.
    pub(crate) fn failed(&self) -> u32 {
        if self.last == Some(false) { self.row } else { 0 }
    }
}

/// A running replica's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not healthy yet, and still allowed not to be.
    Starting,
    Healthy,
    Unhealthy,
}

/// The checks of one running process together.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    checks: Vec<Threshold>,
    /// Until then failing checks do not count, unless it has been healthy before.
    startup_ends: Duration,
    has_been_healthy: bool,
}

impl Health {
    pub(crate) fn new(checks: Vec<Threshold>, startup_ends: Duration) -> Self {
        Self { checks, startup_ends, has_been_healthy: false }
    }

    pub(crate) fn check(&self, index: usize) -> Option<&Threshold> {
        self.checks.get(index)
    }

    /// Takes one result of one check.
    pub(crate) fn saw(&mut self, index: usize, success: bool) {
        if let Some(check) = self.checks.get_mut(index) {
            check.saw(success);
        }
    }

    /// All checks together. Without checks, what runs is healthy.
    pub(crate) fn verdict(&mut self, now: Duration) -> Verdict {
        if self.checks.iter().all(|check| check.healthy == Some(true)) {
            self.has_been_healthy = true;
            return Verdict::Healthy;
        }
        if !self.has_been_healthy {
            return if now < self.startup_ends { Verdict::Starting } else { Verdict::Unhealthy };
        }
        if self.checks.iter().any(|check| check.healthy == Some(false)) {
            Verdict::Unhealthy
        } else {
            // A check added while it runs has not been decided yet.
            Verdict::Healthy
        }
    }

    /// When the verdict may change without a result.
    pub(crate) fn wake(&self) -> Option<Duration> {
        (!self.has_been_healthy && !self.checks.is_empty()).then_some(self.startup_ends)
    }

    /// Replaces the checks of a process that runs on; those named keep what they have seen.
    pub(crate) fn replace(&mut self, checks: Vec<(Threshold, Option<usize>)>, startup_ends: Duration) {
        let old = std::mem::take(&mut self.checks);
        self.startup_ends = startup_ends;
        self.checks = checks
            .into_iter()
            .map(|(new, before)| match before.and_then(|at| old.get(at)) {
                Some(before) => {
                    Threshold { failures: new.failures, successes: new.successes, ..before.clone() }
                }
                None => new,
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of one check as `+` and `-`, one a second from second 1; the verdict after each, with 5 s of startup.
    fn check(failures: u32, successes: u32, results: &str, expect: &str) {
        let mut health = Health::new(vec![Threshold::new(failures, successes)], Duration::from_secs(5));
        let verdicts: String = results
            .chars()
            .zip(1..)
            .map(|(result, second)| {
                health.saw(0, result == '+');
                match health.verdict(Duration::from_secs(second)) {
                    Verdict::Starting => 's',
                    Verdict::Healthy => 'h',
                    Verdict::Unhealthy => 'u',
                }
            })
            .collect();
        assert_eq!(verdicts, expect, "{results}");
    }

    #[test]
    fn thresholds_and_startup() {
        check(3, 1, "+++", "hhh");
        check(3, 1, "--+", "ssh");
        // Startup over without ever being healthy.
        check(3, 1, "------+", "ssssuuh");
        // Healthy once: startup no longer excuses.
        check(3, 1, "+---", "hhhu");
        check(3, 1, "+--+--+", "hhhhhhh");
        check(1, 2, "+++-+++", "shhuuhh");
        check(2, 3, "++-+++--", "ssssuhhu");
    }

    #[test]
    fn without_checks_what_runs_is_healthy() {
        let mut health = Health::new(Vec::new(), Duration::from_secs(5));
        assert_eq!((health.verdict(Duration::ZERO), health.wake()), (Verdict::Healthy, None));
    }

    #[test]
    fn every_check_must_be_healthy() {
        let mut health = Health::new(vec![Threshold::new(1, 1); 2], Duration::ZERO);
        health.saw(0, true);
        assert_eq!(health.verdict(Duration::ZERO), Verdict::Unhealthy);
        health.saw(1, true);
        assert_eq!(health.verdict(Duration::ZERO), Verdict::Healthy);
        health.replace(vec![(Threshold::new(2, 1), Some(1)), (Threshold::new(1, 1), None)], Duration::ZERO);
        assert_eq!(health.verdict(Duration::ZERO), Verdict::Healthy);
        health.saw(1, false);
        assert_eq!(health.verdict(Duration::ZERO), Verdict::Unhealthy);
    }
}
