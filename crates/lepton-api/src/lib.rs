//! Wire types of the `v1` API.
//!
//! What a client and the server say to each other, and nothing of how either works. The OpenAPI document in
//! which agents use to send samples.

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "manifest")]
pub mod manifest;
#[cfg(feature = "otlp")]
pub mod otlp;
mod problem;
pub mod remote_write;
pub mod v1;

#[cfg(feature = "client")]
pub use client::{
    Client, ClientConfig, ClientError, ListQuery, LogQuery, LogStream, OfferQuery, TimelineQuery, Watch,
    WatchQuery,
};
pub use problem::Problem;
