//! `POST|GET /v1/tokens`, `DELETE /v1/tokens/{id}`

use lepton_model::{Name, Period, Role, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wish for a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenInput {
    /// Whom or what it is for; the actor `token:NAME` on the timeline.
    pub name: Name,
    /// `viewer`, `operator`, `admin` or `join`.
    pub role: Role,
    /// Only in this project; in all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// How long it is accepted; 90 days when absent, an hour for `join`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Period>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// A token as it is listed: everything but its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenReport {
    /// Its id.
    pub id: TokenId,
    /// Whom or what it is for.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// Only in this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// The node of an agent's credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Not accepted from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, or when a join token was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// A new token, with the secret that is shown this once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenSecret {
    /// What was made.
    #[serde(flatten)]
    pub token: TokenReport,
    /// The secret.
    pub secret: String,
}
