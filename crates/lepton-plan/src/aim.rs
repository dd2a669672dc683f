//! What a plan aims at beyond keeping everything running.

use std::collections::BTreeMap;

use lepton_model::{Name, Period, RebalancePolicy, Strategy};

/// A strategy with its horizon, and how much of it may be done at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Aim {
    /// What "better" means.
    pub strategy: Strategy,
    /// How long what is saved is believed to last.
    pub horizon: Period,
    /// What a move must save beyond its cost, as a share of that cost.
    pub hysteresis: f64,
    /// With limits, the plan holds moves only, as many of the first ones as they allow; without, everything.
    pub limits: Option<MoveLimits>,
}

impl Aim {
    /// A strategy with the usual horizon and hysteresis, and no limits: for a preview.
    pub fn of(strategy: Strategy) -> Self {
        let usual = RebalancePolicy::default();
        Self { strategy, horizon: usual.horizon, hysteresis: usual.hysteresis, limits: None }
    }
}

/// How many replicas one plan may move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoveLimits {
    /// Replicas by project; projects that are not named stay where they are.
    pub projects: BTreeMap<Name, u32>,
}
