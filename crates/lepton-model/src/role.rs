//! Who may do what: roles and tokens.

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Kind, Name, Spec, Timestamp};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, and write objects and incidents.
    Operator,
    /// Everything, tokens and nodes too.
    Admin,
    /// What one agent needs: its own assignment, status, events, telemetry.
    Agent,
    /// Join one agent; then it is used up.
    Join,
}

impl Role {
    /// `viewer`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Join => "join",
        }
    }
}

/// A credential. The secret itself is shown once and never stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenSpec {
    /// Whom or what it is for; the actor `token:NAME` on the timeline. Not unique: the object's own name is the token's id.
    pub name: Name,
    /// SHA-256 of the secret, in hexadecimal.
    pub hash: String,
    /// What it may do.
    pub role: Role,
    /// Only in this project; in all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// The node of an agent's credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// Not accepted from then on; never expires when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

impl Spec for TokenSpec {
    const KIND: Kind = Kind::Token;
    type Status = TokenStatus;
    fn validate(&self, _: &mut FieldErrors) {}
}

/// What became of a token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct TokenStatus {
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When a join token was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}
