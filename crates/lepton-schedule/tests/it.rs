//! What the solver promises, seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/basics.rs"]
mod basics;
#[path = "it/build.rs"]
mod build;
#[path = "it/decide.rs"]
mod decide;
#[path = "it/fleets.rs"]
mod fleets;
#[path = "it/formulas.rs"]
mod formulas;
#[path = "it/onlines.rs"]
mod onlines;
#[path = "it/properties.rs"]
mod properties;
#[path = "it/rules.rs"]
mod rules;
