//! The snapshot as the solver sees it.

use std::collections::{BTreeMap, BTreeSet};

use lepton_model::{Kind, NodePhase, NodeSpec, Object, Requirement, Resources};
use lepton_schedule::problem::{self, Condition, NodeState, Selector};
use lepton_schedule::{Assignment, Exchange, Placement, Price, Problem, Strategy, Workload};
use rust_decimal::Decimal;

/// Largest amount the solver counts, so that its sums cannot overflow.
const MAX_AMOUNT: i64 = 1 << 53;

/// More than any saving is worth.
const NEVER: u32 = 1_000_000;

use crate::ports::RANGE as CHOSEN;
use crate::wanted::Wanted;
use crate::{Aim, Snapshot};

/// Nodes and workloads for the solver. A workload's ordinals are positions in [`Wanted::ordinals`].
pub(crate) fn problem(snapshot: &Snapshot, wanted: &[Wanted<'_>], aim: Option<&Aim>) -> Problem {
    let ready = snapshot.nodes.iter().filter(|node| node.status.phase == NodePhase::Ready);
    Problem {
        nodes: ready.map(|object| node(object, snapshot)).collect(),
        workloads: wanted.iter().map(|want| workload(want, snapshot, aim.is_some())).collect(),
        strategy: strategy(aim),
        disruption_budgets: kept(aim, wanted),
        exchange: Exchange { base: snapshot.currency().to_string(), ..Exchange::default() },
        ..Problem::default()
    }
}

/// Without an aim nothing that runs well is moved for a better objective: that is a policy of its own.
fn strategy(aim: Option<&Aim>) -> Strategy {
    let Some(Aim { strategy, horizon, hysteresis, .. }) = aim else {
        return Strategy { rebalance: false, ..Strategy::default() };
    };
    Strategy {
        priority: strategy.priority,
        balance: strategy.balance,
        cost: strategy.cost,
        horizon_hours: horizon.duration().as_secs_f64() / 3_600.0,
        hysteresis: *hysteresis,
        rebalance: strategy.moves,
        ..Strategy::default()
    }
}

/// Projects that may not be disturbed at all; how far the others may be is cut off from the order of moves.
fn kept(aim: Option<&Aim>, wanted: &[Wanted<'_>]) -> BTreeMap<String, u32> {
    let Some(limits) = aim.and_then(|aim| aim.limits.as_ref()) else { return BTreeMap::new() };
    let may = |project: &lepton_model::Name| limits.projects.get(project).copied().unwrap_or(0) > 0;
    let kept = wanted.iter().filter(|want| !may(want.project));
    kept.map(|want| (want.project.to_string(), 0)).collect()
}

/// Where replicas run now, in the solver's words.
pub(crate) fn previous(
    placed: &BTreeMap<(usize, u32), &lepton_model::Name>,
    wanted: &[Wanted<'_>],
) -> Assignment {
    let placements = placed
        .iter()
        .filter_map(|(&(workload, position), node)| {
            Some(Placement {
                workload: wanted.get(workload)?.workload(),
                ordinal: position,
                node: node.to_string(),
                gpus: Vec::new(),
            })
        })
        .collect();
    Assignment { placements }
}

fn node(node: &Object<NodeSpec>, snapshot: &Snapshot) -> problem::Node {
    let assigned = snapshot.assignments.iter().filter(|a| a.meta.name == node.meta.name);
    let chosen = assigned.flat_map(|a| &a.spec.replicas).flat_map(|replica| replica.ports.values());
    let mut capacity = resources(&node.status.capacity);
    for (name, reserved) in resources(&node.spec.reserved) {
        if let Some(amount) = capacity.get_mut(&name) {
            *amount = (*amount - reserved).max(0);
        }
    }
    let mut labels = node.meta.labels.clone();
    labels.remove(problem::NODE);
    problem::Node {
        name: node.meta.name.to_string(),
        capacity,
        labels,
        state: match (node.spec.draining, node.spec.cordoned) {
            (true, _) => NodeState::Draining,
            (false, true) => NodeState::Cordoned,
            (false, false) => NodeState::Open,
        },
        price_hour: snapshot.prices.get(&node.meta.name).map(|price| price_of(price.hour, snapshot)),
        removable: snapshot.prices.get(&node.meta.name).is_some_and(|price| price.rented),
        // Ports chosen for what runs there, and those of others' programs; a service that fixes one of them goes elsewhere.
        taken: chosen
            .filter(|number| CHOSEN.contains(number))
            .chain(&node.status.ports_taken)
            .map(|number| port_key(*number))
            .collect(),
        ..problem::Node::default()
    }
}

fn price_of(amount: Decimal, snapshot: &Snapshot) -> Price {
    Price::new(amount, snapshot.currency().to_string())
}

fn workload(wanted: &Wanted<'_>, snapshot: &Snapshot, rebalances: bool) -> Workload {
    let replicas = u32::try_from(wanted.ordinals.len()).unwrap_or(u32::MAX);
    Workload {
        name: wanted.workload(),
        project: wanted.project.to_string(),
        replicas,
        priority: wanted.priority,
        requests: resources(wanted.requests),
        selectors: wanted.placement.selector.0.iter().map(selector).collect(),
        spread: spread(wanted.placement),
        // A job would begin again, and a copy that must never run twice would be down while the other ends.
        move_cost: (rebalances && (wanted.kind == Kind::Job || wanted.exclusive))
            .then(|| price_of(Decimal::from(NEVER), snapshot)),
        exclusive: wanted
            .ports
            .iter()
            .filter_map(|port| port.port)
            .map(|port| format!("port {port}"))
            .collect(),
        ..Workload::default()
    }
}

/// As asked; over nodes where possible when nothing is asked, so that one machine lost is not a service lost.
fn spread(placement: &lepton_model::Placement) -> Vec<problem::Spread> {
    let over = |topology: &str, max_skew, required| problem::Spread {
        topology: topology.to_owned(),
        max_skew: Some(max_skew),
        min_domains: None,
        required,
    };
    if placement.spread.is_empty() {
        return vec![over(problem::NODE, 1, false)];
    }
    placement.spread.iter().map(|spread| over(&spread.by, spread.max_skew, spread.required)).collect()
}

fn port_key(number: u16) -> String {
    format!("port {number}")
}

fn selector(requirement: &Requirement) -> Selector {
    let set = |values: &[String]| values.iter().cloned().collect::<BTreeSet<_>>();
    let is = match requirement {
        Requirement::In(_, values) => Condition::In(set(values)),
        Requirement::NotIn(_, values) => Condition::NotIn(set(values)),
        Requirement::Exists(_) => Condition::Exists,
        Requirement::Absent(_) => Condition::DoesNotExist,
    };
    Selector { key: requirement.key().to_owned(), is }
}

/// In the solver's units: millicores, bytes, whole units.
pub(crate) fn resources(resources: &Resources) -> problem::Resources {
    let amount = |value: u64| i64::try_from(value).unwrap_or(i64::MAX).min(MAX_AMOUNT);
    let named = [
        ("cpu", resources.cpu.as_millis()),
        ("memory", resources.memory.get()),
        ("disk", resources.disk.get()),
    ];
    let named = named.into_iter().map(|(name, value)| (name.to_owned(), amount(value)));
    let other = resources.other.iter().map(|(name, value)| (name.to_string(), amount(*value)));
    named.chain(other).filter(|(_, value)| *value > 0).collect()
}
