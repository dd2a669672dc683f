//! How the agent's own queue and its shipping fare.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Sampling, Source};
use crate::series::Slot;
use crate::ship::ShipCounters;

/// `lepton_agent_*{target}`
pub struct Shipping {
    targets: Vec<(String, Arc<ShipCounters>, Option<[Slot; 6]>)>,
}

impl Shipping {
    /// Reads the counters of each target.
    pub fn new(targets: Vec<(String, Arc<ShipCounters>)>) -> Self {
        Self { targets: targets.into_iter().map(|(name, counters)| (name, counters, None)).collect() }
    }
}

impl Source for Shipping {
    fn name(&self) -> &'static str {
        "shipping"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        for (target, counters, slots) in &mut self.targets {
            let slots = *slots.get_or_insert_with(|| {
                let labels = [("target", target.as_str())];
                [
                    cx.table.counter("lepton_agent_shipped_total", &labels),
                    cx.table.counter("lepton_agent_refused_total", &labels),
                    cx.table.counter("lepton_agent_send_failures_total", &labels),
                    cx.table.counter("lepton_agent_dropped_records_total", &labels),
                    cx.table.gauge("lepton_agent_backlog_records", &labels),
                    cx.table.gauge("lepton_agent_backlog_bytes", &labels),
                ]
            });
            let ShipCounters { shipped, refused, failures, backlog, backlog_bytes, dropped } = &**counters;
            let counters = [shipped, refused, failures, dropped, backlog, backlog_bytes];
            for (slot, counter) in slots.into_iter().zip(counters) {
                cx.table.set(slot, counter.load(Ordering::Relaxed) as f64);
            }
        }
        Ok(())
    }
}
