//! A plan carried out: the assignments of the nodes it touches.

use std::collections::{BTreeMap, BTreeSet};

use lepton_model::{
    ActionKind, AssignedReplica, AssignmentSpec, Name, PlanSpec, ReplicaName, RunKind, RunbookSpec,
};

use crate::Snapshot;
use crate::wanted::{Wanted, wanted};

/// The world has changed since the plan was made; a new one is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StalePlan {
    /// The service or job has another generation, or is gone.
    #[error("{0} has changed since")]
    Changed(ReplicaName),
    /// The replica is not where the plan takes it from.
    #[error("{replica} is no longer on {node}")]
    Gone {
        /// Which.
        replica: ReplicaName,
        /// Where it should have been.
        node: Name,
    },
    /// The replica is already where the plan starts it, as new or newer.
    #[error("{replica} is already on {node}")]
    Already {
        /// Which.
        replica: ReplicaName,
        /// Where.
        node: Name,
    },
}

/// The assignments that differ from what `snapshot` has, once `plan` is carried out; with no plan, those whose runbooks
/// have changed.
///
/// # Errors
/// [`StalePlan`] when an action no longer applies; nothing of the plan should then be carried out.
pub fn assign(
    plan: Option<&PlanSpec>,
    snapshot: &Snapshot,
) -> Result<BTreeMap<Name, AssignmentSpec>, StalePlan> {
    let wanted = wanted(snapshot);
    let mut after: BTreeMap<Name, AssignmentSpec> =
        snapshot.assignments.iter().map(|a| (a.meta.name.clone(), a.spec.clone())).collect();
    for action in plan.into_iter().flat_map(|plan| &plan.actions) {
        let replica = &action.replica;
        let node = action.kind.node();
        let spec = after.entry(node.clone()).or_default();
        let here = spec.replicas.iter().position(|r| r.replica == *replica);
        match (&action.kind, here) {
            (ActionKind::Stop { .. }, Some(at)) => {
                spec.replicas.remove(at);
            }
            (ActionKind::Start { incarnation, generation, ports, .. }, at) => {
                let want = find(&wanted, replica, *generation)?;
                let new = AssignedReplica {
                    replica: replica.clone(),
                    incarnation: *incarnation,
                    generation: *generation,
                    ports: ports.clone(),
                    spec: want.spec.clone(),
                };
                match at.and_then(|at| spec.replicas.get_mut(at)) {
                    Some(old) if old.incarnation < *incarnation => *old = new,
                    Some(_) => {
                        return Err(StalePlan::Already { replica: replica.clone(), node: node.clone() });
                    }
                    None => spec.replicas.push(new),
                }
            }
            (ActionKind::Update { generation, ports, .. }, Some(at)) => {
                let want = find(&wanted, replica, *generation)?;
                if let Some(old) = spec.replicas.get_mut(at) {
                    old.generation = *generation;
                    old.ports.clone_from(ports);
                    old.spec = want.spec.clone();
                }
            }
            (ActionKind::Stop { .. } | ActionKind::Update { .. }, None) => {
                return Err(StalePlan::Gone { replica: replica.clone(), node: node.clone() });
            }
        }
    }
    for spec in after.values_mut() {
        spec.replicas.sort_by(|a, b| a.replica.cmp(&b.replica));
        spec.runbooks = runbooks(snapshot, &spec.replicas);
    }
    let before: BTreeMap<&Name, &AssignmentSpec> =
        snapshot.assignments.iter().map(|a| (&a.meta.name, &a.spec)).collect();
    after.retain(|node, spec| {
        before.get(node).is_none_or(|old| old.replicas != spec.replicas || old.runbooks != spec.runbooks)
    });
    if let Some(plan) = plan {
        for spec in after.values_mut() {
            spec.plan = Some(plan.id);
        }
    }
    Ok(after)
}

fn find<'a, 'b>(
    wanted: &'a [Wanted<'b>],
    replica: &ReplicaName,
    generation: u64,
) -> Result<&'a Wanted<'b>, StalePlan> {
    wanted
        .iter()
        .find(|w| w.kind == replica.kind && *w.project == replica.project && *w.name == replica.name)
        .filter(|w| w.generation == generation)
        .ok_or_else(|| StalePlan::Changed(replica.clone()))
}

/// The runbooks that the ladders of `replicas` name. One that does not exist is left out; its step is skipped, and says so.
fn runbooks(snapshot: &Snapshot, replicas: &[AssignedReplica]) -> BTreeMap<String, RunbookSpec> {
    let named: BTreeSet<(&Name, &Name)> = replicas
        .iter()
        .filter_map(|replica| match &replica.spec.run {
            RunKind::Service { repair, .. } => Some((&replica.replica.project, repair)),
            RunKind::Job { .. } => None,
        })
        .flat_map(|(project, repair)| {
            repair.iter().filter_map(move |step| Some((project, step.runbook.as_ref()?)))
        })
        .collect();
    snapshot
        .runbooks
        .iter()
        .filter(|runbook| named.contains(&(&runbook.meta.project, &runbook.meta.name)))
        .map(|runbook| (format!("{}/{}", runbook.meta.project, runbook.meta.name), runbook.spec.clone()))
        .collect()
}
