//! The API over HTTP: one file per group of routes, all listed in [`routes`].

mod agents;
mod apply;
mod fail;
mod foreign;
mod front;
mod incidents;
mod input;
mod join;
mod layer;
mod logs;
mod objects;
mod offers;
mod spec;
mod sql;
mod status;
mod telemetry;
mod timeline;
mod tokens;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::any;
use tokio::sync::OwnedSemaphorePermit;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) use fail::Fail;
pub use spec::openapi;
pub(crate) use timeline::rows as timeline_rows;

/// What most handlers answer.
type Answer<T> = Result<axum::Json<T>, Fail>;

/// Smaller answers are not worth compressing.
const COMPRESS_FROM: u64 = 1_024;

/// A place among the watches and log readers.
fn stream_permit(app: &App) -> Result<OwnedSemaphorePermit, Fail> {
    Arc::clone(&app.streams)
        .try_acquire_owned()
        .map_err(|_| Fail::unavailable(Duration::from_secs(5), "too many watches and log readers at once"))
}

/// Routes whose answers come soon.
fn ordinary() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(front::front))
        .routes(routes!(front::healthz))
        .routes(routes!(front::readyz))
        .routes(routes!(front::metrics))
        .routes(routes!(front::openapi))
        .routes(routes!(apply::apply))
        .routes(routes!(apply::plan))
        .routes(routes!(apply::estate))
        .routes(routes!(objects::list))
        .routes(routes!(objects::get, objects::delete))
        .routes(routes!(offers::list, offers::import))
        .routes(routes!(timeline::timeline))
        .routes(routes!(timeline::explain_object))
        .routes(routes!(incidents::acknowledge))
        .routes(routes!(incidents::resolve))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(sql::sql))
        .routes(routes!(status::status))
        .routes(routes!(status::reconcilers))
        .routes(routes!(status::backup))
        .routes(routes!(join::join))
        .routes(routes!(agents::status))
        .routes(routes!(agents::events))
        .routes(routes!(telemetry::remote_write))
        .routes(routes!(telemetry::remote_write_alias))
        .routes(routes!(telemetry::otlp_metrics))
        .routes(routes!(foreign::usage))
        .routes(routes!(foreign::service_status))
}

/// Routes that wait or stream for as long as their caller likes.
fn lasting() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(watch::watch))
        .routes(routes!(logs::logs))
        .routes(routes!(agents::assignment))
        .routes(routes!(agents::stream))
}

/// Everything under one roof.
pub(crate) fn router(app: &App) -> Router {
    let ordinary: Router<App> = ordinary().into();
    let lasting: Router<App> = lasting().into();
    // Server-sent events and logs must not wait in a compressor.
    let compressible = SizeAbove::new(COMPRESS_FROM)
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("text/plain"));
    ordinary
        .layer(from_fn_with_state(app.clone(), layer::bounded))
        .merge(lasting)
        .method_not_allowed_fallback(layer::wrong_method)
        .fallback(any(layer::unknown_path))
        .layer(CatchPanicLayer::custom(layer::panicked))
        .layer(CompressionLayer::new().gzip(true).compress_when(compressible))
        .layer(map_response(layer::hardened))
        .layer(from_fn_with_state(app.clone(), layer::observe))
        .with_state(app.clone())
}
