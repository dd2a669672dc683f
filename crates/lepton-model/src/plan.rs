//! Plans: immutable decisions with a parent, typed actions, and a reason for everything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Kind, Money, Name, Object, PlanId, ReplicaName, Spec, Timestamp};

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
    /// Change of the estate's running cost per hour, where prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_hour: Option<Money>,
    /// The largest risk among its actions.
    pub risk: Risk,
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
    pub runner_up: Option<String>,
    /// How much can go wrong.
    pub risk: Risk,
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
