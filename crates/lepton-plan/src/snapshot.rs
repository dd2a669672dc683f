//! What a plan is made from.

use std::collections::BTreeMap;

use lepton_model::{
    AssignedReplica, AssignmentSpec, Currency, JobSpec, Name, NodePhase, NodeSpec, Object, ReplicaName,
    ReplicaReport, RunbookSpec, ServiceSpec,
};

use crate::NodePrice;

/// The estate at one store revision, with the liveness of its nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Store revision.
    pub revision: u64,
    /// Nodes; `status.phase` says who is lost.
    pub nodes: Vec<Object<NodeSpec>>,
    /// Services.
    pub services: Vec<Object<ServiceSpec>>,
    /// Jobs; one whose `status.phase` is final for its generation is not run again.
    pub jobs: Vec<Object<JobSpec>>,
    /// Runbooks.
    pub runbooks: Vec<Object<RunbookSpec>>,
    /// What each node was last told to run.
    pub assignments: Vec<Object<AssignmentSpec>>,
    /// What agents last reported of replicas.
    pub reports: Vec<ReplicaReport>,
    /// What nodes cost, where that is known.
    pub prices: BTreeMap<Name, NodePrice>,
    /// Currency of the prices; US dollars when absent.
    pub currency: Option<Currency>,
}

/// An assigned replica and its node.
pub(crate) type Assigned<'a> = (&'a Name, &'a AssignedReplica);

impl Snapshot {
    /// Assigned replicas by name. Two nodes may hold one: the first to be stopped, the second to carry on.
    pub(crate) fn assigned(&self) -> BTreeMap<&ReplicaName, Vec<Assigned<'_>>> {
        let mut all: BTreeMap<&ReplicaName, Vec<Assigned<'_>>> = BTreeMap::new();
        for assignment in &self.assignments {
            for replica in &assignment.spec.replicas {
                all.entry(&replica.replica).or_default().push((&assignment.meta.name, replica));
            }
        }
        for places in all.values_mut() {
            places.sort_by_key(|(_, replica)| std::cmp::Reverse(replica.incarnation));
        }
        all
    }

    pub(crate) fn node(&self, name: &Name) -> Option<&Object<NodeSpec>> {
        self.nodes.iter().find(|node| node.meta.name == *name)
    }

    pub(crate) fn is_ready(&self, name: &Name) -> bool {
        self.node(name).is_some_and(|node| node.status.phase == NodePhase::Ready)
    }

    /// The report of a replica's placement on a node.
    pub(crate) fn report(&self, replica: &ReplicaName, node: &Name) -> Option<&ReplicaReport> {
        self.reports.iter().find(|report| report.replica == *replica && report.node == *node)
    }
}
