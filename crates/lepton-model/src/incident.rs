//! Incidents: what Lepton could not mend alone.

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Kind, Name, Spec, Subject, Timestamp};

/// How urgent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    #[default]
    Warning,
    Critical,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IncidentSpec {
    /// What it is about. One open incident per subject and cause.
    pub subject: Subject,
    /// Where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// A stable word for the kind of trouble: `repair_exhausted`, `crash_loop`, `node_lost`, …
    pub cause: String,
    /// In a sentence.
    pub title: String,
    /// What was seen and tried, a line each.
    pub details: Vec<String>,
    /// How urgent.
    pub severity: Severity,
    /// When it began.
    pub opened_at: Timestamp,
}

impl Spec for IncidentSpec {
    const KIND: Kind = Kind::Incident;
    type Status = IncidentStatus;
    fn validate(&self, _: &mut FieldErrors) {}
}

/// Where an incident is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentPhase {
    /// Nobody has looked yet.
    #[default]
    Open,
    /// Somebody has it in hand.
    Acknowledged,
    /// Over.
    Resolved,
}

impl IncidentPhase {
    /// `open`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// What has been done about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct IncidentStatus {
    /// In one word.
    pub phase: IncidentPhase,
    /// Who acknowledged or resolved it last; `lepton` when it mended itself.
    pub by: String,
    /// When that was.
    pub at: Timestamp,
    /// Their words.
    pub note: String,
    /// Webhooks that have been told it is open.
    pub notified: Vec<Name>,
    /// Webhooks that have been told it is over.
    pub notified_resolved: Vec<Name>,
}
