//! The server: the API, the reconcilers, who may do what.
//!
//! ```text
//!  people, agents, Prometheus
//!        │ http/ (one file per group of routes)      auth/ (who is asking)
//!        ▼
//!  store ──watch──► view (the estate in memory) ──► reconcile/ ──► store
//!  lake ◄── telemetry/                  ▲
//!                     agents (what they said, what they should do)
//! ```
//!
//! It decides nothing by itself: plans are made by `lepton-plan`, kept by `lepton-store`, carried out by agents. What it
//! answers with 2xx is on disk. A server can be killed at any moment and started again; agents and services carry on
//! meanwhile.
//!
//! ```no_run
//! # async fn example() -> Result<(), lepton_control::ServeError> {
//! use lepton_control::{RunningServer, ServerConfig};
//! let server = RunningServer::start(ServerConfig::default()).await?;
//! println!("{}, token in {}", server.url(), server.admin_token_path().display());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod agents;
mod app;
mod auth;
mod clock;
mod config;
mod error;
mod explain;
mod http;
mod listen;
mod metrics;
mod offers;
mod reconcile;
mod record;
mod server;
mod tables;
mod tasks;
mod telemetry;
mod view;

pub use config::{HistoryConfig, LakeSettings, LimitsConfig, ServerConfig, TlsConfig};
pub use error::ServeError;
pub use http::openapi;
pub use server::{RunningServer, serve};
