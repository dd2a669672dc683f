//! The timeline: who did what to what, why, and what changed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EventId, Key, Kind, Name, PlanId, Timestamp};

/// Who acted: `token:alice`, `agent:edge-1`, `reconciler:placement`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// A person or program, by the name of its token.
    pub fn token(name: &str) -> Self {
        Self(format!("token:{name}"))
    }
    /// The agent of a node.
    pub fn agent(node: &Name) -> Self {
        Self(format!("agent:{node}"))
    }
    /// A reconciler.
    pub fn reconciler(name: &str) -> Self {
        Self(format!("reconciler:{name}"))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an entry is about. Like [`Key`], and also names one replica where that matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// Its project.
    pub project: Name,
    /// Its name.
    pub name: Name,
    /// Which replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
}

impl From<Key> for Subject {
    fn from(key: Key) -> Self {
        Self { kind: key.kind, project: key.project, name: key.name, replica: None }
    }
}

impl From<crate::ReplicaName> for Subject {
    fn from(replica: crate::ReplicaName) -> Self {
        let crate::ReplicaName { kind, project, name, ordinal } = replica;
        Self { kind, project, name, replica: Some(ordinal) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Key { kind: self.kind, project: self.project.clone(), name: self.name.clone() };
        match self.replica {
            Some(ordinal) => write!(f, "{key}-{ordinal}"),
            None => key.fmt(f),
        }
    }
}

/// What was done or happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    // People and programs.
    /// An object was made or changed.
    Apply,
    /// An object was deleted.
    Delete,
    /// A token was made.
    TokenCreate,
    /// A token was revoked.
    TokenRevoke,
    /// An incident was acknowledged.
    IncidentAcknowledge,
    /// An incident was resolved.
    IncidentResolve,
    // Control plane.
    /// A plan was made.
    Plan,
    /// A plan was carried out.
    PlanExecute,
    /// Rebalancing advised, began or ended a step.
    Rebalance,
    /// An agent joined.
    NodeJoin,
    /// A node's lease ran out.
    NodeLost,
    /// A lost node reports again.
    NodeReturn,
    /// An incident was opened.
    IncidentOpen,
    /// A webhook was told.
    Notify,
    // Agent.
    /// A process was started.
    Start,
    /// A process was taken over from an earlier run of the agent.
    Adopt,
    /// A process was asked to end.
    Stop,
    /// A process ended.
    Exit,
    /// A replica became healthy.
    Healthy,
    /// A replica became unhealthy.
    Unhealthy,
    /// A replica crashes too often.
    CrashLoop,
    /// A repair step: its precondition was looked at.
    RepairCheck,
    /// A repair step acted.
    RepairAct,
    /// A repair step was verified, or was not.
    RepairVerify,
    /// A repair step was undone.
    RepairRollback,
    /// Repair did not help; a person is needed.
    Escalate,
    /// The agent lost or found its server.
    Link,
    /// The agent's disk queue dropped its oldest data.
    SpoolDrop,
    /// The machine's clock jumped.
    ClockStep,
}

impl Act {
    /// `node_lost`, …: the word used on the wire and in SQL.
    pub fn as_str(self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(word)) => word,
            _ => String::new(),
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As meant.
    #[default]
    Ok,
    /// Not as meant.
    Failed,
    /// Not done, for the reason given.
    Skipped,
}

/// One line of the record. Never changed once written; a re-sent entry with a known id is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TimelineEntry {
    /// Its id.
    pub id: EventId,
    /// When it happened, by the clock of who reports it.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub act: Act,
    /// To what.
    pub subject: Subject,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// Because of which plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// Why, in a sentence.
    pub reason: String,
    /// How it ended.
    #[serde(default)]
    pub outcome: Outcome,
    /// What was before, where something changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What is after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}
