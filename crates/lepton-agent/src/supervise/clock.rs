//! The two clocks a supervisor reads, behind a trait so that a test can move them.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lepton_model::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Where time comes from. Lengths of time are only ever measured on [`Clock::monotonic`]; the wall
/// clock stamps what people read, and may jump.
pub trait Clock: Debug + Send + Sync {
    /// The time of day.
    fn wall(&self) -> Timestamp;

    /// Time since the machine started, including time asleep; comparable between processes of one boot.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        // CLOCK_BOOTTIME, because a lease runs on at the server while this machine sleeps.
        let now = clock_gettime(ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}
