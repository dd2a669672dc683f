//! Trouble on demand.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::post;
use parking_lot::Mutex;
use serde::Deserialize;

use crate::{Shop, say};

/// Longest burn, most threads, most memory: trouble for one service, not for the machine.
const MAX_SECONDS: u64 = 3_600;
const MAX_THREADS: usize = 64;
const MAX_LEAK: usize = 16 << 10;
/// The file that keeps a shop sick over restarts.
const SICK: &str = "sick";

/// What has been asked for.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    hanging: AtomicBool,
    sick: AtomicBool,
    leaked: Mutex<Vec<Vec<u8>>>,
}

impl Trouble {
    /// Well, unless an earlier run fell ill for good.
    pub fn of(folder: &Path) -> Self {
        Self { sick: AtomicBool::new(folder.join(SICK).exists()), ..Self::default() }
    }

    pub fn is_sick(&self) -> bool {
        self.sick.load(Ordering::Relaxed)
    }
}

pub(crate) fn router() -> Router<Arc<Shop>> {
    Router::new()
        .route("/cpu", post(cpu))
        .route("/leak", post(leak))
        .route("/hang", post(hang))
        .route("/sick", post(sick))
        .route("/crash", post(crash))
        .route("/heal", post(heal))
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CpuInput {
    seconds: u64,
    threads: usize,
}

impl Default for CpuInput {
    fn default() -> Self {
        Self { seconds: 30, threads: 1 }
    }
}

async fn cpu(Query(input): Query<CpuInput>) -> String {
    let (seconds, threads) = (input.seconds.min(MAX_SECONDS), input.threads.min(MAX_THREADS));
    let end = Instant::now() + Duration::from_secs(seconds);
    for _ in 0..threads {
        std::thread::spawn(move || {
            let mut number = 1_u64;
            while Instant::now() < end {
                for _ in 0..1_000 {
                    number =
                        std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
            }
        });
    }
    format!("burning {threads} threads for {seconds} s\n")
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LeakInput {
    mib: usize,
}

impl Default for LeakInput {
    fn default() -> Self {
        Self { mib: 64 }
    }
}

async fn leak(State(shop): State<Arc<Shop>>, Query(input): Query<LeakInput>) -> String {
    // Written to, or the kernel would never hand the memory out.
    let block = vec![0xA5; input.mib.min(MAX_LEAK) << 20];
    let mut leaked = shop.trouble.leaked.lock();
    leaked.push(block);
    let total: usize = leaked.iter().map(Vec::len).sum();
    format!("{} MiB leaked so far\n", total >> 20)
}

async fn hang(State(shop): State<Arc<Shop>>) -> &'static str {
    shop.trouble.hanging.store(true, Ordering::Relaxed);
    "every request hangs from now on, health checks too; only a restart helps\n"
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SickInput {
    /// Whether restarts do not help: the illness is kept in a file beside the orders.
    lasting: bool,
}

async fn sick(State(shop): State<Arc<Shop>>, Query(input): Query<SickInput>) -> (StatusCode, String) {
    shop.trouble.sick.store(true, Ordering::Relaxed);
    if !input.lasting {
        return (StatusCode::OK, "/healthz answers 503 until a restart\n".to_owned());
    }
    match std::fs::write(shop.folder.join(SICK), "POST /trouble/heal, or delete this file and restart\n") {
        Ok(()) => {
            (StatusCode::OK, "/healthz answers 503 until POST /trouble/heal, restarts or not\n".to_owned())
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("only until a restart: {error}\n")),
    }
}

async fn heal(State(shop): State<Arc<Shop>>) -> &'static str {
    shop.trouble.sick.store(false, Ordering::Relaxed);
    // Absent is as good as removed.
    let _ = std::fs::remove_file(shop.folder.join(SICK));
    shop.trouble.leaked.lock().clear();
    "well again\n"
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CrashInput {
    code: i32,
}

impl Default for CrashInput {
    fn default() -> Self {
        Self { code: 3 }
    }
}

// A crash is an end without farewell: that is what this is for.
#[allow(clippy::disallowed_methods)]
async fn crash(Query(input): Query<CrashInput>) {
    say(&format!("crashing with exit code {}, as told", input.code));
    std::process::exit(input.code)
}

/// Once told to hang, no request gets an answer: the process lives, its port is open, and nothing works.
pub(crate) async fn hang_when_told(State(shop): State<Arc<Shop>>, request: Request, next: Next) -> Response {
    if shop.trouble.hanging.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    next.run(request).await
}
