//! The contract for foreign agents and scripts: `POST /usage` and `GET /service-status/{name}`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /usage`: one machine's load, as a script sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageInput {
    /// Percent, 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub cpu_usage: f64,
    /// Percent, 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub memory_usage: f64,
    /// Percent, 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub disk_usage: f64,
    /// Bytes sent and received.
    #[schema(minimum = 0)]
    pub network_usage: f64,
}

/// `GET /service-status/{name}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceStatusReport {
    /// `running`, `starting`, `degraded`, `failed`, `pending` or `stopped`.
    pub status: String,
}
