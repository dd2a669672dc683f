//! Supervision with real processes. Nothing here waits for a length of time: every wait is for a condition, with a bound.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod adopt;
mod child;
mod jobs;
mod limits;
mod output;
mod processes;
mod repairs;
mod rig;
