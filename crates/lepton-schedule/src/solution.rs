//! The answer: where everything runs, what has to be done to get there, what it costs and why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where replicas run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// One per placed replica; [`crate::solve`] returns them in the order of workloads, then ordinals.
    pub placements: Vec<Placement>,
}

/// One replica on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Workload name.
    pub workload: String,
    /// Which replica, from 0.
    pub ordinal: u32,
    /// Node name, possibly one of [`Solution::launches`].
    pub node: String,
    /// Devices of the node it uses, ascending. Left empty in an input, they are chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<u32>,
}

/// What [`crate::solve`] found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Solution {
    /// Where everything runs after all actions.
    pub assignment: Assignment,
    /// Machines to launch first.
    pub launches: Vec<Launch>,
    /// Replicas that give way to higher priorities, before anything starts.
    pub preemptions: Vec<Preemption>,
    /// Moves of running replicas; executed one by one in this order, none overloads a node.
    pub moves: Vec<Move>,
    /// Machines to give back at the end.
    pub terminations: Vec<Termination>,
    /// Replicas that run nowhere, and why.
    pub unplaced: Vec<Unplaced>,
    /// For each placed replica, in the order of the assignment, why it is where it is.
    pub reasons: Vec<Reason>,
    /// The objective of this answer by term.
    pub objective: Objective,
    /// The objective of leaving everything as it was, before placing anything new.
    pub before: Objective,
    /// No answer that places the same replicas has a lower total.
    pub lower_bound: f64,
    /// Improvement steps used.
    pub steps: u64,
}

impl Solution {
    /// `(total - bound) / |bound|`, 0 when both are 0.
    #[must_use]
    pub fn gap(&self) -> f64 {
        let above = self.objective.total() - self.lower_bound;
        if above <= 0.0 { 0.0 } else { above / self.lower_bound.abs().max(f64::MIN_POSITIVE) }
    }

    /// Whether it changes nothing and leaves nothing out.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.launches.is_empty()
            && self.preemptions.is_empty()
            && self.moves.is_empty()
            && self.terminations.is_empty()
            && self.unplaced.is_empty()
    }
}

/// Terms in base currency over the horizon, each already weighed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Machines, those that are kept and those launched, spot risk included.
    pub machines: f64,
    /// Data leaving regions.
    pub egress: f64,
    /// Uneven load and headroom used.
    pub balance: f64,
    /// Wishes not granted and optional spread broken.
    pub wishes: f64,
    /// Moves.
    pub moves: f64,
}

impl Objective {
    /// Term by term.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            machines: self.machines - other.machines,
            egress: self.egress - other.egress,
            balance: self.balance - other.balance,
            wishes: self.wishes - other.wishes,
            moves: self.moves - other.moves,
        }
    }

    /// Sum of the terms.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.machines + self.egress + self.balance + self.wishes + self.moves
    }
}

/// A machine to launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Name by which placements speak of it.
    pub node: String,
    /// The offer it is one of.
    pub offer: String,
    /// Price of an hour in base currency.
    pub price_hour: f64,
    /// Why this offer.
    pub why: String,
}

/// A machine to give back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Termination {
    /// Node name.
    pub node: String,
    /// What that saves an hour in base currency.
    pub saves_hour: f64,
    /// Why it can go.
    pub why: String,
}

/// A running replica changes nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Workload name.
    pub workload: String,
    /// Which replica.
    pub ordinal: u32,
    /// Node it leaves.
    pub from: String,
    /// Node it enters.
    pub to: String,
    /// True when no order of moves keeps both sides within capacity: stop it before it starts elsewhere.
    pub stop_first: bool,
    /// Why.
    pub why: String,
}

/// A running replica gives way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preemption {
    /// Workload that loses a replica.
    pub workload: String,
    /// Which replica.
    pub ordinal: u32,
    /// Where it ran.
    pub node: String,
    /// Workload it gives way to.
    pub by: String,
}

/// A replica that runs nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unplaced {
    /// Workload name.
    pub workload: String,
    /// Which replica.
    pub ordinal: u32,
    /// Why no node would do.
    pub why: Refusal,
}

/// Why no node would do: how many were refused for what, and the one that came closest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Nodes and offers looked at.
    pub looked_at: u32,
    /// How many each constraint ruled out (the first that failed, in the order they are checked), most first.
    pub counts: Vec<(Constraint, u32)>,
    /// The node that came closest and what it lacks.
    pub nearest: Option<NearMiss>,
}

/// A node that would nearly do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// Node or offer name.
    pub node: String,
    /// What it lacks, in words.
    pub lacks: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0 of {} nodes and offers fit", self.looked_at)?;
        for (i, (constraint, count)) in self.counts.iter().enumerate() {
            write!(f, "{}{count} {constraint}", if i == 0 { ": " } else { ", " })?;
        }
        if let Some(near) = &self.nearest {
            write!(f, "; nearest miss: {} lacks {}", near.node, near.lacks)?;
        }
        Ok(())
    }
}

/// What ruled a node out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// Cordoned or draining.
    Closed,
    /// A label condition on this key.
    Label(String),
    /// Outside the regions it may run in.
    Residency,
    /// Too far from a region it must reach.
    Latency,
    /// A spot machine, which the workload does not accept.
    Spot,
    /// Its share of the node costs more than it may.
    MaxPrice,
    /// The offer's quota is used up.
    Quota,
    /// Too little of this resource.
    Resource(String),
    /// No device (of the models asked for) with enough left.
    Gpu,
    /// An exclusive key (a fixed port) is taken.
    Exclusive(String),
    /// Spreading over this topology.
    Spread(String),
    /// No replica of the workload it must be near.
    Near(String),
    /// A replica of the workload it must be apart from.
    Apart(String),
    /// It would leave a replica of this workload, which must be near, alone.
    Needed(String),
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed to new work"),
            Self::Label(key) => write!(f, "wrong {key}"),
            Self::Residency => f.write_str("outside its residency"),
            Self::Latency => f.write_str("too far away"),
            Self::Spot => f.write_str("spot only"),
            Self::MaxPrice => f.write_str("too expensive"),
            Self::Quota => f.write_str("out of quota"),
            Self::Resource(name) => write!(f, "short of {name}"),
            Self::Gpu => f.write_str("short of gpu"),
            Self::Exclusive(key) => write!(f, "with {key} taken"),
            Self::Spread(topology) => write!(f, "against the spread over {topology}"),
            Self::Near(peer) => write!(f, "not near {peer}"),
            Self::Apart(peer) => write!(f, "not apart from {peer}"),
            Self::Needed(peer) => write!(f, "leaving {peer} alone"),
        }
    }
}

/// Why a replica is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Workload name.
    pub workload: String,
    /// Which replica.
    pub ordinal: u32,
    /// Its node.
    pub node: String,
    /// In words: kept, placed, moved, and what decided.
    pub why: String,
    /// The best other node, if another would do.
    pub runner_up: Option<RunnerUp>,
}

/// The best other node and why it lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// Node name.
    pub node: String,
    /// By how much it is worse, in base currency over the horizon.
    pub worse_by: f64,
    /// The same by term; a term in which it is better is negative.
    pub more: Objective,
    /// The term that decided, in words.
    pub why: String,
}
