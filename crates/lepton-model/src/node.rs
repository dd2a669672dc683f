//! Nodes: machines with an agent.

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Kind, Money, Resources, Spec, Timestamp};

/// What its owner wants of a node. Made by the agent's joining; people edit it to cordon the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSpec {
    /// When true, nothing new is placed here; what runs stays.
    pub cordoned: bool,
    /// When true, what runs here is moved away, and nothing new is placed.
    pub draining: bool,
    /// Kept free for the machine's own needs.
    pub reserved: Resources,
    /// What it costs an hour. Absent, its offer in the catalog tells, by the labels `cloud`, `region`, `instance_type`, and
    /// `zone` and `market` where they matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
}

impl Spec for NodeSpec {
    const KIND: Kind = Kind::Node;
    type Status = NodeStatus;
    fn validate(&self, errors: &mut FieldErrors) {
        errors.require(
            self.price.is_none_or(|price| !price.amount.is_sign_negative()),
            "spec.price.amount",
            "must not be negative",
        );
    }
}

/// A node's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodePhase {
    /// Has joined, has not reported yet.
    #[default]
    Joining,
    /// Reports within its lease.
    Ready,
    /// Its lease has run out.
    Lost,
}

impl NodePhase {
    /// `ready`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Ready => "ready",
            Self::Lost => "lost",
        }
    }
}

/// What a machine is, as its agent found it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Facts {
    /// Host name.
    pub hostname: String,
    /// Operating system and release: `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// `x86_64`, `aarch64`, …
    pub architecture: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// Changes at every boot.
    pub boot_id: String,
    /// `v1`, `v2`, `hybrid` or `none`: where limits are applied.
    pub cgroups: String,
    /// Version of the agent.
    pub agent_version: String,
}

/// Something about a node that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Condition {
    /// What: `disk_pressure`, `spool_full`, `clock_skew`, …
    pub name: String,
    /// In a sentence.
    pub message: String,
}

/// What is observed of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct NodeStatus {
    /// In one word.
    pub phase: NodePhase,
    /// When it became so.
    pub since: Timestamp,
    /// Last contact, as of the last stored change of this status.
    pub last_seen: Timestamp,
    /// What the machine has.
    pub capacity: Resources,
    /// What it is.
    pub facts: Facts,
    /// Generation of the assignment it obeys.
    pub assignment_generation: u64,
    /// TCP ports on which something that is not a replica listens; no replica is given one of them.
    pub ports_taken: Vec<u16>,
    /// What a person should know.
    pub conditions: Vec<Condition>,
}
