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

mod aim;
mod assign;
mod check;
mod estate;
mod plan;
mod ports;
mod price;
mod problem;
mod report;
mod rollout;
mod snapshot;
mod wanted;
mod what_if;

pub use aim::{Aim, MoveLimits};
pub use assign::{StalePlan, assign};
pub use check::{Violation, check};
pub use estate::Estate;
pub use plan::{PlanError, PlanInput, plan};
pub use price::NodePrice;
pub use snapshot::Snapshot;
pub use what_if::{WhatIf, WhatIfError};
