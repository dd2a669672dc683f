//! How a program is started, stopped, restarted and logged.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Bytes, FieldErrors, Period};

/// When a program that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Whatever the exit code.
    #[default]
    Always,
    /// Unless it ended with exit code 0.
    OnFailure,
    /// Never.
    Never,
}

/// How a program that ended comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RestartPolicy {
    /// When.
    pub on: Restart,
    /// Waiting time between restarts.
    pub backoff: Backoff,
    /// When restarting is called a crash loop.
    pub crash_loop: CrashLoop,
}

/// Exponential back-off: the first restart comes at once, the n-th waits `initial`·2ⁿ⁻², at most `max`.
/// A run of `reset` without a crash starts over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// Wait before the second restart; 100 ms by default.
    pub initial: Period,
    /// Longest wait; 1 min by default.
    pub max: Period,
    /// A run this long forgets earlier crashes; 1 min by default.
    pub reset: Period,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Period::from_millis(100), max: Period::from_secs(60), reset: Period::from_secs(60) }
    }
}

impl Backoff {
    /// The wait before restart number `restart` (from 1) of a series.
    pub fn wait(&self, restart: u32) -> Duration {
        match restart {
            0 | 1 => Duration::ZERO,
            n => {
                let factor = 2_u32.saturating_pow((n - 2).min(31));
                self.initial.duration().saturating_mul(factor).min(self.max.duration())
            }
        }
    }
}

/// A crash loop: more than `restarts` restarts within `within`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrashLoop {
    /// Restarts that are still no loop; 5 by default.
    pub restarts: u32,
    /// The window they are counted in; 5 min by default.
    pub within: Period,
}

impl Default for CrashLoop {
    fn default() -> Self {
        Self { restarts: 5, within: Period::from_secs(300) }
    }
}

/// The signal that asks a program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum StopSignal {
    #[default]
    Term,
    Int,
    Quit,
    Hup,
    Usr1,
    Usr2,
}

/// How a program is stopped: a signal to its whole process group, some grace, then SIGKILL to the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StopPolicy {
    /// The first signal.
    pub signal: StopSignal,
    /// Time until SIGKILL; 10 s by default.
    pub grace: Period,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { signal: StopSignal::Term, grace: Period::from_secs(10) }
    }
}

/// How much of a program's output is kept on its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogPolicy {
    /// A file is rotated at this size; 10 MiB by default.
    pub max_size: Bytes,
    /// Rotated files kept beside the current one; 3 by default.
    pub keep: u32,
}

impl Default for LogPolicy {
    fn default() -> Self {
        Self { max_size: Bytes::mebi(10), keep: 3 }
    }
}

pub(crate) fn validate_command(command: &[String], at: &str, errors: &mut FieldErrors) {
    match command.first() {
        None => errors.push(at, "must name a program, such as [\"/usr/bin/env\", \"true\"]"),
        Some(program) => errors.require(!program.is_empty(), format!("{at}[0]"), "must name a program"),
    }
    errors.require(command.len() <= 1_024, at, "may have at most 1024 words");
    for (n, word) in command.iter().enumerate() {
        errors.require(
            !word.contains('\0') && word.len() <= 32_768,
            format!("{at}[{n}]"),
            "holds a NUL or is longer than 32768 bytes",
        );
    }
}

pub(crate) fn validate_env(env: &BTreeMap<String, String>, errors: &mut FieldErrors) {
    errors.require(env.len() <= 512, "spec.env", "may have at most 512 variables");
    for (key, value) in env {
        let sound = !key.is_empty() && !key.contains(['=', '\0']) && !value.contains('\0');
        errors.require(
            sound && value.len() <= 32_768,
            format!("spec.env.{key}"),
            "is not an environment variable (no '=' or NUL in the name, at most 32768 bytes)",
        );
    }
}

pub(crate) fn validate_restart(restart: &RestartPolicy, errors: &mut FieldErrors) {
    let backoff = &restart.backoff;
    errors.require(
        backoff.initial <= backoff.max,
        "spec.restart.backoff.initial",
        "must not exceed backoff.max",
    );
    errors.require(
        backoff.max.duration() <= Duration::from_secs(3_600),
        "spec.restart.backoff.max",
        "must be at most 1h",
    );
    errors.require(
        (1..=1_000).contains(&restart.crash_loop.restarts),
        "spec.restart.crash_loop.restarts",
        "must be 1 to 1000",
    );
}

pub(crate) fn validate_stop_and_logs(stop: &StopPolicy, logs: &LogPolicy, errors: &mut FieldErrors) {
    errors.require(
        stop.grace.duration() <= Duration::from_secs(3_600),
        "spec.stop.grace",
        "must be at most 1h",
    );
    errors.require(logs.max_size >= Bytes::new(4_096), "spec.logs.max_size", "must be at least 4Ki");
    errors.require(logs.keep <= 100, "spec.logs.keep", "must be at most 100");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_from_the_second_restart() {
        let backoff = Backoff::default();
        let waits: Vec<u128> = [1, 2, 3, 4, 12, 4_000_000_000].map(|n| backoff.wait(n).as_millis()).into();
        assert_eq!(waits, [0, 100, 200, 400, 60_000, 60_000]);
    }
}
