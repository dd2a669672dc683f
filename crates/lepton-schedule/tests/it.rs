//! What the solver promises, seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/basics.rs"]
mod basics;
#[path = "it/build.rs"]
mod build;
