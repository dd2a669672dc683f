//! Refusals. A handler returns a [`Fail`]; the outermost layer writes it as `application/problem+json` with the
//! request's id.

use std::fmt::Display;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lepton_lake::{AppendError, LakeError};
use lepton_model::{FieldError, FieldErrors};
use lepton_store::StoreError;

/// Why a request is not done.
#[derive(Debug, Clone)]
pub(crate) struct Fail {
    pub status: StatusCode,
    /// Last part of the problem's type: `urn:lepton:problem:KIND`.
    pub kind: &'static str,
    pub detail: String,
    pub errors: Vec<FieldError>,
    pub retry_after: Option<Duration>,
}

impl Fail {
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Display) -> Self {
        Self { status, kind, detail: detail.to_string(), errors: Vec::new(), retry_after: None }
    }

    pub fn malformed(detail: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    pub fn unauthorised(detail: impl Display) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", detail)
    }

    pub fn forbidden(detail: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub fn not_found(what: impl Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("{what} does not exist, or is not yours to see"),
        )
    }

    pub fn conflict(detail: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    pub fn too_large(limit: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the body has more than {limit} bytes"))
    }

    pub fn media_type(wanted: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", format!("Content-Type must be {wanted}"))
    }

    pub fn invalid(errors: FieldErrors) -> Self {
        let errors = errors.into_vec();
        let detail = match errors.as_slice() {
            [one] => one.to_string(),
            all => format!("{} fields are wrong", all.len()),
        };
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
    }

    pub fn field(field: impl Into<String>, problem: impl Display) -> Self {
        let mut errors = FieldErrors::new();
        errors.push(field, problem);
        Self::invalid(errors)
    }

    pub fn too_many(wait: Duration, detail: impl Display) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
        }
    }

    pub fn unavailable(wait: Duration, detail: impl Display) -> Self {
        Self { retry_after: Some(wait), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail) }
    }

    /// The server's own fault. The cause goes to the log, not to the caller.
    pub fn internal(cause: impl Display) -> Self {
        tracing::error!(%cause, "request failed inside");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed; its log says more under this request's id",
        )
    }
}

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"lepton\", error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(key) => Self::not_found(key),
            StoreError::AlreadyExists(_) | StoreError::Conflict { .. } => Self::conflict(error),
            StoreError::Compacted { .. } => Self::new(StatusCode::GONE, "compacted", error),
            StoreError::Invalid(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", why),
            StoreError::Fenced(_) | StoreError::Backend(_) => {
                tracing::error!(%error, "store failed");
                Self::unavailable(Duration::from_secs(1), "the store does not answer; try again")
            }
        }
    }
}

impl From<FieldErrors> for Fail {
    fn from(errors: FieldErrors) -> Self {
        Self::invalid(errors)
    }
}

impl From<AppendError> for Fail {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Busy { retry_after } => {
                Self::too_many(retry_after, "memory for samples is full; send again later")
            }
            AppendError::TooLarge { limit, .. } => Self::too_large(limit as u64),
            AppendError::Log(_) => {
                tracing::error!(%error, "lake failed");
                Self::unavailable(
                    Duration::from_secs(5),
                    "measurements cannot be written; the disk may be full",
                )
            }
            AppendError::ForeignBatch => Self::internal(error),
        }
    }
}

impl From<LakeError> for Fail {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::OverBudget { .. } | LakeError::Query { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", error)
            }
            error => Self::internal(error),
        }
    }
}
