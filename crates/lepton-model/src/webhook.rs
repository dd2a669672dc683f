//! Webhooks: addresses that are told of incidents.

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, Kind, NoStatus, Severity, Spec};

/// Status of a webhook: none is kept; deliveries are on the timeline.
pub type WebhookStatus = NoStatus;

/// What a webhook is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// An incident was opened.
    IncidentOpened,
    /// An incident is over.
    IncidentResolved,
}

/// An address that gets a POST with JSON for every incident of its project and of the estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// `http://` or `https://` address.
    pub url: String,
    /// What it is told of; everything when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<WebhookEvent>,
    /// Less urgent incidents are not sent.
    #[serde(default)]
    pub least_severity: Severity,
    /// File in the `secrets` folder of the server's data that holds the key; the body's HMAC-SHA256 is then sent in `X-Lepton-Signature: sha256=…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
}

impl Spec for WebhookSpec {
    const KIND: Kind = Kind::Webhook;
    type Status = WebhookStatus;

    fn validate(&self, errors: &mut FieldErrors) {
        let sound = ["http://", "https://"].iter().any(|scheme| {
            self.url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        });
        errors.require(
            sound && self.url.len() <= 2_048,
            "spec.url",
            "must be an http:// or https:// address of at most 2048 characters",
        );
    }
}
