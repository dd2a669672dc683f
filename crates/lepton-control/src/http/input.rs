//! What comes in: bounded bodies, paths and queries, each refused with a precise problem.

use std::io::Read as _;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use lepton_model::FieldErrors;
use serde::de::DeserializeOwned;

use super::Fail;
use crate::app::App;

/// A body has to be here within this time.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(request: Request, limit: u64) -> Result<Bytes, Fail> {
    let limit_bytes = usize::try_from(limit).unwrap_or(usize::MAX);
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit) {
        return Err(Fail::too_large(limit));
    }
    let reading = Limited::new(request.into_body(), limit_bytes).collect();
    match tokio::time::timeout(BODY_TIME, reading).await {
        Err(_) => Err(Fail::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time")),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Fail::too_large(limit)),
        Ok(Err(error)) => Err(Fail::malformed(format!("the body cannot be read: {error}"))),
    }
}

/// Undoes `Content-Encoding: gzip`, never making more than `limit` bytes.
pub(crate) fn decoded(headers: &HeaderMap, body: Bytes, limit: u64) -> Result<Bytes, Fail> {
    match headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Ok(body),
        Some(b"gzip") => {
            let mut out = Vec::new();
            let mut reader = flate2::read::GzDecoder::new(&*body).take(limit + 1);
            reader
                .read_to_end(&mut out)
                .map_err(|error| Fail::malformed(format!("the body is not gzip: {error}")))?;
            if out.len() as u64 > limit { Err(Fail::too_large(limit)) } else { Ok(out.into()) }
        }
        Some(_) => Err(Fail::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "Content-Encoding must be gzip or absent",
        )),
    }
}

/// The media type without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Reads JSON: 400 when it is none, 422 with the field when it does not fit.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fail> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            Fail::field(if field == "." { "body".to_owned() } else { field }, error)
        } else {
            Fail::malformed(format!("the body is not JSON: {error}"))
        }
    })?;
    reader
        .end()
        .map_err(|error| Fail::malformed(format!("the body is more than one JSON value: {error}")))?;
    Ok(value)
}

/// A JSON body within `limits.body`.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Fail;

    async fn from_request(request: Request, app: &App) -> Result<Self, Fail> {
        if media_type(request.headers()).as_deref() != Some("application/json") {
            return Err(Fail::media_type("application/json"));
        }
        let body = read_body(request, app.config.limits.body.get()).await?;
        read_json(&body).map(Self)
    }
}

/// Path parameters. What cannot be the name of anything does not exist: 404.
pub(crate) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fail> {
        match axum::extract::Path::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Fail::new(StatusCode::NOT_FOUND, "not-found", rejection.body_text())),
        }
    }
}

/// Query parameters; unknown ones are refused, so that a slip of the pen does not go unnoticed.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Fail> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let problem = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                let (field, problem) = match problem.split_once(": ") {
                    Some((field, problem)) if !field.contains(' ') => (field, problem),
                    _ => ("query", problem),
                };
                Err(Fail::field(field, problem))
            }
        }
    }
}

/// Prefixes every field.
pub(crate) fn prefixed(prefix: &str, errors: FieldErrors, into: &mut FieldErrors) {
    for error in errors.into_vec() {
        into.push(format!("{prefix}.{}", error.field), error.problem);
    }
}
