//! The offer catalog, from CSV to the cheapest machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/offers.rs"]
mod offers;
