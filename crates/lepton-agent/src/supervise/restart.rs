//! Whether and when a process that ended is started again. Pure: `now` is handed in.

use std::collections::VecDeque;
use std::time::Duration;

use lepton_model::{Restart, RestartPolicy};
use serde::{Deserialize, Serialize};

/// What has been restarted lately; times on [`super::Clock::monotonic`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restarts {
    /// Restarts within the crash loop's window.
    recent: VecDeque<Duration>,
    /// Number of the last restart in the present series of crashes.
    series: u32,
    looping: bool,
}

/// What follows an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start again after this wait.
    Start {
        after: Duration,
        /// It crashes too often.
        looping: bool,
    },
    /// Leave it ended.
    Rest,
}

/// How a process ended, as far as restarting is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// With exit code 0.
    pub(crate) success: bool,
    /// After running this long.
    pub(crate) ran: Duration,
}

impl Restarts {
    /// Decides after a process ended by itself.
    pub(crate) fn ended(&mut self, now: Duration, ending: Ending, policy: &RestartPolicy) -> Next {
        let again = match policy.on {
            Restart::Always => true,
            Restart::OnFailure => !ending.success,
            Restart::Never => false,
        };
        if !again {
            *self = Self::default();
            return Next::Rest;
        }
        if ending.ran >= policy.backoff.reset.duration() {
            self.series = 0;
        }
        self.series = self.series.saturating_add(1);
        let window = policy.crash_loop.within.duration();
        self.recent.retain(|&at| now.saturating_sub(at) < window);
        self.recent.push_back(now);
        // More are never needed to tell a loop.
        let most = (policy.crash_loop.restarts as usize).saturating_add(1);
        while self.recent.len() > most {
            self.recent.pop_front();
        }
        self.looping = self.recent.len() == most;
        let after =
            if self.looping { policy.backoff.max.duration() } else { policy.backoff.wait(self.series) };
        Next::Start { after, looping: self.looping }
    }

    /// Whether it crashes too often, as of the last exit.
    pub(crate) fn is_looping(&self) -> bool {
        self.looping
    }

    /// It has run for `reset` without a crash: no loop any more.
    pub(crate) fn settled(&mut self) {
        self.looping = false;
        self.series = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lepton_model::Period;

    /// Exits as (second, ran for seconds, success) and what is decided after each.
    fn check(policy: &RestartPolicy, exits: &[(u64, u64, bool)], expect: &[&str]) {
        let mut restarts = Restarts::default();
        let decided: Vec<String> = exits
            .iter()
            .map(|&(now, ran, success)| {
                let ending = Ending { success, ran: Duration::from_secs(ran) };
                match restarts.ended(Duration::from_secs(now), ending, policy) {
                    Next::Rest => "rest".to_owned(),
                    Next::Start { after, looping } => {
                        format!("{}{}", Period::from(after), if looping { " loop" } else { "" })
                    }
                }
            })
            .collect();
        assert_eq!(decided, expect);
    }

    #[test]
    fn crashes_wait_longer_each_time_and_become_a_loop() {
        let policy = RestartPolicy::default();
        check(
            &policy,
            &[(10, 1, false), (11, 1, false), (12, 1, true), (13, 1, false), (14, 1, false), (15, 1, false)],
            &["0s", "100ms", "200ms", "400ms", "800ms", "1m loop"],
        );
    }

    #[test]
    fn a_long_run_forgets_the_series_and_the_window_forgets_the_loop() {
        let mut policy = RestartPolicy::default();
        policy.crash_loop.restarts = 2;
        policy.crash_loop.within = Period::from_secs(100);
        check(
            &policy,
            &[(10, 1, false), (11, 1, false), (71, 60, false), (200, 129, false), (201, 1, false)],
            &["0s", "100ms", "1m loop", "0s", "100ms"],
        );
    }

    #[test]
    fn policies_say_what_is_restarted() {
        let with = |on| RestartPolicy { on, ..RestartPolicy::default() };
        check(&with(Restart::OnFailure), &[(1, 1, false), (2, 1, true)], &["0s", "rest"]);
        check(&with(Restart::Never), &[(1, 1, false)], &["rest"]);
        check(&with(Restart::Never), &[(1, 1, true)], &["rest"]);
    }
}
