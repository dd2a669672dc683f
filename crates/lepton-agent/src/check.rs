//! Health checks: what is probed, how often, and what the results amount to.
//!
//! ```text
//! every interval:  probe ──► Ok("200 OK in 3ms") | Err("connection refused")
//!                    │
//!                    ▼
//!             Threshold (pure)  failures in a row ≥ n → unhealthy, successes in a row ≥ m → healthy
//! ```

mod exec;
mod http;
mod threshold;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lepton_model::{Check, Name, Probe};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) use exec::{Exec, run};
pub(crate) use threshold::{Health, Threshold, Verdict};

/// What a replica's probes need to know of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    pub(crate) ports: BTreeMap<Name, u16>,
    /// For exec probes: as the replica's process.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dir: PathBuf,
    pub(crate) user: Option<crate::supervise::Credentials>,
}

/// One finished probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probed {
    /// What it saw, in words, either way.
    pub(crate) result: Result<String, String>,
    pub(crate) took: Duration,
}

/// Probes once, within the check's time-out.
pub(crate) async fn probe(check: &Check, target: &Target) -> Probed {
    let started = Instant::now();
    let limit = check.timeout.duration();
    let result = match &check.probe {
        // Noticed through its pidfd long before any check; while this runs, it lives.
        Probe::Process {} => Ok("alive".to_owned()),
        Probe::Tcp { port } => match address(target, port) {
            Ok(address) => within(limit, connect(address)).await,
            Err(problem) => Err(problem),
        },
        Probe::Http(probe) => match address(target, &probe.port) {
            Ok(address) => within(limit, http::get(address, probe)).await,
            Err(problem) => Err(problem),
        },
        Probe::Exec { command } => {
            let Target { env, dir, user, .. } = target;
            let exec = Exec { command, env, dir, user: user.as_ref(), limit };
            run(exec).await.summary()
        }
    };
    let took = started.elapsed();
    Probed { result, took }
}

fn address(target: &Target, port: &Name) -> Result<SocketAddr, String> {
    let number = target.ports.get(port).ok_or_else(|| format!("this replica was given no port {port}"))?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, *number)))
}

async fn connect(address: SocketAddr) -> Result<String, String> {
    match TcpStream::connect(address).await {
        Ok(_) => Ok("connected".to_owned()),
        Err(error) => Err(words(&error)),
    }
}

async fn within(
    limit: Duration,
    probe: impl Future<Output = Result<String, String>>,
) -> Result<String, String> {
    match tokio::time::timeout(limit, probe).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {}", lepton_model::Period::from(limit))),
    }
}

/// `connection refused` instead of `Connection refused (os error 111)`.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
