//! What the agent itself puts on the timeline: its link, its queue, its clock.

use std::sync::Arc;

use lepton_model::{Act, Actor, EventId, Key, Kind, Name, Outcome, TimelineEntry};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::supervise::Clock;

/// Makes entries about this node. Never waits: an entry that finds the channel full is logged instead.
#[derive(Debug, Clone)]
pub struct Reporter {
    node: Name,
    clock: Arc<dyn Clock>,
    entries: mpsc::Sender<TimelineEntry>,
}

impl Reporter {
    /// Entries about `node`, into `entries`.
    pub fn new(node: Name, clock: Arc<dyn Clock>, entries: mpsc::Sender<TimelineEntry>) -> Self {
        Self { node, clock, entries }
    }

    /// Puts one on the record.
    pub fn say(&self, act: Act, outcome: Outcome, reason: String, change: Option<(Value, Value)>) {
        let now = self.clock.wall();
        let mut random = [0; 10];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, reason, "no randomness for an id; not on the timeline");
            return;
        }
        let (before, after) = change.unzip();
        let entry = TimelineEntry {
            id: EventId::from_parts(now, random),
            at: now,
            actor: Actor::agent(&self.node),
            act,
            subject: Key::of_estate(Kind::Node, self.node.clone()).into(),
            node: Some(self.node.clone()),
            plan: None,
            reason,
            outcome,
            before,
            after,
        };
        if let Err(error) = self.entries.try_send(entry) {
            tracing::error!(%error, "not on the timeline");
        }
    }
}
