//! What happens to a call on its way. Drawn before the call is carried out.

use std::time::Duration;

use lepton_cloud::{Effect, Operation};
use rand::{Rng, RngExt as _};

/// How often what goes wrong, as parts of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// An answer takes a time between these two.
    pub latency: (Duration, Duration),
    /// The cloud says "try again" and does nothing.
    pub transient: f64,
    /// The request is lost: nothing is done, no answer comes.
    pub request_lost: f64,
    /// The answer is lost: it is done, and the caller does not know.
    pub answer_lost: f64,
    /// Half of a list comes.
    pub torn_page: f64,
    /// Calls per second and region before throttling; the bucket holds a second's worth.
    pub calls_per_second: Option<f64>,
    /// How long a new machine is missing from lists.
    pub list_lag: Duration,
    /// Whether a launch with a known client token gives the same machine.
    pub honours_tokens: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: (Duration::from_millis(20), Duration::from_millis(80)),
            transient: 0.0,
            request_lost: 0.0,
            answer_lost: 0.0,
            torn_page: 0.0,
            calls_per_second: None,
            list_lag: Duration::ZERO,
            honours_tokens: true,
        }
    }
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Transient,
    RequestLost,
    AnswerLost,
    TornPage,
}

impl Faults {
    pub(crate) fn draw(&self, operation: Operation, random: &mut impl Rng) -> (Duration, Fate) {
        let (least, most) = self.latency;
        let latency = least + most.saturating_sub(least).mul_f64(random.random_range(0.0..=1.0));
        let mut left: f64 = random.random_range(0.0..1.0);
        let torn = if operation.effect() == Effect::Read { self.torn_page } else { 0.0 };
        let fates = [
            (self.transient, Fate::Transient),
            (self.request_lost, Fate::RequestLost),
            (self.answer_lost, Fate::AnswerLost),
            (torn, Fate::TornPage),
        ];
        for (part, fate) in fates {
            if left < part {
                return (latency, fate);
            }
            left -= part;
        }
        (latency, Fate::Answered)
    }
}
