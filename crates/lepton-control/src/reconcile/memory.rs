//! What reconcilers remember between runs. All of it can be found again: losing it costs a run, never a fact.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use lepton_model::{Name, ReplicaName, Timestamp, Uid};
use parking_lot::Mutex;

/// See the module.
#[derive(Default)]
pub(crate) struct Memory {
    /// Replicas that the newest plan could not place, and why.
    pub unplaced: Mutex<BTreeMap<ReplicaName, String>>,
    /// State of the world for which the planner had nothing to do.
    pub planned_for: Mutex<Option<Planned>>,
    /// When rebalancing last looked.
    pub rebalanced_at: Mutex<Option<Timestamp>>,
    /// The last timeline entry that was looked at for escalations.
    pub escalations_seen: Mutex<Option<u64>>,
    /// Failed deliveries, by incident, webhook and whether it is about the incident's end.
    pub deliveries: Mutex<HashMap<(Uid, Name, bool), Attempts>>,
}

/// Numbers that grow when anything changes that placement depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub world: u64,
    pub reports: u64,
}

/// Deliveries to one webhook that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempts {
    pub failed: u32,
    pub next: Instant,
}
