//! Policies: what Lepton may do by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    FieldErrors, Kind, Money, Name, Outcome, Period, PlanId, PlannedMove, Spec, Strategy, Timestamp,
};

/// What Lepton may do by itself. The estate has one, called `default`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySpec {
    /// Moving what runs well for a better whole.
    pub rebalance: RebalancePolicy,
}

/// Whether rebalancing acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebalanceMode {
    /// Nothing is looked for.
    Off,
    /// What would be saved is said; nothing is moved.
    #[default]
    Advise,
    /// What saves enough is moved, a few replicas at a time.
    Act,
}

impl RebalanceMode {
    /// `off`, `advise` or `act`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Advise => "advise",
            Self::Act => "act",
        }
    }
}

/// Moving what runs well for a better whole: fewer or cheaper machines, evener load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RebalancePolicy {
    /// `off`, `advise` or `act`; `advise` by default.
    pub mode: RebalanceMode,
    /// What "better" means; `cost` by default.
    pub strategy: Strategy,
    /// Time between two looks; 1 min by default.
    pub every: Period,
    /// How long what is saved is believed to last; a move has to pay within it. 24 h by default.
    pub horizon: Period,
    /// What a move must save beyond its cost, as a share of that cost; 0.1 by default.
    pub hysteresis: f64,
    /// Time a moved replica has to run at its new place; then rebalancing pauses and says so. 5 min by default.
    pub verify_within: Period,
    /// How much may be disturbed in each project that is not named in `projects`.
    pub budget: DisruptionBudget,
    /// How much may be disturbed in a project.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, DisruptionBudget>)]
    pub projects: BTreeMap<Name, DisruptionBudget>,
}

impl Default for RebalancePolicy {
    fn default() -> Self {
        Self {
            mode: RebalanceMode::default(),
            strategy: Strategy::COST,
            every: Period::from_secs(60),
            horizon: Period::from_secs(86_400),
            hysteresis: 0.1,
            verify_within: Period::from_secs(300),
            budget: DisruptionBudget::default(),
            projects: BTreeMap::new(),
        }
    }
}

impl RebalancePolicy {
    /// The budget of a project.
    pub fn budget_of(&self, project: &Name) -> DisruptionBudget {
        self.projects.get(project).copied().unwrap_or(self.budget)
    }
}

/// How many replicas rebalancing may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DisruptionBudget {
    /// At once; 1 by default. A service's own `rollout.max_unavailable` holds too.
    pub concurrent: u32,
    /// In an hour; 10 by default. 0 keeps the project where it is.
    pub per_hour: u32,
}

impl Default for DisruptionBudget {
    fn default() -> Self {
        Self { concurrent: 1, per_hour: 10 }
    }
}

impl PolicySpec {
    /// The name of the estate's one policy.
    pub const NAME: &'static str = "default";
}

impl Spec for PolicySpec {
    const KIND: Kind = Kind::Policy;
    type Status = PolicyStatus;

    fn validate(&self, errors: &mut FieldErrors) {
        let rebalance = &self.rebalance;
        for (field, period, least) in [
            ("every", rebalance.every, 1),
            ("horizon", rebalance.horizon, 60),
            ("verify_within", rebalance.verify_within, 1),
        ] {
            let seconds = period.duration().as_secs();
            errors.require(
                (least..=31_536_000).contains(&seconds),
                format!("spec.rebalance.{field}"),
                format!("must be between {least}s and 365d"),
            );
        }
        errors.require(
            (0.0..=100.0).contains(&rebalance.hysteresis),
            "spec.rebalance.hysteresis",
            "must be between 0 and 100",
        );
        errors.require(
            rebalance.strategy.moves,
            "spec.rebalance.strategy",
            "priority moves nothing; write cost, balance or weights",
        );
        let budgets =
            rebalance.projects.iter().map(|(project, budget)| (format!("projects.{project}"), budget));
        for (field, budget) in budgets.chain([("budget".to_owned(), &rebalance.budget)]) {
            errors.require(
                budget.concurrent >= 1,
                format!("spec.rebalance.{field}.concurrent"),
                "must be at least 1; per_hour: 0 keeps a project where it is",
            );
        }
    }
}

/// What rebalancing found and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct PolicyStatus {
    /// What could be better, as of the last look; none when nothing would pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<RebalanceAdvice>,
    /// The step that is being carried out and verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<RebalanceStep>,
    /// No step is begun before this moment, because one could not be verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Timestamp>,
    /// Steps that are over, oldest first; the last hundred.
    pub done: Vec<RebalanceStep>,
}

/// What could be better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RebalanceAdvice {
    /// Since when.
    pub since: Timestamp,
    /// How many replicas would move.
    pub moves: u32,
    /// The first of them, in order.
    pub first: Vec<PlannedMove>,
    /// Rented nodes that would be empty and could be given back.
    pub frees: Vec<Name>,
    /// What the rented nodes in use cost an hour now.
    pub cost_before: Money,
    /// What they would cost.
    pub cost_after: Money,
    /// In a sentence.
    pub summary: String,
}

/// A few moves, carried out by one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RebalanceStep {
    /// The plan.
    pub plan: PlanId,
    /// When it was made.
    pub started_at: Timestamp,
    /// When it was verified or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What moves.
    pub moves: Vec<PlannedMove>,
    /// What the rented nodes in use cost an hour before.
    pub cost_before: Money,
    /// What they should cost after.
    pub cost_expected: Money,
    /// What they do cost after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_after: Option<Money>,
    /// How it ended.
    #[serde(default)]
    pub outcome: Outcome,
    /// In a sentence.
    #[serde(default)]
    pub message: String,
}
