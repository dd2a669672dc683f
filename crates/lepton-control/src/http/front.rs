//! What needs no token: the first page, health, the server's own metrics, the API's description.

use std::time::Duration;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use super::Fail;
use crate::app::App;

const ENGLISH: &str = include_str!("front.en.html");
const CHINESE: &str = include_str!("front.zh.html");

/// A page that says what this is and where to go next, in English or Chinese by `Accept-Language`.
#[utoipa::path(
    get, path = "/", operation_id = "front", tag = "server", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")),
)]
pub(crate) async fn front(headers: HeaderMap) -> Response {
    let accepted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let page = if prefers_chinese(accepted) { CHINESE } else { ENGLISH };
    let mut response = Html(page).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// Whether Chinese has the higher weight of the two languages there are.
fn prefers_chinese(accepted: &str) -> bool {
    let weight = |language: &str| {
        accepted
            .split(',')
            .filter_map(|part| {
                let mut part = part.trim().split(';');
                let tag = part.next()?.trim().to_ascii_lowercase();
                let weight =
                    part.find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
                (tag == language || tag.starts_with(&format!("{language}-"))).then_some(weight)
            })
            .fold(0.0, f32::max)
    };
    weight("zh") > weight("en")
}

/// Says that the process is alive.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "server", security(()),
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain")),
)]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says that requests can be answered: the store takes writes and the lake takes samples.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "server", security(()),
    responses(
        (status = 200, description = "Ready", body = String, content_type = "text/plain"),
        (status = 503, description = "Not ready, and why", body = lepton_api::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn readyz(State(app): State<App>) -> Result<&'static str, Fail> {
    let wait = Duration::from_secs(1);
    if app.waits.is_cancelled() {
        return Err(Fail::unavailable(wait, "the server is stopping"));
    }
    // The lease is written every few seconds: a store that takes no writes shows here.
    if !app.reconcilers.lease_is_fresh() {
        return Err(Fail::unavailable(wait, "the store takes no writes"));
    }
    let batch = app.lake.batch();
    crate::telemetry::store(&app, &batch).await?;
    Ok("ready\n")
}

/// The server about itself, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server", security(()),
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let text = app.metrics.render(&app);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// This API's description, OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "server", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
pub(crate) async fn openapi() -> Response {
    axum::Json(super::openapi()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_in_the_language_asked_for() {
        for (accepted, chinese) in [
            ("", false),
            ("en-GB,en;q=0.9", false),
            ("zh-CN,zh;q=0.9,en;q=0.8", true),
            ("en;q=0.5, zh-TW;q=0.7", true),
            ("zh;q=0.1, en", false),
            ("*", false),
            ("zh;q=x", true),
        ] {
            assert_eq!(prefers_chinese(accepted), chinese, "{accepted}");
        }
    }
}
