//! The snapshot as the solver sees it.

use std::collections::{BTreeMap, BTreeSet};

use lepton_model::{NodePhase, NodeSpec, Object, Requirement, Resources};
use lepton_schedule::problem::{self, Condition, NodeState, Selector};
use lepton_schedule::{Assignment, Placement, Problem, Strategy, Workload};

/// Largest amount the solver counts, so that its sums cannot overflow.
const MAX_AMOUNT: i64 = 1 << 53;

use crate::Snapshot;
use crate::ports::RANGE as CHOSEN;
use crate::wanted::Wanted;

/// Nodes and workloads for the solver. A workload's ordinals are positions in [`Wanted::ordinals`].
pub(crate) fn problem(snapshot: &Snapshot, wanted: &[Wanted<'_>]) -> Problem {
    let ready = snapshot.nodes.iter().filter(|node| node.status.phase == NodePhase::Ready);
    Problem {
        nodes: ready.map(|object| node(object, snapshot)).collect(),
        workloads: wanted.iter().map(workload).collect(),
        // Nothing that runs well is moved for a better objective; that is a policy of its own.
        strategy: Strategy { rebalance: false, ..Strategy::default() },
        ..Problem::default()
    }
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
        // Ports chosen for what runs there, and those of others' programs; a service that fixes one of them goes elsewhere.
        taken: chosen
            .filter(|number| CHOSEN.contains(number))
            .chain(&node.status.ports_taken)
            .map(|number| port_key(*number))
            .collect(),
        ..problem::Node::default()
    }
}

fn workload(wanted: &Wanted<'_>) -> Workload {
    let replicas = u32::try_from(wanted.ordinals.len()).unwrap_or(u32::MAX);
    Workload {
        name: wanted.workload(),
        project: wanted.project.to_string(),
        replicas,
        priority: wanted.priority,
        requests: resources(wanted.requests),
        selectors: wanted.placement.selector.0.iter().map(selector).collect(),
        spread: spread(wanted.placement),
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
