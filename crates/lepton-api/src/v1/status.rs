//! The estate and the server in a few numbers; backups.

use std::collections::BTreeMap;

use lepton_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a reconciler is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReconcilerState {
    /// Has not run yet.
    Waiting,
    /// Its last run ended well.
    Ok,
    /// Its last run failed; it runs again.
    Failing,
    /// Another server runs it.
    Standby,
}

/// `GET /v1/reconcilers`: one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReconcilerReport {
    /// Its name: `placement`, `health`, …
    pub name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Where it is.
    pub state: ReconcilerState,
    /// Runs since the server started.
    pub runs: u64,
    /// Failed runs since the server started.
    pub failures: u64,
    /// Start of the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Timestamp>,
    /// Length of the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_duration_ms: Option<f64>,
    /// What it did, in a sentence; or why it failed.
    #[serde(default)]
    pub last_message: String,
}

/// `GET /v1/status`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EstateReport {
    /// Version of the server.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// The server's clock.
    pub now: Timestamp,
    /// Nodes by phase.
    pub nodes: BTreeMap<String, u64>,
    /// Services by phase.
    pub services: BTreeMap<String, u64>,
    /// Jobs by phase.
    pub jobs: BTreeMap<String, u64>,
    /// What rebalancing advises, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Incidents that are not resolved.
    pub open_incidents: u64,
    /// Samples taken since the server started.
    pub samples_accepted: u64,
    /// Series that have samples in memory.
    pub active_series: u64,
    /// Store revision.
    pub revision: u64,
    /// The reconcilers.
    pub reconcilers: Vec<ReconcilerReport>,
}

/// Answer to `POST /v1/backup`: a consistent copy in the server's own backup folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackupOutput {
    /// Its name.
    pub name: Name,
    /// Where it lies on the server.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Store revision of the copy.
    pub revision: u64,
    /// SHA-256 of the store's copy, in hexadecimal; every file's is in the backup's `MANIFEST.json`.
    pub sha256: String,
}
