//! The supervisor's pen on the timeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lepton_model::{Act, Actor, EventId, Name, Outcome, PlanId, ReplicaName, TimelineEntry};
use tokio::sync::mpsc;

use super::Clock;

/// Writes timeline entries. Never blocks: supervising goes on when the queue behind it is stuck, and what was then left out
/// is counted on the next entry.
#[derive(Debug)]
pub(crate) struct Journal {
    node: Name,
    clock: Arc<dyn Clock>,
    events: mpsc::Sender<TimelineEntry>,
    dropped: AtomicU64,
}

impl Journal {
    pub(crate) fn new(node: Name, clock: Arc<dyn Clock>, events: mpsc::Sender<TimelineEntry>) -> Self {
        Self { node, clock, events, dropped: AtomicU64::new(0) }
    }

    /// Writes one entry about a replica.
    pub(crate) fn write(
        &self,
        replica: &ReplicaName,
        plan: Option<PlanId>,
        act: Act,
        outcome: Outcome,
        reason: impl Into<String>,
    ) {
        let mut random = [0; 10];
        // Without randomness the id is still unique but for two entries in one millisecond.
        let _ = getrandom::fill(&mut random);
        let at = self.clock.wall();
        let mut reason = reason.into();
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            reason.push_str(&format!(" ({dropped} earlier entries were lost: the queue was full)"));
        }
        tracing::info!(%replica, ?act, ?outcome, %reason);
        let entry = TimelineEntry {
            id: EventId::from_parts(at, random),
            at,
            actor: Actor::agent(&self.node),
            act,
            subject: replica.clone().into(),
            node: Some(self.node.clone()),
            plan,
            reason,
            outcome,
            before: None,
            after: None,
        };
        match self.events.try_send(entry) {
            Ok(()) => {
                self.dropped.fetch_sub(dropped, Ordering::Relaxed);
            }
            Err(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
