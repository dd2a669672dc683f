//! What each supervised replica uses and whether its checks pass, as the supervisor knows it.

use std::io;
use std::sync::Arc;

use super::{Sampling, Source};
use crate::series::Rows;
use crate::supervise::ReplicaUsage;

/// Replicas beyond this many are left out of the series; they are supervised all the same.
const MAX_REPLICAS: usize = 256;

/// Asks who supervises what the replicas use, all of them. Called from the collector's thread once a tick; must not wait.
pub type Usage = Arc<dyn Fn() -> Vec<ReplicaUsage> + Send + Sync>;

/// `lepton_service_*{project,service,replica}` and `lepton_check_*{…,check}`
pub struct Services {
    usage: Usage,
    replicas: Rows<4>,
    checks: Rows<2>,
}

impl Services {
    /// Asks `usage` at every tick.
    pub fn new(usage: Usage) -> Self {
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
        for usage in (self.usage)() {
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
            table.set(cpu, usage.cpu.as_secs_f64());
            table.set(memory, usage.memory as f64);
            table.set(up, f64::from(u8::from(usage.up)));
            table.set(restarts, f64::from(usage.restarts));
            for check in usage.checks {
                let [project, service, replica] = labels;
                let labels = [project, service, replica, ("check", check.name.as_str())];
                let [up, seconds] =
                    self.checks.slots(format!("{name}\n{}", check.name).as_bytes(), table, |table| {
                        ["lepton_check_up", "lepton_check_duration_seconds"]
                            .map(|name| table.gauge(name, &labels))
                    });
                table.set(up, f64::from(u8::from(check.up)));
                table.set(seconds, check.took.as_secs_f64());
            }
        }
        self.replicas.finish(table);
        self.checks.finish(table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::supervise::CheckUsage;
    use lepton_model::{Key, Kind, Name, ReplicaName};
    use std::time::Duration;

    #[test]
    fn each_replica_and_check_is_a_few_series() {
        let name = |text: &str| Name::new(text).unwrap();
        let replica = ReplicaName {
            kind: Kind::Service,
            project: Key::default_project(),
            name: name("shop"),
            ordinal: 1,
        };
        let usage = ReplicaUsage {
            replica,
            up: true,
            restarts: 2,
            cpu: Duration::from_millis(1_500),
            memory: 4096,
            checks: vec![CheckUsage { name: name("http"), up: false, took: Duration::from_millis(20) }],
        };
        let mut services = Services::new(Arc::new(move || vec![usage.clone()]));
        let mut table = crate::series::SeriesTable::new(10);
        services.sample(&mut Sampling { table: &mut table, buffer: &mut Vec::new() }).unwrap();
        assert_eq!(table.values(), [1.5, 4096.0, 1.0, 2.0, 0.0, 0.02]);
        let labels: Vec<_> = table.texts().iter().flatten().last().unwrap().labels().collect();
        assert_eq!(
            labels,
            [("check", "http"), ("project", "default"), ("replica", "1"), ("service", "shop")]
        );
    }
}
