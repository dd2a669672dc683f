//! What no plan may break, checked on the assignments it would leave, independently of how it was made.

use std::collections::{BTreeMap, BTreeSet};

use lepton_model::{ActionKind, AssignmentSpec, Name, PlanSpec, ReplicaName};

use crate::problem::resources;
use crate::wanted::wanted;
use crate::{Snapshot, StalePlan, assign};

/// A rule that a plan would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It cannot be carried out at all.
    #[error("cannot be carried out: {0}")]
    Stale(#[from] StalePlan),
    /// A replica would run on two nodes.
    #[error("{replica} would be on {first} and on {second}")]
    Twice {
        /// Which.
        replica: ReplicaName,
        /// One node.
        first: Name,
        /// The other.
        second: Name,
    },
    /// Something is started where nothing may be.
    #[error("{replica} would start on {node}, which is {why}")]
    Closed {
        /// Which.
        replica: ReplicaName,
        /// Where.
        node: Name,
        /// `lost`, `cordoned`, …
        why: &'static str,
    },
    /// A node would be given more than it has.
    #[error("{node} would be over its {resource}: {used} of {capacity}")]
    Overload {
        /// Where.
        node: Name,
        /// `cpu`, `memory`, …
        resource: String,
        /// What would be set aside, in the solver's units.
        used: i64,
        /// What it has.
        capacity: i64,
    },
    /// Two replicas on one node would listen on one port.
    #[error("port {port} would be taken twice on {node}")]
    Port {
        /// Where.
        node: Name,
        /// The number.
        port: u16,
    },
    /// A placement whose fencing number does not exceed an earlier one's.
    #[error("{replica} would start as incarnation {incarnation}, and has been {earlier} already")]
    Fencing {
        /// Which.
        replica: ReplicaName,
        /// What it would be.
        incarnation: u64,
        /// What it was.
        earlier: u64,
    },
}

/// Every rule that `plan` would break on `snapshot`.
///
/// # Errors
/// All violations found, at least one.
pub fn check(plan: &PlanSpec, snapshot: &Snapshot) -> Result<(), Vec<Violation>> {
    let changed = assign(Some(plan), snapshot).map_err(|stale| vec![Violation::Stale(stale)])?;
    let mut after: BTreeMap<&Name, &AssignmentSpec> =
        snapshot.assignments.iter().map(|a| (&a.meta.name, &a.spec)).collect();
    after.extend(&changed);
    let mut violations = Vec::new();
    starts(plan, snapshot, &mut violations);
    copies(&after, &mut violations);
    for node in plan.actions.iter().map(|action| action.kind.node()).collect::<BTreeSet<_>>() {
        if let Some(spec) = after.get(node) {
            load(node, spec, plan, snapshot, &mut violations);
            ports(node, spec, &mut violations);
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

fn starts(plan: &PlanSpec, snapshot: &Snapshot, violations: &mut Vec<Violation>) {
    let assigned = snapshot.assigned();
    for action in &plan.actions {
        let ActionKind::Start { node, incarnation, .. } = &action.kind else { continue };
        let replica = action.replica.clone();
        let why = match snapshot.node(node) {
            None => Some("unknown"),
            Some(_) if !snapshot.is_ready(node) => Some("not ready"),
            Some(object) if object.spec.draining => Some("draining"),
            Some(object) if object.spec.cordoned => Some("cordoned"),
            Some(_) => None,
        };
        if let Some(why) = why {
            violations.push(Violation::Closed { replica: replica.clone(), node: node.clone(), why });
        }
        let earlier = assigned.get(&replica).into_iter().flatten().map(|(_, r)| r.incarnation);
        let reported = snapshot.reports.iter().filter(|r| r.replica == replica).map(|r| r.incarnation);
        if let Some(earlier) = earlier.chain(reported).max().filter(|earlier| earlier >= incarnation) {
            violations.push(Violation::Fencing { replica, incarnation: *incarnation, earlier });
        }
    }
}

fn copies(after: &BTreeMap<&Name, &AssignmentSpec>, violations: &mut Vec<Violation>) {
    let mut seen: BTreeMap<&ReplicaName, &Name> = BTreeMap::new();
    for (node, spec) in after {
        for replica in &spec.replicas {
            if let Some(first) = seen.insert(&replica.replica, node) {
                violations.push(Violation::Twice {
                    replica: replica.replica.clone(),
                    first: first.clone(),
                    second: (*node).clone(),
                });
            }
        }
    }
}

/// Only a node that is given something can be overloaded by a plan; one that already is may still lose work.
fn load(
    node: &Name,
    spec: &AssignmentSpec,
    plan: &PlanSpec,
    snapshot: &Snapshot,
    violations: &mut Vec<Violation>,
) {
    let gains =
        plan.actions.iter().any(|a| matches!(&a.kind, ActionKind::Start { node: to, .. } if to == node));
    let Some(object) = snapshot.node(node).filter(|_| gains) else { return };
    let capacity = resources(&object.status.capacity);
    let reserved = resources(&object.spec.reserved);
    let wanted = wanted(snapshot);
    let mut used: BTreeMap<String, i64> = BTreeMap::new();
    for replica in &spec.replicas {
        let of = &replica.replica;
        let want = wanted.iter().find(|w| {
            w.kind == of.kind
                && *w.project == of.project
                && *w.name == of.name
                && w.ordinals.contains(&of.ordinal)
        });
        for (name, amount) in want.map(|w| resources(w.requests)).unwrap_or_default() {
            let sum = used.entry(name).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    for (resource, used) in used {
        let has = capacity.get(&resource).copied().unwrap_or(0);
        let capacity = (has - reserved.get(&resource).copied().unwrap_or(0)).max(0);
        if used > capacity {
            violations.push(Violation::Overload { node: node.clone(), resource, used, capacity });
        }
    }
}

fn ports(node: &Name, spec: &AssignmentSpec, violations: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for port in spec.replicas.iter().flat_map(|replica| replica.ports.values()) {
        if !seen.insert(*port) {
            violations.push(Violation::Port { node: node.clone(), port: *port });
        }
    }
}
