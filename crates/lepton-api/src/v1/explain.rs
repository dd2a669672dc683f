//! `GET /v1/explain/{kind}/{name}?project=`: why something is as it is.

use lepton_model::{AnyObject, PlanId, ReplicaReport, RunnerUp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TimelineRow;

/// Why something is as it is, told from plans, reports and the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainReport {
    /// The object.
    pub object: AnyObject,
    /// Its state and the cause, in a sentence.
    pub summary: String,
    /// Each replica: where and why there.
    pub replicas: Vec<ReplicaExplanation>,
    /// What could not be done, and why.
    pub problems: Vec<String>,
    /// What happened to it last, oldest first.
    pub timeline: Vec<TimelineRow>,
}

/// One replica's story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaExplanation {
    /// As last reported.
    pub report: ReplicaReport,
    /// Why it is on its node, in the words of the plan that put it there.
    pub placed_because: String,
    /// The second-best node and why it lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<RunnerUp>,
    /// That plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
}
