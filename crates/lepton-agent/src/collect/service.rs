//! What each supervised replica uses and whether its checks pass, as the supervisor knows it.

use std::io;
use std::sync::Arc;

use super::{Sampling, Source};
use crate::series::Rows;

/// Replicas beyond this many are left out of the series; they are supervised all the same.
const MAX_REPLICAS: usize = 256;

/// One check of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckUsage {
    /// The check's name.
    pub name: String,
    /// Whether it passes, after its thresholds.
    pub up: bool,
    /// How long its last probe took, in seconds.
    pub seconds: Option<f64>,
}

/// One replica.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaUsage {
    /// Which.
    pub replica: lepton_model::ReplicaName,
    /// Processor seconds since it was placed; absent when its process does not run.
    pub cpu_seconds: Option<f64>,
    /// Bytes in memory; absent when its process does not run.
    pub memory_bytes: Option<f64>,
    /// Whether it runs and is healthy.
    pub up: bool,
    /// Restarts since it was placed.
    pub restarts: u32,
    /// Its checks.
    pub checks: Vec<CheckUsage>,
}

/// Who knows what the replicas use.
pub trait UsageSource: Send + Sync {
    /// All of them, now. Called from the collector's thread once a tick; must not wait.
    fn usage(&self) -> Vec<ReplicaUsage>;
}

/// `lepton_service_*{project,service,replica}` and `lepton_check_*{…,check}`
pub struct Services {
    usage: Arc<dyn UsageSource>,
    replicas: Rows<4>,
    checks: Rows<2>,
}

impl Services {
    /// Asks `usage` at every tick.
    pub fn new(usage: Arc<dyn UsageSource>) -> Self {
        Self { usage, replicas: Rows::new(MAX_REPLICAS), checks: Rows::new(MAX_REPLICAS * 2) }
    }
}

impl Source for Services {
    fn name(&self) -> &'static str {
        "services"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let table = &mut *cx.table;
        self.replicas.begin();
        self.checks.begin();
        for usage in self.usage.usage() {
            let (name, ordinal) = (usage.replica.to_string(), usage.replica.ordinal.to_string());
            let labels = [
                ("project", usage.replica.project.as_str()),
                ("service", usage.replica.name.as_str()),
                ("replica", &ordinal),
            ];
            let [cpu, memory, up, restarts] = self.replicas.slots(name.as_bytes(), table, |table| {
                [
                    table.counter("lepton_service_cpu_seconds_total", &labels),
                    table.gauge("lepton_service_memory_bytes", &labels),
                    table.gauge("lepton_service_up", &labels),
                    table.counter("lepton_service_restarts_total", &labels),
                ]
            });
            for (slot, value) in [(cpu, usage.cpu_seconds), (memory, usage.memory_bytes)] {
                if let Some(value) = value {
                    table.set(slot, value);
                }
            }
            table.set(up, f64::from(u8::from(usage.up)));
            table.set(restarts, f64::from(usage.restarts));
            for check in usage.checks {
                let [project, service, replica] = labels;
                let labels = [project, service, replica, ("check", check.name.as_str())];
                let [up, seconds] = self.checks.slots(format!("{name}\n{}", check.name).as_bytes(), table, |table| {
                    ["lepton_check_up", "lepton_check_duration_seconds"].map(|name| table.gauge(name, &labels))
                });
                table.set(up, f64::from(u8::from(check.up)));
                if let Some(value) = check.seconds {
                    table.set(seconds, value);
                }
            }
        }
        self.replicas.finish(table);
        self.checks.finish(table);
        Ok(())
    }
}
