//! The question: nodes, offers, workloads, prices and the strategy they are weighed by.
//!
//! Everything is named by strings here; [`crate::solve`] turns names into indices once. Order of the lists is the
//! tie-break, names never are: renaming everything renames the answer and changes nothing else.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Amounts by resource name: `cpu` in millicores, `memory` and `disk` in bytes, `network` in bit/s, or any other name
/// in a unit its user keeps. Absent means zero.
pub type Resources = BTreeMap<String, i64>;

/// Labels of a node. Topology (zone, region, cloud, rack, neighbourhood) is nothing but labels.
pub type Labels = BTreeMap<String, String>;

/// Topology key every node has implicitly; its value is the node's own name.
pub const NODE: &str = "node";
/// Label that residency, latency, data locality and egress look at.
pub const REGION: &str = "region";

/// Everything a decision depends on, apart from where things run now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Problem {
    /// Machines that exist.
    pub nodes: Vec<Node>,
    /// Machines that could be launched.
    pub offers: Vec<Offer>,
    /// What wants to run.
    pub workloads: Vec<Workload>,
    /// What "better" means.
    pub strategy: Strategy,
    /// Project → replicas of it that may be moved or preempted in one answer. Absent: no limit.
    pub disruption_budgets: BTreeMap<String, u32>,
    /// Round trips between regions; a pair that is missing in both directions is unknown, hence never good enough.
    pub latencies: Vec<Latency>,
    /// Price of carrying data out of one region into another; a missing pair is free.
    pub egress: Vec<Egress>,
    /// Currency conversion, dated by the caller.
    pub exchange: Exchange,
}

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Unique among nodes.
    pub name: String,
    /// What workloads may use in all (reserve the system's own share before).
    pub capacity: Resources,
    /// Individual devices; a request for a share of one fits into one.
    pub gpus: Vec<Gpu>,
    /// Labels, topology included.
    pub labels: Labels,
    /// What the machine costs as long as it exists; nothing for an owned one.
    pub price_hour: Option<Price>,
    /// Share of every resource that should stay free, 0 to below 1. Using it is allowed and costs.
    pub headroom: f64,
    /// Whether it takes new work.
    pub state: NodeState,
    /// Whether giving it back saves its price.
    pub removable: bool,
    /// Exclusive keys (fixed ports, devices) held by something outside this problem.
    pub taken: BTreeSet<String>,
}

/// Whether a node takes new work and keeps what it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Takes work.
    #[default]
    Open,
    /// Keeps what it has, takes nothing new.
    Cordoned,
    /// What it has must go elsewhere.
    Draining,
}

/// One GPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gpu {
    /// Model name, as requests name it.
    pub model: String,
    /// Free share in thousandths of the device, 1000 for a whole one.
    pub milli: i64,
}

/// A machine type that can be launched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Offer {
    /// Unique among offers; launched nodes are called `<offer>#<n>`.
    pub name: String,
    /// What a machine of it offers to workloads.
    pub capacity: Resources,
    /// Its devices.
    pub gpus: Vec<Gpu>,
    /// Labels its machines will have, region included.
    pub labels: Labels,
    /// Price of one hour.
    pub price_hour: Price,
    /// How it is rented.
    pub market: Market,
    /// How many may be launched; nothing means no limit but the sense of it.
    pub quota: Option<u32>,
    /// As for a node.
    pub headroom: f64,
}

/// How an offer is rented.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Market {
    /// Ours until we give it back.
    #[default]
    OnDemand,
    /// The cloud may take it back.
    Spot {
        /// Expected interruptions of one machine in an hour, 0 to 1.
        interruptions_per_hour: f64,
    },
}

/// A service or job and what it needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// Unique among workloads; put the project into it when two projects may use one name.
    pub name: String,
    /// Whose disruption budget it counts against.
    pub project: String,
    /// How many copies.
    pub replicas: u32,
    /// Higher goes first and may preempt lower.
    pub priority: i32,
    /// What one replica uses.
    pub requests: Resources,
    /// What one replica needs of GPUs.
    pub gpu: Option<GpuRequest>,
    /// Labels its nodes must have; all of them hold.
    pub selectors: Vec<Selector>,
    /// How its own replicas spread.
    pub spread: Vec<Spread>,
    /// Each replica needs a replica of another workload in its domain (or all its own in one domain, naming itself).
    /// Acyclic but for itself.
    pub near: Vec<Peer>,
    /// No replica shares a domain with a replica of the other (or, naming itself, with another of its own).
    pub apart: Vec<Peer>,
    /// Wishes, in money an hour.
    pub prefer: Vec<Preference>,
    /// Keys that one replica alone may hold on a node, fixed ports for example.
    pub exclusive: Vec<String>,
    /// Regions it may run in; empty means any.
    pub residency: BTreeSet<String>,
    /// Regions it must reach fast.
    pub latency: Vec<LatencyBound>,
    /// Data it exchanges with regions.
    pub data: Vec<DataFlow>,
    /// The most its share of a node may cost an hour (node price times its dominant share of the node).
    pub max_price_hour: Option<Price>,
    /// What moving one replica once is worth avoiding; nothing means the strategy's own figure.
    pub move_cost: Option<Price>,
    /// Resources that a moving replica holds on the old node too until the move is over (disk, for example).
    pub held_on_both_sides: BTreeSet<String>,
    /// Whether it may run on spot machines.
    pub spot: bool,
}

/// GPUs of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GpuRequest {
    /// Distinct devices of one node.
    pub devices: u32,
    /// Thousandths of each device, 1 to 1000.
    pub milli: i64,
    /// Models that will do; empty means any.
    pub models: BTreeSet<String>,
}

/// A condition on one label of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// Label key; `node` is the node's name.
    pub key: String,
    /// The condition.
    pub is: Condition,
}

/// What a label must be. As in Kubernetes, `NotIn` and `DoesNotExist` hold for a node without the label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// One of these.
    In(BTreeSet<String>),
    /// None of these.
    NotIn(BTreeSet<String>),
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
    /// An integer above this.
    Gt(i64),
    /// An integer below this.
    Lt(i64),
}

/// Spreading over the domains of a topology. Domains are the values found on nodes that the selectors admit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Label key, or `node`.
    pub topology: String,
    /// Most replicas that a domain may have above the emptiest one, at least 1.
    #[serde(default)]
    pub max_skew: Option<u32>,
    /// Fewest distinct domains, at most the number of replicas.
    #[serde(default)]
    pub min_domains: Option<u32>,
    /// Whether a replica rather stays unplaced than breaks it; otherwise it is a strong wish.
    pub required: bool,
}

/// Another workload, and the topology within which "with" is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Workload name.
    pub workload: String,
    /// Label key, or `node`.
    pub topology: String,
}

/// Something worth an amount of money an hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preference {
    /// What is wished for.
    pub what: Wish,
    /// What it is worth.
    pub worth_hour: Price,
}

/// A wish about where a replica runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// On a node with this label.
    Label(Selector),
    /// In a domain that has a replica of this.
    Near(Peer),
    /// In a domain that has none of this.
    Apart(Peer),
}

/// A round trip, in milliseconds, taken to be the same both ways unless both are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Region.
    pub from: String,
    /// Region.
    pub to: String,
    /// Milliseconds.
    pub ms: f64,
}

/// The most a round trip to a region may take. A region reaches itself in no time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyBound {
    /// Region to be reached.
    pub to: String,
    /// Milliseconds.
    pub ms: f64,
}

/// Price of data leaving a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Region it leaves.
    pub from: String,
    /// Region it enters.
    pub to: String,
    /// Price of one GiB.
    pub price_gib: Price,
}

/// Data one replica exchanges with a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFlow {
    /// Where the data lie.
    pub region: String,
    /// GiB an hour read from there.
    pub reads_gib_hour: f64,
    /// GiB an hour written to there.
    pub writes_gib_hour: f64,
}

/// An amount of money with its ISO currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Never negative.
    pub amount: Decimal,
    /// ISO 4217 code.
    pub currency: String,
}

impl Price {
    /// An amount in a currency.
    #[must_use]
    pub fn new(amount: Decimal, currency: impl Into<String>) -> Self {
        Self { amount, currency: currency.into() }
    }
}

/// Exchange rates. Everything is compared in `base`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// Currency all figures of the answer are in.
    pub base: String,
    /// The day of the rates, for the report.
    pub as_of: String,
    /// What one unit of a currency is worth in `base`.
    pub rates: BTreeMap<String, Decimal>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { base: "USD".to_owned(), as_of: String::new(), rates: BTreeMap::new() }
    }
}

/// Weights over one objective, which is money of the base currency over the horizon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Strategy {
    /// Above 0, a workload may preempt lower priorities when nothing else helps.
    pub priority: f64,
    /// Weight of evenly used nodes and of headroom kept.
    pub balance: f64,
    /// Weight of what machines and data cost.
    pub cost: f64,
    /// How long what an answer saves is believed to last.
    pub horizon_hours: f64,
    /// What one move is worth avoiding when the workload does not say, in base currency.
    pub move_cost: f64,
    /// A move must save this share more than it costs, so that two answers never swap back and forth.
    pub hysteresis: f64,
    /// Whether running replicas may be moved at all for a better objective (drains and repairs move regardless).
    pub rebalance: bool,
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            priority: 1.0,
            balance: 1.0,
            cost: 1.0,
            horizon_hours: 24.0,
            move_cost: 0.02,
            hysteresis: 0.1,
            rebalance: true,
        }
    }
}

impl Strategy {
    /// Fewest and cheapest machines; load may be uneven.
    #[must_use]
    pub fn cost() -> Self {
        Self { balance: 0.0, ..Self::default() }
    }

    /// Even load; price decides only between equals.
    #[must_use]
    pub fn balance() -> Self {
        Self { balance: 10.0, cost: 0.1, ..Self::default() }
    }

    /// Important work first; the rest stays where it is.
    #[must_use]
    pub fn priority() -> Self {
        Self { rebalance: false, ..Self::default() }
    }
}
