//! What the agent says of itself: memory, processor time, open files, and what each of its sources cost.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::kernel_file::KernelFile;
use super::{Sampling, Source, processes};
use crate::series::{SeriesTable, Slot};

/// `process_*`, as every Prometheus client library names them
pub struct Own {
    stat: KernelFile,
    slots: Option<[Slot; 3]>,
}

impl Own {
    /// Reads `/proc/self/stat`: always this process, whatever `/proc` the host's is.
    pub fn new() -> Self {
        Self { stat: KernelFile::new(Path::new("/proc/self/stat")), slots: None }
    }
}

impl Source for Own {
    fn name(&self) -> &'static str {
        "own"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Some(stat) = self.stat.read(cx.buffer)?.and_then(processes::parse) else { return Ok(()) };
        let [cpu, memory, threads] = *self.slots.get_or_insert_with(|| {
            [
                cx.table.counter("process_cpu_seconds_total", &[]),
                cx.table.gauge("process_resident_memory_bytes", &[]),
                cx.table.gauge("process_threads", &[]),
            ]
        });
        cx.table.set(cpu, stat.ticks.iter().sum::<f64>() / super::clock_ticks());
        cx.table.set(memory, stat.pages * super::page_size());
        cx.table.set(threads, stat.threads);
        Ok(())
    }
}

/// What a source cost, as node-exporter says it: `node_scrape_collector_{duration_seconds,success}{collector}`.
pub struct Cost {
    duration: Slot,
    success: Slot,
}

impl Cost {
    /// The two series of source `name`.
    pub fn new(table: &mut SeriesTable, name: &str) -> Self {
        Self {
            duration: table.gauge("node_scrape_collector_duration_seconds", &[("collector", name)]),
            success: table.gauge("node_scrape_collector_success", &[("collector", name)]),
        }
    }

    /// What it took, and whether it could read.
    pub fn set(&self, table: &mut SeriesTable, took: Duration, success: bool) {
        table.set(self.duration, took.as_secs_f64());
        table.set(self.success, f64::from(u8::from(success)));
    }
}

/// `node_uname_info` and `node_os_info`: constants that dashboards join on.
pub struct Info {
    slots: Option<[Slot; 2]>,
    facts: lepton_model::Facts,
}

impl Info {
    /// Says what `facts` hold.
    pub fn new(facts: lepton_model::Facts) -> Self {
        Self { slots: None, facts }
    }
}

impl Source for Info {
    fn name(&self) -> &'static str {
        "uname"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let facts = &self.facts;
        let slots = *self.slots.get_or_insert_with(|| {
            let uname = [
                ("nodename", facts.hostname.as_str()),
                ("release", &facts.kernel),
                ("machine", &facts.architecture),
                ("sysname", "Linux"),
            ];
            [
                cx.table.gauge("node_uname_info", &uname),
                cx.table.gauge("node_os_info", &[("pretty_name", &facts.os)]),
            ]
        });
        slots.into_iter().for_each(|slot| cx.table.set(slot, 1.0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_known() {
        let mut table = SeriesTable::new(10);
        let mut own = Own::new();
        let sampled = own.sample(&mut Sampling { table: &mut table, buffer: &mut Vec::new() });
        assert!(sampled.is_ok());
        let memory = table.values().get(1).copied().unwrap_or_default();
        assert!(memory > 100_000.0, "{memory}");
    }
}
