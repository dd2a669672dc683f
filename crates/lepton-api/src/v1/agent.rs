//! Agents and their server. Agents always dial; the server only answers.

use lepton_model::{
    AssignmentSpec, Condition, Facts, Labels, Name, Period, ReplicaName, ReplicaReport, Resources,
    TimelineEntry, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/agents/join`, with a join token: makes this machine a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinInput {
    /// The node's name; made from the host name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Labels of the node: `cloud`, `region`, `zone`, …
    #[serde(default)]
    pub labels: Labels,
    /// What the machine is.
    pub facts: Facts,
    /// What the machine has.
    pub capacity: Resources,
}

/// Answer to [`JoinInput`]. The join token is used up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JoinReport {
    /// The node's name.
    pub node: Name,
    /// The agent's own credential. Shown this once.
    pub token: String,
    /// Without contact for this long, the node is lost.
    pub lease: Period,
}

/// `GET /v1/agents/{node}/assignment?generation=&streams=&wait=`: the wanted state, as soon as it differs
/// from what the agent has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AssignmentReport {
    /// Generation of the assignment; 0 when there is none yet.
    pub generation: u64,
    /// The assignment; absent when the agent has this generation already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<AssignmentSpec>,
    /// Logs that somebody wants to read now: the whole list.
    #[serde(default)]
    pub streams: Vec<LogRequest>,
    /// Version of `streams`, to be sent back in the next request.
    pub streams_version: u64,
    /// The server's clock.
    pub now: Timestamp,
    /// Without contact for this long, the node is lost.
    pub lease: Period,
}

/// A wish to read a replica's output. The agent answers with `POST /v1/agents/{node}/streams/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogRequest {
    /// Names the answer.
    pub id: u64,
    /// Whose output.
    pub replica: ReplicaName,
    /// Lines from the end to begin with.
    pub tail: u32,
    /// Whether to go on with what is written later.
    pub follow: bool,
}

/// `PUT /v1/agents/{node}/status`: the whole observed state of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentStatusInput {
    /// Generation of the assignment that the agent obeys.
    pub generation: u64,
    /// What the machine is.
    pub facts: Facts,
    /// What the machine has.
    pub capacity: Resources,
    /// Every replica the agent knows, assigned or still ending.
    pub replicas: Vec<ReplicaReport>,
    /// TCP ports below 32768 on which something that is not a replica listens, in order, at most 1,000.
    #[serde(default)]
    pub ports_taken: Vec<u16>,
    /// What a person should know.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The agent's clock.
    pub now: Timestamp,
}

/// `POST /v1/agents/{node}/events`: what happened on a node. Safe to send again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsInput {
    /// In the order they happened, at most 1,000.
    pub entries: Vec<TimelineEntry>,
}

/// Answer to [`EventsInput`], once all are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsReport {
    /// Entries that were new.
    pub accepted: usize,
    /// Entries that were on the record already.
    pub known: usize,
}
