//! What happens to every request: an id, a log line, a measurement, a time limit, and one form of refusal.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lepton_api::Problem;
use tracing::Instrument as _;

use super::Fail;
use crate::app::App;
use crate::clock;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Outermost: names, logs, measures; writes refusals.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        })
        .map_or_else(clock::request_id, str::to_owned);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let started = Instant::now();
    let span = tracing::info_span!("request", id, %method, route = route.as_deref().unwrap_or("-"));
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = described(response, &id, &method);
    let took = started.elapsed();
    app.metrics.request(&method, route.as_deref().unwrap_or("unmatched"), response.status(), took);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), ms = took.as_millis(), "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Gives a refusal its body, also one that the router or a layer made.
fn described(mut response: Response, id: &str, method: &Method) -> Response {
    let status = response.status();
    let fail = match response.extensions_mut().remove::<Fail>() {
        Some(fail) => fail,
        None if status.is_client_error() || status.is_server_error() => {
            let kind = match status {
                StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
                StatusCode::NOT_FOUND => "not-found",
                _ => "refused",
            };
            Fail::new(status, kind, status.canonical_reason().unwrap_or("refused"))
        }
        None => return response,
    };
    let problem = Problem {
        kind: format!("urn:lepton:problem:{}", fail.kind),
        title: status.canonical_reason().unwrap_or("Refused").to_owned(),
        status: status.as_u16(),
        detail: fail.detail,
        errors: fail.errors,
        request_id: Some(id.to_owned()),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
    if *method == Method::HEAD {
        return response;
    }
    *response.body_mut() = Body::from(body);
    response
}

/// For ordinary requests: bounds how many run at once and how long each takes.
pub(crate) async fn bounded(State(app): State<App>, request: Request, next: Next) -> Response {
    let Ok(_permit) = app.requests.try_acquire() else {
        return Fail::unavailable(Duration::from_secs(1), "too many requests at once").into_response();
    };
    let limit = app.config.limits.request_time.duration();
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("not done within {} s", limit.as_secs_f32());
            Fail::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into_response()
        }
    }
}

/// A path that is none.
pub(crate) async fn unknown_path(request: Request) -> Fail {
    Fail::new(
        StatusCode::NOT_FOUND,
        "not-found",
        format!("there is nothing at {}; /openapi.json lists every path", request.uri().path()),
    )
}

/// A method that a path does not have.
pub(crate) async fn wrong_method(method: Method) -> Fail {
    Fail::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", format!("this path has no {method}"))
}

/// A handler that panicked.
#[allow(clippy::needless_pass_by_value)] // the layer's signature
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Fail::internal("a handler panicked").into_response()
}

/// Headers that every answer carries.
pub(crate) async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
