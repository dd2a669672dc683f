//! One running copy of a service or job, as its agent reports it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Kind, Name, Timestamp};

/// Which copy of which service or job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplicaName {
    /// Service or job.
    pub kind: Kind,
    /// Its project.
    pub project: Name,
    /// The service's or job's name.
    pub name: Name,
    /// 0, 1, 2, …
    pub ordinal: u32,
}

impl fmt::Display for ReplicaName {
    /// `default/shop-0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}-{}", self.project, self.name, self.ordinal)
    }
}

/// Where a replica is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaPhase {
    /// Assigned; its agent has not reported it yet.
    #[default]
    Assigned,
    /// Its process runs; not yet healthy.
    Starting,
    /// Runs and is healthy.
    Running,
    /// Runs, but its checks fail.
    Unhealthy,
    /// Ended; waits for its next start.
    BackingOff,
    /// Ended too often within the window of its policy; still retried at the longest back-off.
    CrashLooping,
    /// Has been asked to end.
    Stopping,
    /// Ended with exit code 0 and is not started again.
    Succeeded,
    /// Ended and is not started again.
    Failed,
    /// Its node's lease has run out.
    Lost,
}

impl ReplicaPhase {
    /// `running`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Unhealthy => "unhealthy",
            Self::BackingOff => "backing_off",
            Self::CrashLooping => "crash_looping",
            Self::Stopping => "stopping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExitReport {
    /// Exit code, when it exited by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Signal number, when one ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether the kernel's out-of-memory killer did it.
    #[serde(default)]
    pub out_of_memory: bool,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for ExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (_, Some(signal)) => write!(f, "killed by signal {signal}")?,
            (Some(code), None) => write!(f, "exit code {code}")?,
            (None, None) => f.write_str("ended while no agent watched")?,
        }
        if self.out_of_memory { f.write_str(" (out of memory)") } else { Ok(()) }
    }
}

/// The last result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CheckReport {
    /// The check.
    pub name: Name,
    /// After thresholds.
    pub healthy: bool,
    /// What the last probe saw: `200 OK in 3 ms`, `connection refused`, …
    pub message: String,
    /// When it was last probed.
    pub at: Timestamp,
}

/// The state of one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplicaReport {
    /// Which.
    #[serde(flatten)]
    pub replica: ReplicaName,
    /// Fencing number of this placement; a later placement of the same replica has a higher one.
    pub incarnation: u64,
    /// Generation of the service or job that this copy runs.
    pub generation: u64,
    /// Its node.
    pub node: Name,
    /// Where it is in its life.
    pub phase: ReplicaPhase,
    /// Process id on its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Start of the current process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Restarts since it was placed.
    #[serde(default)]
    pub restarts: u32,
    /// How the last process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<ExitReport>,
    /// Numbers of its ports, by name.
    #[serde(default)]
    pub ports: BTreeMap<Name, u16>,
    /// Results of its checks.
    #[serde(default)]
    pub checks: Vec<CheckReport>,
    /// What a person should know: why it waits, which limits could not be applied.
    #[serde(default)]
    pub message: String,
}
