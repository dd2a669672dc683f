//! Jobs: programs that should run to their end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::process::{validate_command, validate_env, validate_stop_and_logs};
use crate::service::MAX_REPLICAS;
use crate::{
    FieldErrors, Kind, LogPolicy, Period, Placement, ReplicaReport, Resources, Spec, StopPolicy, Timestamp,
};

/// A program that should end with exit code 0, `completions` times side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Copies, told apart by `LEPTON_ORDINAL`; 1 by default.
    #[serde(default = "one")]
    pub completions: u32,
    /// Starts of each copy before the job has failed; 3 by default.
    #[serde(default = "three")]
    pub attempts: u32,
    /// Each attempt is stopped after this time; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Period>,
    /// As for services.
    #[serde(default)]
    pub priority: i32,
    /// Program and arguments. No shell is put between.
    pub command: Vec<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Working folder; the copy's own data folder when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// User to run as; the agent's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What is set aside for each copy when placing it.
    #[serde(default)]
    pub resources: Resources,
    /// What each copy may use at most.
    #[serde(default)]
    pub limits: Resources,
    /// Where copies may run.
    #[serde(default)]
    pub placement: Placement,
    /// How it is stopped.
    #[serde(default)]
    pub stop: StopPolicy,
    /// How much output is kept.
    #[serde(default)]
    pub logs: LogPolicy,
}

fn one() -> u32 {
    1
}
fn three() -> u32 {
    3
}

impl Spec for JobSpec {
    const KIND: Kind = Kind::Job;
    type Status = JobStatus;

    fn validate(&self, errors: &mut FieldErrors) {
        errors.require(
            (1..=MAX_REPLICAS).contains(&self.completions),
            "spec.completions",
            format!("must be 1 to {MAX_REPLICAS}"),
        );
        errors.require((1..=100).contains(&self.attempts), "spec.attempts", "must be 1 to 100");
        errors.require(
            (-1_000..=1_000).contains(&self.priority),
            "spec.priority",
            "must be between -1000 and 1000",
        );
        if let Some(deadline) = self.deadline {
            errors.require(deadline >= Period::from_millis(100), "spec.deadline", "must be at least 100ms");
        }
        validate_command(&self.command, "spec.command", errors);
        validate_env(&self.env, errors);
        validate_stop_and_logs(&self.stop, &self.logs, errors);
    }
}

/// A job's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum JobPhase {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
}

/// What is observed of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct JobStatus {
    /// In one word.
    pub phase: JobPhase,
    /// Generation of the spec that this status speaks of.
    pub observed_generation: u64,
    /// Copies that ended well.
    pub succeeded: u32,
    /// Copies that used up their attempts.
    pub failed: u32,
    /// When the last copy ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Every copy that is assigned or reported.
    pub replicas: Vec<ReplicaReport>,
    /// Why it is not placed, or why it failed.
    pub message: String,
}
