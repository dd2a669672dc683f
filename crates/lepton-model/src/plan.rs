//! Plans: immutable decisions with a parent, typed actions, and a reason for everything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Currency, FieldErrors, Kind, Money, Name, Object, Period, PlanId, ReplicaName, Spec, Strategy, Timestamp,
};

/// How much can go wrong with an action.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Nothing that runs is touched, or it is trivially undone.
    #[default]
    Low,
    /// A replica is interrupted; others carry on.
    Medium,
    /// Users may notice.
    High,
}

/// A plan, as stored.
pub type Plan = Object<PlanSpec>;

/// A decision: what should change, why, and what could not be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlanSpec {
    /// Its id, also its object's name.
    pub id: PlanId,
    /// The plan it continues from; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<PlanId>,
    /// Store revision of the snapshot it was made from.
    pub snapshot: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// Why anything changes at all: `service default/shop changed`, `node edge-1 was lost`, …
    pub reason: String,
    /// What is to be done, in order.
    pub actions: Vec<Action>,
    /// What was wanted and cannot be.
    pub unplaced: Vec<Unplaced>,
    /// Change of what the rented nodes in use cost an hour, where prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_hour: Option<Money>,
    /// The largest risk among its actions.
    pub risk: Risk,
    /// How good it is, and what it was weighed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<PlanReport>,
}

impl Spec for PlanSpec {
    const KIND: Kind = Kind::Plan;
    type Status = PlanStatus;
    fn validate(&self, _: &mut FieldErrors) {}
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Action {
    /// The replica it is about.
    pub replica: ReplicaName,
    /// What is done.
    pub kind: ActionKind,
    /// Why, in a sentence a person can act on.
    pub reason: String,
    /// The second-best choice and why it lost, where there was a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<RunnerUp>,
    /// How much can go wrong.
    pub risk: Risk,
}

/// The second-best node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunnerUp {
    /// Which.
    pub node: String,
    /// What it would have cost more, by term.
    pub costs_more: Terms,
    /// The term that decided, in words.
    pub why: String,
}

impl std::fmt::Display for RunnerUp {
    /// `edge-2: costs 0.0300 more over the horizon (0.0280 load, 0.0020 moving)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let terms = self.costs_more.named().into_iter().filter(|(_, amount)| amount.abs() >= 0.00005);
        let terms: Vec<_> = terms.map(|(name, amount)| format!("{amount:.4} {name}")).collect();
        if terms.is_empty() {
            return write!(f, "{}: {}", self.node, self.why);
        }
        let total = self.costs_more.total();
        write!(f, "{}: costs {total:.4} more over the horizon ({})", self.node, terms.join(", "))
    }
}

/// The scheduler's objective by term: money over the horizon, each term weighed by the strategy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Terms {
    /// Machines.
    pub machines: f64,
    /// Data leaving regions.
    pub egress: f64,
    /// Uneven load.
    pub balance: f64,
    /// Wishes not granted and optional spread broken.
    pub wishes: f64,
    /// Moves.
    pub moves: f64,
}

impl Terms {
    /// Each with its name, as people are told.
    pub const fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("machines", self.machines),
            ("egress", self.egress),
            ("load", self.balance),
            ("wishes and spread", self.wishes),
            ("moving", self.moves),
        ]
    }

    /// Their sum.
    pub fn total(&self) -> f64 {
        self.named().into_iter().map(|(_, amount)| amount).sum()
    }
}

/// How good a plan is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlanReport {
    /// What "better" meant.
    pub strategy: Strategy,
    /// How long what is saved is believed to last.
    pub horizon: Period,
    /// Currency of every figure here.
    pub currency: Currency,
    /// The objective of leaving everything as it was.
    pub before: Terms,
    /// The objective of what the scheduler aims at.
    pub objective: Terms,
    /// No placement of the same replicas has a lower total.
    pub lower_bound: f64,
    /// How far the total is above the bound, as a share of it; absent when the bound is 0 and the total is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<f64>,
    /// Moves of running replicas in an order in which none overloads a node; those of this plan come first.
    pub moves: Vec<PlannedMove>,
    /// What the rented nodes in use cost an hour before.
    pub cost_before: Money,
    /// What they cost after this plan.
    pub cost_after: Money,
    /// What they cost once every move is done.
    pub cost_aim: Money,
    /// Rented nodes that hold nothing once every move is done.
    pub idle: Vec<Name>,
    /// Ready nodes that no price is known of.
    pub unpriced: u32,
}

/// A running replica changes nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlannedMove {
    /// Which.
    pub replica: ReplicaName,
    /// Where it leaves.
    pub from: Name,
    /// Where it goes.
    pub to: Name,
    /// Why.
    pub why: String,
}

/// What an action does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Run it on a node.
    Start {
        /// Where.
        node: Name,
        /// Fencing number of this placement.
        incarnation: u64,
        /// Generation of the service or job to run.
        generation: u64,
        /// Its ports there.
        ports: BTreeMap<Name, u16>,
    },
    /// Take it off a node.
    Stop {
        /// Where from.
        node: Name,
    },
    /// Replace it by a newer generation where it is.
    Update {
        /// Where.
        node: Name,
        /// Generation of the service or job to run from now on.
        generation: u64,
        /// Its ports.
        ports: BTreeMap<Name, u16>,
    },
}

impl ActionKind {
    /// The node it happens on.
    pub fn node(&self) -> &Name {
        let (Self::Start { node, .. } | Self::Stop { node } | Self::Update { node, .. }) = self;
        node
    }

    /// `start`, `stop` or `update`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Update { .. } => "update",
        }
    }
}

/// A replica that could not be placed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Unplaced {
    /// Which.
    pub replica: ReplicaName,
    /// `0 of 3 nodes fit: 2 short of cpu, 1 cordoned; nearest: edge-1 lacks 500m cpu`.
    pub reason: String,
}

/// Where a plan is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanPhase {
    /// Made, not carried out yet.
    #[default]
    Pending,
    /// Its actions are in the assignments.
    Executed,
    /// The world had changed before it was carried out; a later plan takes its place.
    Superseded,
}

/// What became of a plan. The spec never changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct PlanStatus {
    /// In one word.
    pub phase: PlanPhase,
    /// When it became so.
    pub at: Timestamp,
    /// Why, when superseded.
    pub message: String,
}
