//! The door, over a real store and a real lake.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/estate.rs"]
mod estate;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/measurements.rs"]
mod measurements;
#[path = "it/objects.rs"]
mod objects;
#[path = "it/safety.rs"]
mod safety;
