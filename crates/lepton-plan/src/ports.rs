//! Port numbers: fixed ones as written, the others chosen free on the node.

use std::collections::{BTreeMap, BTreeSet};

use lepton_model::{Name, Port};

use crate::Snapshot;
use crate::wanted::Wanted;

/// Numbers the planner chooses from; below Linux's ephemeral range (32768…), above what people use by hand.
pub(crate) const RANGE: std::ops::RangeInclusive<u16> = 20_000..=29_999;

/// Which ports each node has in use.
#[derive(Debug, Default)]
pub(crate) struct PortBook {
    used: BTreeMap<Name, BTreeSet<u16>>,
    /// Numbers that some service fixes; never chosen for another.
    fixed: BTreeSet<u16>,
}

impl PortBook {
    pub(crate) fn new(snapshot: &Snapshot, wanted: &[Wanted<'_>]) -> Self {
        let mut book = Self::default();
        book.fixed.extend(wanted.iter().flat_map(|w| w.ports).filter_map(|port| port.port));
        for node in &snapshot.nodes {
            book.used.entry(node.meta.name.clone()).or_default().extend(&node.status.ports_taken);
        }
        for assignment in &snapshot.assignments {
            let used = book.used.entry(assignment.meta.name.clone()).or_default();
            used.extend(assignment.spec.replicas.iter().flat_map(|replica| replica.ports.values()));
        }
        book
    }

    /// The fixed port that something else has on the node.
    pub(crate) fn conflict(&self, node: &Name, ports: &[Port], current: &BTreeMap<Name, u16>) -> Option<u16> {
        let used = self.used.get(node)?;
        let own = |number: &u16| current.values().any(|port| port == number);
        ports.iter().filter_map(|port| port.port).find(|number| used.contains(number) && !own(number))
    }

    /// Ports of a replica on a node: those it has there already where they still fit, free ones otherwise. What is
    /// taken off the node in the same plan still counts as used: it may need its grace to end.
    pub(crate) fn take(
        &mut self,
        node: &Name,
        ports: &[Port],
        current: Option<&BTreeMap<Name, u16>>,
    ) -> BTreeMap<Name, u16> {
        let used = self.used.entry(node.clone()).or_default();
        let mut taken = BTreeMap::new();
        for port in ports {
            let kept = current.and_then(|c| c.get(&port.name)).copied();
            let kept = kept.filter(|number| RANGE.contains(number) && !self.fixed.contains(number));
            let free = || RANGE.clone().find(|number| !used.contains(number) && !self.fixed.contains(number));
            if let Some(number) = port.port.or(kept).or_else(free) {
                used.insert(number);
                taken.insert(port.name.clone(), number);
            }
        }
        taken
    }
}
