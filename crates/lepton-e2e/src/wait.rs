//! Waiting on a condition with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `probe` until it gives a value; fails after `limit`, saying what was waited for and what was seen last.
///
/// # Errors
/// When the time is over.
pub fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    let mut seen = String::new();
    loop {
        match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => seen = format!("; last: {error:#}"),
        }
        if start.elapsed() > limit {
            bail!("after {limit:?} still waiting for {what}{seen}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The same for a condition, with a minute's patience: the machines this runs on may be busy.
///
/// # Errors
/// When the time is over.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    within(Duration::from_secs(60), what, || Ok(holds()?.then_some(())))
}
