//! Services: programs that should always run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::process::{validate_command, validate_env, validate_restart, validate_stop_and_logs};
use crate::{
    Check, FieldErrors, Kind, LogPolicy, Name, Period, RepairStep, ReplicaReport, Resources, RestartPolicy,
    Selector, Spec, StopPolicy,
};

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Unique within the service; the program finds the number in `PORT_<NAME>` (and the first one in `PORT`).
    pub name: Name,
    /// A fixed number, which allows one replica per node; absent, the planner chooses a free one on each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Where replicas may run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Placement {
    /// Only nodes whose labels match. Every node also has the label `node`, its name.
    pub selector: Selector,
    /// How replicas are spread.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
}

/// Spreads the replicas of a service over the values of a label: over nodes, zones or clouds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The label: `node`, `zone`, `cloud`, …
    pub by: String,
    /// Largest allowed difference between the fullest and the emptiest value; 1 by default.
    #[serde(default = "default_skew")]
    pub max_skew: u32,
    /// When true, a replica that would break the spread is not placed; otherwise spread is only preferred.
    #[serde(default)]
    pub required: bool,
}

fn default_skew() -> u32 {
    1
}

/// How a changed service reaches its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rollout {
    /// Replicas that may be down at once while a change rolls out; 1 by default.
    pub max_unavailable: u32,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { max_unavailable: 1 }
    }
}

/// What a replica does once its node has lost the server for longer than its lease, so that a second copy may be started elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionPolicy {
    /// Keep running: available on both sides of a cut, and for its length perhaps twice.
    #[default]
    Keep,
    /// Stop before the lease runs out: never twice, and gone from the side that was cut off.
    Stop,
}

/// A program that should always run, as many times as asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// How many; 1 by default, 0 stops it.
    #[serde(default = "default_replicas")]
    pub replicas: u32,
    /// Placed first and displaced last; −1000 to 1000, 0 by default.
    #[serde(default)]
    pub priority: i32,
    /// Program and arguments. No shell is put between.
    pub command: Vec<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Working folder; the replica's own data folder when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// User to run as; the agent's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Ports it listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// What is set aside for each replica when placing it.
    #[serde(default)]
    pub resources: Resources,
    /// What each replica may use at most; enforced by cgroups where the node permits.
    #[serde(default)]
    pub limits: Resources,
    /// Where replicas may run.
    #[serde(default)]
    pub placement: Placement,
    /// Health checks. Without any, a replica is healthy while its process lives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Time a new replica has to become healthy before failing checks count; 30 s by default.
    #[serde(default = "default_startup")]
    pub startup: Period,
    /// How it is stopped.
    #[serde(default)]
    pub stop: StopPolicy,
    /// How it comes back when it ended.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// What is done when it is unhealthy, in order.
    #[serde(default = "RepairStep::default_ladder")]
    pub repair: Vec<RepairStep>,
    /// How changes reach the replicas.
    #[serde(default)]
    pub rollout: Rollout,
    /// What happens on a node that is cut off.
    #[serde(default)]
    pub partition: PartitionPolicy,
    /// How much output is kept.
    #[serde(default)]
    pub logs: LogPolicy,
}

fn default_replicas() -> u32 {
    1
}
fn default_startup() -> Period {
    Period::from_secs(30)
}

/// Most replicas of one service or job.
pub(crate) const MAX_REPLICAS: u32 = 10_000;

impl Spec for ServiceSpec {
    const KIND: Kind = Kind::Service;
    type Status = ServiceStatus;

    fn validate(&self, errors: &mut FieldErrors) {
        errors.require(
            self.replicas <= MAX_REPLICAS,
            "spec.replicas",
            format!("must be at most {MAX_REPLICAS}"),
        );
        errors.require(
            (-1_000..=1_000).contains(&self.priority),
            "spec.priority",
            "must be between -1000 and 1000",
        );
        validate_command(&self.command, "spec.command", errors);
        validate_env(&self.env, errors);
        for (n, port) in self.ports.iter().enumerate() {
            errors.require(
                port.port != Some(0),
                format!("spec.ports[{n}].port"),
                "must be 1 to 65535; leave it out to have one chosen",
            );
            let twice = self
                .ports
                .iter()
                .take(n)
                .any(|p| p.name == port.name || (p.port.is_some() && p.port == port.port));
            errors.require(
                !twice,
                format!("spec.ports[{n}]"),
                "repeats the name or number of an earlier port",
            );
        }
        for (n, check) in self.checks.iter().enumerate() {
            let at = format!("spec.checks[{n}]");
            check.validate(&at, errors);
            let twice = self.checks.iter().take(n).any(|c| c.name == check.name);
            errors.require(!twice, format!("{at}.name"), "repeats the name of an earlier check");
            if let Some(port) = check.port()
                && !self.ports.iter().any(|p| p.name == *port)
            {
                let known: Vec<_> = self.ports.iter().map(|p| p.name.as_str()).collect();
                errors.push(
                    format!("{at}.probe"),
                    format!("names port {port:?}, but spec.ports has {known:?}"),
                );
            }
        }
        for (n, spread) in self.placement.spread.iter().enumerate() {
            errors.require(
                !spread.by.is_empty(),
                format!("spec.placement.spread[{n}].by"),
                "must name a label, such as zone",
            );
            errors.require(
                spread.max_skew >= 1,
                format!("spec.placement.spread[{n}].max_skew"),
                "must be at least 1",
            );
        }
        for (n, step) in self.repair.iter().enumerate() {
            step.validate(&format!("spec.repair[{n}]"), errors);
        }
        errors.require(self.ports.len() <= 32, "spec.ports", "may have at most 32 ports");
        errors.require(self.checks.len() <= 32, "spec.checks", "may have at most 32 checks");
        errors.require(self.repair.len() <= 16, "spec.repair", "may have at most 16 steps");
        errors.require(
            self.rollout.max_unavailable >= 1,
            "spec.rollout.max_unavailable",
            "must be at least 1",
        );
        validate_restart(&self.restart, errors);
        validate_stop_and_logs(&self.stop, &self.logs, errors);
    }
}

/// A service's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServicePhase {
    /// No replica runs yet.
    #[default]
    Pending,
    /// Replicas are starting, and none has failed.
    Starting,
    /// Every wanted replica runs and is healthy.
    Running,
    /// Some replicas are healthy, fewer than wanted.
    Degraded,
    /// No replica is healthy, and at least one should be.
    Failed,
    /// None is wanted and none runs.
    Stopped,
}

impl ServicePhase {
    /// `running`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// What is observed of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct ServiceStatus {
    /// In one word.
    pub phase: ServicePhase,
    /// Generation of the spec that this status speaks of.
    pub observed_generation: u64,
    /// Replicas assigned to a node.
    pub placed: u32,
    /// Replicas that run and are healthy.
    pub ready: u32,
    /// Every replica that is assigned or still reported.
    pub replicas: Vec<ReplicaReport>,
    /// Why not everything is placed or healthy; empty when all is well.
    pub message: String,
}
