//! A small shop to practise operations on.
//!
//! It is an ordinary HTTP service: a list of goods, orders that are on disk before they are confirmed, a health endpoint, a
//! log line per request. It also has a door that no real shop should have: `POST /trouble/…` makes it burn cpu, leak memory,
//! hang or crash, so that one can watch Lepton notice and mend it.
//!
//! ```text
//! GET  /            what there is to ask for
//! GET  /goods       what is sold, and how much is left
//! POST /orders      {"good": "tea", "count": 2} → 201, on disk
//! GET  /healthz     200, or 503 with the reason
//! POST /trouble/cpu?seconds=30&threads=1 · leak?mib=64 · hang · sick?lasting=true · crash?code=3
//! POST /trouble/heal
//! ```
//!
//! It knows nothing of Lepton: it listens on `PORT` and keeps its orders in the folder it is started in, as any
//! twelve-factor service does.

mod orders;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use orders::Orders;
use trouble::Trouble;

/// Everything the shop knows while it runs.
#[derive(Debug)]
pub struct Shop {
    folder: PathBuf,
    orders: Orders,
    trouble: Trouble,
}

impl Shop {
    /// Opens the shop: reads the orders that earlier runs confirmed.
    ///
    /// # Errors
    /// When the folder or its orders cannot be read or written.
    pub fn open(folder: PathBuf) -> std::io::Result<Arc<Self>> {
        let (orders, trouble) = (Orders::open(&folder)?, Trouble::of(&folder));
        Ok(Arc::new(Self { folder, orders, trouble }))
    }
}

/// The shop's routes.
pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/goods", get(goods))
        .route("/orders", get(orders::list).post(orders::place))
        .route("/healthz", get(health))
        .nest("/trouble", trouble::router())
        .layer(middleware::from_fn_with_state(Arc::clone(&shop), trouble::hang_when_told))
        .layer(middleware::from_fn(log))
        .with_state(shop)
}

async fn front() -> Json<Value> {
    Json(json!({
        "shop": "A small shop to practise on",
        "service": std::env::var("LEPTON_SERVICE").ok(),
        "replica": std::env::var("LEPTON_ORDINAL").ok(),
        "node": std::env::var("LEPTON_NODE").ok(),
        "ask": ["GET /goods", "GET /orders", "POST /orders", "GET /healthz"],
        "break": [
            "POST /trouble/cpu?seconds=30&threads=1", "POST /trouble/leak?mib=64", "POST /trouble/hang",
            "POST /trouble/sick?lasting=true", "POST /trouble/crash?code=3", "POST /trouble/heal",
        ],
    }))
}

async fn goods(State(shop): State<Arc<Shop>>) -> Json<Value> {
    Json(json!({ "goods": shop.orders.left() }))
}

async fn health(State(shop): State<Arc<Shop>>) -> (StatusCode, &'static str) {
    if shop.trouble.is_sick() {
        return (StatusCode::SERVICE_UNAVAILABLE, "sick, as told; POST /trouble/heal mends it\n");
    }
    (StatusCode::OK, "ok\n")
}

/// One line per request on stdout, which is the service's log. Health checks are left out: they would drown the rest.
async fn log(request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let quiet = request.uri().path() == "/healthz";
    let response = next.run(request).await;
    if !quiet || !response.status().is_success() {
        say(&format!("{line} {}", response.status().as_u16()));
    }
    response
}

/// Writes a line to stdout. A shop whose log is closed still sells.
pub fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
