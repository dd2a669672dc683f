//! When to sample, which time to stamp, and whether the clock of the day jumped.
//!
//! Ticks fall on whole multiples of the interval plus a phase of this node's own: samples of one series are evenly
//! spaced (which compresses well) and a thousand agents do not all ship in the same millisecond. A pure state machine:
//! both clocks are handed in.
//!
//! The wall clock is compared with the monotonic one (which counts sleep too) at every tick. A difference of
//! [`JUMP`] or more since the tick before is a step; less is slewing and is followed in silence. After a step samples
//! carry the new time at once: time that was stamped wrongly before a step back is thereby measured twice, and the
//! later measurement wins in the lake.

use std::time::Duration;

use lepton_model::Timestamp;

/// From here on a change is a step: `ntpd` and `chronyd` slew smaller ones, by at most half a millisecond a second.
const JUMP: i64 = 500;

/// A jump of the clock of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What the clock would have said without the jump.
    pub before: Timestamp,
    /// What it says.
    pub after: Timestamp,
}

/// One tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The time its samples carry.
    pub stamp: Timestamp,
    /// The clock jumped since the tick before.
    pub step: Option<Step>,
}

/// Decides when to sample.
#[derive(Debug)]
pub struct Ticker {
    interval: i64,
    phase: i64,
    /// Wall less monotonic clock, milliseconds, at the last look.
    offset: Option<i64>,
    last: Option<i64>,
}

impl Ticker {
    /// Ticks every `interval`, shifted by a part of it that `seed` chooses.
    pub fn new(interval: Duration, seed: u64) -> Self {
        let interval = millis(interval).max(1);
        let phase = i64::try_from(seed % interval.unsigned_abs()).unwrap_or(0);
        Self { interval, phase, offset: None, last: None }
    }

    /// How long to wait for the next tick.
    pub fn wait(&self, wall: Timestamp) -> Duration {
        let since = (wall.as_millis() - self.phase).rem_euclid(self.interval);
        Duration::from_millis((self.interval - since).unsigned_abs())
    }

    /// Takes the tick of now; `None` when it was taken already (a timer that rang early).
    pub fn tick(&mut self, monotonic: Duration, wall: Timestamp) -> Option<Tick> {
        let now = wall.as_millis();
        let offset = now.saturating_sub(millis(monotonic));
        let moved = self.offset.map_or(0, |before| offset.saturating_sub(before));
        self.offset = Some(offset);
        let step = (moved.abs() >= JUMP)
            .then(|| Step { before: Timestamp::from_millis(now.saturating_sub(moved)), after: wall });
        let stamp = now - (now - self.phase).rem_euclid(self.interval);
        if self.last == Some(stamp) && step.is_none() {
            return None;
        }
        self.last = Some(stamp);
        Some(Tick { stamp: Timestamp::from_millis(stamp), step })
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn stamps_are_evenly_spaced_and_none_is_taken_twice() {
        let mut ticker = Ticker::new(Duration::from_secs(10), 3_000);
        let mut check = |mono: u64, wall: i64, expect: Option<i64>| {
            let stamp = ticker.tick(Duration::from_millis(mono), at(wall)).map(|tick| tick.stamp.as_millis());
            assert_eq!(stamp, expect, "at {wall}");
        };
        check(0, 100_000, Some(93_000));
        check(3_001, 103_001, Some(103_000));
        check(3_002, 103_002, None);
        // 28 s busy: two ticks are missed, the next is on the grid again.
        check(31_000, 131_000, Some(123_000));
        assert_eq!(ticker.wait(at(131_000)), Duration::from_secs(2));
        assert_eq!(ticker.wait(at(133_000)), Duration::from_secs(10));
    }

    #[test]
    fn a_step_is_told_from_slewing_and_from_sleep() {
        let check = |mono: u64, wall: i64, expect: Option<(i64, i64)>| {
            let mut ticker = Ticker::new(Duration::from_secs(1), 0);
            ticker.tick(Duration::ZERO, at(1_000_000));
            let tick = ticker.tick(Duration::from_millis(mono), at(wall));
            let step = tick.and_then(|tick| tick.step).map(|s| (s.before.as_millis(), s.after.as_millis()));
            assert_eq!(step, expect, "{mono} {wall}");
        };
        check(1_000, 1_001_000, None);
        check(1_000, 1_001_400, None);
        check(1_000, 1_601_000, Some((1_001_000, 1_601_000)));
        check(1_000, 401_000, Some((1_001_000, 401_000)));
        // Asleep for an hour: both clocks went on.
        check(3_600_000, 4_600_000, None);
    }

    #[test]
    fn after_a_step_back_the_new_time_is_stamped_at_once() {
        let mut ticker = Ticker::new(Duration::from_secs(1), 0);
        ticker.tick(Duration::ZERO, at(1_000_000));
        let tick = ticker.tick(Duration::from_millis(1_000), at(998_000));
        assert_eq!(tick.map(|tick| tick.stamp), Some(at(998_000)));
    }
}
