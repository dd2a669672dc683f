//! Which replicas take a new generation now, so that a service stays up while it changes.

use lepton_model::{AssignedReplica, ReplicaPhase, ReplicaReport};

/// A replica of one service on its node, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running<'a> {
    pub ordinal: u32,
    pub assigned: &'a AssignedReplica,
    pub report: Option<&'a ReplicaReport>,
    /// Whether it would run differently under the wanted spec.
    pub outdated: bool,
}

impl Running<'_> {
    /// Serving, and what its assignment says.
    fn available(&self) -> bool {
        self.report.is_some_and(|report| {
            report.phase == ReplicaPhase::Running
                && report.incarnation == self.assigned.incarnation
                && report.generation >= self.assigned.generation
        })
    }
}

/// Ordinals to update now: every outdated replica that does not serve anyway, then serving ones while no more than
/// `max_unavailable` of the service are down, missing replicas counted.
pub(crate) fn next(replicas: &[Running<'_>], missing: u32, max_unavailable: u32) -> Vec<u32> {
    let down = replicas.iter().filter(|replica| !replica.available()).count();
    let down = u32::try_from(down).unwrap_or(u32::MAX).saturating_add(missing);
    let spare = usize::try_from(max_unavailable.saturating_sub(down)).unwrap_or(usize::MAX);
    let outdated = || replicas.iter().filter(|replica| replica.outdated);
    let idle = outdated().filter(|replica| !replica.available());
    let serving = outdated().filter(|replica| replica.available()).take(spare);
    idle.chain(serving).map(|replica| replica.ordinal).collect()
}
