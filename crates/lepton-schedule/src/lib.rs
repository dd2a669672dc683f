//! Decides what should run where, at what price, and says why.
//!
//! ```text
//!   Problem  ──validate──►  Model (indices)  ──►  State (who is where, what is left)
//!   nodes, offers,                                 │ place: one decision, indexed, any number of nodes
//!   workloads, prices                              │ preempt, launch, consolidate, improve
//!   Assignment (now)  ─────────────────────────────┘ order moves, explain
//!                                                  ▼
//!                                              Solution: placements, launches, moves, reasons, bound
//! ```
//!
//! Pure: no clock, no I/O, no randomness that is not seeded by the caller; the same input gives the same answer on any
//! machine. It is not an executor (it changes nothing) and it does not know clouds: an [`Offer`] is just a machine type
//! with a price.

pub mod expect;
pub mod fleet;
pub mod gpu;
pub mod maintenance;
pub mod problem;
pub mod search;
pub mod solution;

mod bound;
mod compile;
mod explain;
mod fit;
mod improve;
mod index;
mod online;
mod order;
mod place;
mod preempt;
mod score;
mod solve;
mod state;
mod validate;

pub use online::{Decision, Online, PlaceError};
pub use problem::{Exchange, Node, Offer, Price, Problem, Strategy, Workload};
pub use solution::{Assignment, Objective, Placement, Solution};
pub use solve::{Budget, solve};
pub use validate::ProblemError;
