//! The agent: collect, check, supervise, repair, spool, ship.
//!
//! One per machine. It measures the machine and its services, runs what its assignment says, and dials its server;
//! no port is opened. Cut off, it goes on with all of it.
//!
//! ```text
//!   /proc /sys ─► collect ─► spool (disk queue) ─► ship ─► server, Prometheus, VictoriaMetrics
//!   services  ◄─► supervise, check, repair ─► timeline ──┘
//!                      ▲
//!   server ─► link (long poll) ─► assignment
//! ```
//!
//! [`run`] is the whole of it; the small binary `lepton-agent` and `lepton agent` are a configuration and a call.
//! It is not a scheduler (the server decides what runs where) and keeps no history (the lake does).

pub mod backoff;
pub mod client;
pub mod collect;
mod config;
pub mod facts;
pub mod link;
mod report;
mod run;
pub mod series;
pub mod ship;
pub mod spool;

pub mod cgroup;
mod check;
pub mod logs;
mod repair;
pub mod supervise;

pub use config::{AgentArgs, AgentConfig, ConfigError, RemoteWrite, RemoteWriteVersion, Secret, SpoolSizes};
pub use run::{AgentError, run};
