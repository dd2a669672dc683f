//! Reconcilers: thin shells over pure code that bring what is closer to what is wanted.
//!
//! Each takes no input beyond the state of the world, is idempotent, wakes by timer and by change, and retries by running
//! again. They run on the server that holds the store's lease `reconcilers`; every write is fenced by it.
//!
//! ```text
//! agents' reports ─► health_rollup ─► status of nodes, services, jobs
//!                                        │ changes
//!        placement_plan ─► Plan ─► assignment_execute ─► Assignments ─► agents
//!        rebalance ─► advice, or Plan
//!        repair_escalate ─► Incidents ─► webhook_notify           data_retain
//! ```

mod assignment_execute;
mod data_retain;
mod driver;
mod health_rollup;
mod memory;
mod placement_plan;
mod rebalance;
mod repair_escalate;
pub(crate) mod reports;
mod webhook_notify;

use std::time::Duration;

use futures::future::BoxFuture;
use lepton_store::{Fence, StoreError};

use crate::app::App;

pub(crate) use driver::{Reconcilers, start};
pub(crate) use memory::Memory;
pub(crate) use placement_plan::{preview, take_snapshot};

/// Why a run failed. The next run tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lake(#[from] lepton_lake::LakeError),
    #[error(transparent)]
    Plan(#[from] lepton_plan::PlanError),
    #[error("a value cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Other(String),
}

/// What one run did, in a sentence; nothing when nothing had to be done.
type Outcome = Result<Option<String>, Fault>;

/// One reconciler.
pub(crate) struct Reconciler {
    name: &'static str,
    description: &'static str,
    /// Longest time between two runs; `None` leaves it to `history.every`.
    every: Option<Duration>,
    /// Whether changes of objects, reports and events wake it.
    wakes: bool,
    run: fn(App, Fence) -> BoxFuture<'static, Outcome>,
}

/// All of them.
const ALL: &[Reconciler] = &[
    Reconciler {
        name: "health_rollup",
        description: "turns agents' reports and silence into the status of nodes, services and jobs",
        every: Some(Duration::from_millis(250)),
        wakes: true,
        run: |app, fence| Box::pin(health_rollup::run(app, fence)),
    },
    Reconciler {
        name: "placement_plan",
        description: "plans what should run where",
        every: Some(Duration::from_secs(5)),
        wakes: true,
        run: |app, fence| Box::pin(placement_plan::run(app, fence)),
    },
    Reconciler {
        name: "assignment_execute",
        description: "carries plans out by writing the nodes' assignments",
        every: Some(Duration::from_secs(5)),
        wakes: true,
        run: |app, fence| Box::pin(assignment_execute::run(app, fence)),
    },
    Reconciler {
        name: "rebalance",
        description: "advises or makes moves that save money or even load, as the policy says",
        every: Some(Duration::from_secs(2)),
        wakes: false,
        run: |app, fence| Box::pin(rebalance::run(app, fence)),
    },
    Reconciler {
        name: "repair_escalate",
        description: "opens incidents for what repair could not mend, and closes them when it is over",
        every: Some(Duration::from_secs(5)),
        wakes: true,
        run: |app, fence| Box::pin(repair_escalate::run(app, fence)),
    },
    Reconciler {
        name: "webhook_notify",
        description: "tells webhooks of incidents",
        every: Some(Duration::from_secs(2)),
        wakes: true,
        run: |app, fence| Box::pin(webhook_notify::run(app, fence)),
    },
    Reconciler {
        name: "data_retain",
        description: "forgets what is older than the configuration keeps",
        every: None,
        wakes: false,
        run: |app, fence| Box::pin(data_retain::run(app, fence)),
    },
];
