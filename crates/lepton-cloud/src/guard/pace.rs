//! How fast calls follow each other: a token bucket whose rate is learned.
//!
//! Clouds do not tell their limits, which also differ by account, so the rate is found the way TCP finds its window
//! (Jacobson, "Congestion avoidance and control", 1988): a little faster with each accepted call, half as fast when throttled.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Where the rate begins and between what it moves, in calls per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceConfig {
    /// At first.
    pub initial: f64,
    /// At least.
    pub least: f64,
    /// At most.
    pub most: f64,
    /// Calls that may go at once after a rest.
    pub burst: f64,
}

impl Default for PaceConfig {
    fn default() -> Self {
        Self { initial: 10.0, least: 0.2, most: 100.0, burst: 20.0 }
    }
}

/// Gives out turns.
#[derive(Debug)]
pub struct Pace {
    config: PaceConfig,
    queue: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rate: f64,
    /// Turns at hand; below zero while the cloud wants silence.
    tokens: f64,
    counted: Instant,
    /// Throttled calls that were under way together halve the rate once.
    halved: Option<Instant>,
}

impl Pace {
    /// A pace that begins as the configuration says.
    pub fn new(config: PaceConfig) -> Self {
        let now = Instant::now();
        let state = State { rate: config.initial, tokens: config.burst, counted: now, halved: None };
        Self { config, queue: tokio::sync::Mutex::new(()), state: Mutex::new(state) }
    }

    /// Waits for a turn. Turns come in the order asked for.
    pub async fn turn(&self) {
        // Only the first in the queue looks at the clock, so that all behind it go by what it learned meanwhile.
        let _first = self.queue.lock().await;
        while let Some(wait) = self.take() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a turn, or says how long to wait for one at the present rate.
    fn take(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        state.refill(Instant::now(), self.config.burst);
        if state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return None;
        }
        // Rounded up: a wait that ends a nanosecond early would be followed by another of nothing.
        Some(Duration::from_secs_f64((1.0 - state.tokens) / state.rate) + Duration::from_millis(1))
    }

    /// A call was not throttled: ten of them make the rate one call per second faster.
    pub fn accepted(&self) {
        let mut state = self.state.lock();
        state.refill(Instant::now(), self.config.burst);
        state.rate = (state.rate + 0.1).min(self.config.most);
    }

    /// A call was throttled: half as fast, and nothing until the cloud's own time is over.
    pub fn throttled(&self, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.refill(now, self.config.burst);
        let recently = state.halved.is_some_and(|at| now - at < Duration::from_secs(1));
        if !recently {
            state.rate = (state.rate / 2.0).max(self.config.least);
            state.halved = Some(now);
        }
        let silence = retry_after.unwrap_or_default().min(Duration::from_secs(60));
        state.tokens = state.tokens.min(-silence.as_secs_f64() * state.rate);
    }

    /// Calls per second at present.
    pub fn rate(&self) -> f64 {
        self.state.lock().rate
    }
}

impl State {
    fn refill(&mut self, now: Instant, burst: f64) {
        let earned = (now - self.counted).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + earned).min(burst);
        self.counted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_finds_a_limit_that_nobody_told() {
        // A cloud that accepts 5 calls in each second.
        let pace = Pace::new(PaceConfig { initial: 50.0, burst: 5.0, ..PaceConfig::default() });
        let (begun, mut second, mut taken, mut refused) = (Instant::now(), 0, 0, 0);
        for _ in 0..1_000 {
            pace.turn().await;
            let now = begun.elapsed().as_secs();
            if now != second {
                (second, taken) = (now, 0);
            }
            taken += 1;
            if taken > 5 {
                refused += 1;
                pace.throttled(None);
            } else {
                pace.accepted();
            }
        }
        let answered = f64::from(1_000 - refused) / begun.elapsed().as_secs_f64();
        assert!(refused < 120, "{refused} of 1,000 calls were refused");
        assert!(answered > 2.5, "{answered} calls per second went through of 5");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_kept_as_asked() {
        let pace = Pace::new(PaceConfig::default());
        pace.throttled(Some(Duration::from_secs(7)));
        let begun = Instant::now();
        pace.turn().await;
        assert!(begun.elapsed() >= Duration::from_secs(7), "{:?}", begun.elapsed());
    }
}
