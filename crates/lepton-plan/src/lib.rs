//! From what is wanted and what is to the next [`PlanSpec`](lepton_model::PlanSpec); and from a plan to the
//! assignments that carry it out.
//!
//! ```text
//!   Snapshot ──plan──► PlanSpec ──check──► (nothing broken) ──assign──► one AssignmentSpec per node
//!   nodes, services, jobs,        actions, reasons,                     what agents obey
//!   assignments, reports          what does not fit
//! ```
//!
//! Pure: the moment, the plan's id and the snapshot are handed in; the same input gives the same plan. Where things go is
//! decided by [`lepton_schedule::solve`]; this crate knows what a replica's life allows: rollouts that keep a service
//! up, replicas that must never run twice, nodes that are lost and come back.

mod assign;
mod check;
mod plan;
mod ports;
mod problem;
mod rollout;
mod snapshot;
mod wanted;

pub use assign::{StalePlan, assign};
pub use check::{Violation, check};
pub use plan::{PlanError, PlanInput, plan};
pub use snapshot::Snapshot;
