//! Errors on the wire: RFC 9457 problem details.

use lepton_model::FieldError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `application/problem+json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable identifier of the kind of problem: `urn:lepton:problem:conflict`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind, in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// What is wrong, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The request's id, as in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// Media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";
}
