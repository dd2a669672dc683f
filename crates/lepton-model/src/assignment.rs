//! Everything one node should run: the whole wanted state, with a generation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Check, FieldErrors, Kind, LogPolicy, Name, PartitionPolicy, Period, PlanId, RepairStep, ReplicaName,
    Resources, RestartPolicy, RunbookSpec, Spec, StopPolicy,
};

/// The wanted state of one node. Its object's generation only grows; an agent refuses an older one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AssignmentSpec {
    /// What runs here.
    pub replicas: Vec<AssignedReplica>,
    /// The runbooks that the replicas' ladders name, by `project/name`.
    pub runbooks: BTreeMap<String, RunbookSpec>,
    /// The plan that made this generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
}

impl Spec for AssignmentSpec {
    const KIND: Kind = Kind::Assignment;
    type Status = AssignmentStatus;
    fn validate(&self, _: &mut FieldErrors) {}
}

/// What the agent says of its assignment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct AssignmentStatus {
    /// The generation the agent obeys.
    pub observed_generation: u64,
}

/// One replica on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignedReplica {
    /// Which.
    pub replica: ReplicaName,
    /// Fencing number of this placement; grows each time the replica is placed anew.
    pub incarnation: u64,
    /// Generation of the service or job that `spec` was made from.
    pub generation: u64,
    /// Numbers of its ports, by name; fixed or chosen by the planner.
    #[serde(default)]
    pub ports: BTreeMap<Name, u16>,
    /// How it runs.
    pub spec: ReplicaSpec,
}

/// Whether a replica should always run or run to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RunKind {
    /// A service's.
    Service {
        /// How it comes back when it ended.
        restart: RestartPolicy,
        /// Time to become healthy before failing checks count.
        startup: Period,
        /// What is done when it is unhealthy, in order.
        repair: Vec<RepairStep>,
        /// What happens when the node is cut off.
        partition: PartitionPolicy,
    },
    /// A job's.
    Job {
        /// Starts before it has failed.
        attempts: u32,
        /// Each attempt is stopped after this time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Period>,
    },
}

/// How one replica runs: what an agent needs to know of its service or job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicaSpec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// User to run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Names of its ports, in the service's order; the first one's number is also in `PORT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Name>,
    /// What it may use at most.
    #[serde(default)]
    pub limits: Resources,
    /// Health checks.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// How it is stopped.
    #[serde(default)]
    pub stop: StopPolicy,
    /// How much output is kept.
    #[serde(default)]
    pub logs: LogPolicy,
    /// Service or job.
    pub run: RunKind,
}
