//! The server over real sockets, with its own store and lake in a folder that goes away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Tests have no stages to end in order.
#![allow(clippy::disallowed_methods)]

#[path = "it/agents.rs"]
mod agents;
#[path = "it/auth.rs"]
mod auth;
#[path = "it/estate.rs"]
mod estate;
#[path = "it/incidents.rs"]
mod incidents;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/objects.rs"]
mod objects;
#[path = "it/offers.rs"]
mod offers;
#[path = "it/openapi.rs"]
mod openapi;
#[path = "it/rebalance.rs"]
mod rebalance;
#[path = "it/telemetry.rs"]
mod telemetry;
