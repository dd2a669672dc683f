//! What is known of every replica, from agents' words, silence and what was known before. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use lepton_api::v1::AgentStatusInput;
use lepton_model::{
    AssignedReplica, Kind, Name, NodePhase, Object, ReplicaName, ReplicaPhase, ReplicaReport,
};
use lepton_plan::Snapshot;

use crate::agents::Agents;
use crate::view::{World, estate_place};

/// What agents said since the server started, by node.
pub(crate) type Said = BTreeMap<Name, Arc<AgentStatusInput>>;

/// Replicas by service or job: kind, project, name.
pub(crate) type Reports = BTreeMap<(Kind, Name, Name), Vec<ReplicaReport>>;

/// What every node's agent last said.
pub(crate) fn said(world: &World, agents: &Agents) -> Said {
    world
        .nodes
        .values()
        .filter_map(|node| Some((node.meta.name.clone(), agents.said(&node.meta.name)?)))
        .collect()
}

/// Every replica that is assigned or still reported, by ordinal and node.
pub(crate) fn gather(world: &World, said: &Said) -> Reports {
    let mut known: BTreeMap<(ReplicaName, Name), ReplicaReport> = BTreeMap::new();
    let stored = world.services.values().flat_map(|service| &service.status.replicas);
    let stored = stored.chain(world.jobs.values().flat_map(|job| &job.status.replicas));
    for report in stored {
        // An agent that has spoken is believed, also about what it no longer mentions; but the end of a job's copy stays known.
        let over = matches!(report.phase, ReplicaPhase::Succeeded | ReplicaPhase::Failed)
            && report.replica.kind == Kind::Job;
        let exists = world.nodes.contains_key(&estate_place(&report.node));
        if over || (exists && !said.contains_key(&report.node)) {
            known.insert((report.replica.clone(), report.node.clone()), report.clone());
        }
    }
    for (node, status) in said {
        for report in &status.replicas {
            known.insert((report.replica.clone(), node.clone()), report.clone());
        }
    }
    for assignment in world.assignments.values() {
        for assigned in &assignment.spec.replicas {
            let place = (assigned.replica.clone(), assignment.meta.name.clone());
            let stale = known.get(&place).is_some_and(|report| report.incarnation < assigned.incarnation);
            if stale || !known.contains_key(&place) {
                let report = not_yet_reported(assigned, &assignment.meta.name);
                known.insert(place, report);
            }
        }
    }
    let mut reports = Reports::new();
    for ((replica, node), mut report) in known {
        let lost =
            world.nodes.get(&estate_place(&node)).is_none_or(|node| node.status.phase == NodePhase::Lost);
        let over = matches!(report.phase, ReplicaPhase::Succeeded | ReplicaPhase::Failed);
        if lost && !over {
            report.phase = ReplicaPhase::Lost;
            report.message = format!("{node} is lost");
        }
        reports.entry((replica.kind, replica.project, replica.name)).or_default().push(report);
    }
    reports
}

fn not_yet_reported(assigned: &AssignedReplica, node: &Name) -> ReplicaReport {
    ReplicaReport {
        replica: assigned.replica.clone(),
        incarnation: assigned.incarnation,
        generation: assigned.generation,
        node: node.clone(),
        phase: ReplicaPhase::Assigned,
        pid: None,
        started_at: None,
        restarts: 0,
        last_exit: None,
        ports: assigned.ports.clone(),
        checks: Vec::new(),
        message: "its agent has not reported it yet".to_owned(),
    }
}

/// What the planner looks at.
pub(crate) fn snapshot(world: &World, reports: Reports) -> Snapshot {
    fn owned<S: lepton_model::Spec + Clone>(
        shelf: &BTreeMap<crate::view::Place, Arc<Object<S>>>,
    ) -> Vec<Object<S>> {
        shelf.values().map(|object| Object::clone(object)).collect()
    }
    Snapshot {
        revision: world.revision,
        nodes: owned(&world.nodes),
        services: owned(&world.services),
        jobs: owned(&world.jobs),
        runbooks: owned(&world.runbooks),
        assignments: owned(&world.assignments),
        reports: reports.into_values().flatten().collect(),
        ..Snapshot::default()
    }
}
