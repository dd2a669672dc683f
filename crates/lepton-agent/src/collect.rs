//! Collecting: every source of the machine, sampled into the [`SeriesTable`] once a tick.
//!
//! ```text
//!  /proc, /sys ──pread──► parser (pure, on bytes) ──► slot ──► SeriesTable ──tick──► disk queue
//! ```
//!
//! Names and units are node-exporter's, so that its dashboards and alerts work on Lepton's series. Each file here is
//! one source. A source that cannot be read costs only its own series: `node_scrape_collector_success` says which.

mod cgroups;
mod cpu;
mod disks;
mod filesystems;
mod interrupts;
mod kernel_file;
mod load;
mod network;
mod own;
pub mod pairs;
mod pressure;
mod processes;
mod pulse;
mod sensors;
mod service;
mod shipping;
mod tcp;
mod text;
mod ticker;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lepton_model::Facts;

pub use cgroups::Layout;
pub use pulse::Pulse;
pub use service::Usage;
pub use tcp::listening;
pub use ticker::{Step, Ticker};

use crate::series::SeriesTable;
use crate::ship::ShipCounters;

/// Cores beyond this many are left out.
const MAX_CPUS: usize = 256;

/// Sources that cost more than reading one file are read no more often than this.
const SLOW: Duration = Duration::from_secs(10);

/// What a source writes into, and reads with.
pub struct Sampling<'a> {
    /// Where series are defined and set.
    pub table: &'a mut SeriesTable,
    /// Holds one file at a time; shared by all sources, so that memory is that of the largest file.
    pub buffer: &'a mut Vec<u8>,
}

/// One thing to measure.
pub trait Source: Send {
    /// Its word in `node_scrape_collector_*{collector}`.
    fn name(&self) -> &'static str;

    /// Reads it and sets its series. What is not there on this machine is no error and sets nothing.
    ///
    /// # Errors
    /// What could not be read.
    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()>;

    /// Whether it is read every [`SLOW`] only.
    fn is_slow(&self) -> bool {
        false
    }
}

/// Where the machine's files are: `/proc`, `/sys` and `/`, or where a container sees the host's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roots {
    /// The host's `/proc`.
    pub proc: PathBuf,
    /// The host's `/sys`.
    pub sys: PathBuf,
    /// The host's `/`, for the space of its filesystems.
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), root: "/".into() }
    }
}

struct Entry {
    source: Box<dyn Source>,
    cost: own::Cost,
    due: Option<Instant>,
    failing: bool,
}

/// All sources, and the table they fill.
pub struct Collector {
    table: SeriesTable,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
}

impl Collector {
    /// Every source of the machine at `roots`, of its services, and of the agent's own shipping to `targets`; at most
    /// `max_series` series.
    pub fn new(
        roots: &Roots,
        facts: Facts,
        max_series: usize,
        usage: Option<Usage>,
        targets: Vec<(String, Arc<ShipCounters>)>,
    ) -> Self {
        let Roots { proc, sys, root } = roots;
        let mut sources: Vec<Box<dyn Source>> = vec![
            Box::new(own::Info::new(facts)),
            Box::new(own::Own::new()),
            Box::new(shipping::Shipping::new(targets)),
            Box::new(cpu::Cpu::new(proc)),
            Box::new(load::Words::load(proc)),
            Box::new(load::Words::uptime(proc)),
            Box::new(pressure::Pressure::new(proc)),
            Box::new(pairs::Pairs::meminfo(proc)),
            Box::new(disks::Disks::new(proc)),
            Box::new(network::Traffic::new(proc)),
            Box::new(filesystems::Filesystems::new(proc, root)),
            Box::new(processes::Processes::new(proc)),
        ];
        // Before the wide tables, so that a full table never costs the services their series.
        if let Some(usage) = usage {
            sources.push(Box::new(service::Services::new(usage)));
        }
        let wide: [Box<dyn Source>; 18] = [
            Box::new(pairs::Pairs::sockstat(proc)),
            Box::new(pairs::Pairs::sockstat6(proc)),
            Box::new(pairs::Pairs::snmp(proc)),
            Box::new(pairs::Pairs::netstat(proc)),
            Box::new(pairs::Pairs::snmp6(proc)),
            Box::new(tcp::Tcp::new(proc)),
            Box::new(network::Links::new(sys)),
            Box::new(load::Words::conntrack(proc)),
            Box::new(load::Words::file_handles(proc)),
            Box::new(load::Words::entropy(proc)),
            Box::new(interrupts::PerCore::softnet(proc)),
            Box::new(interrupts::PerCore::schedstat(proc)),
            Box::new(cgroups::Cgroups::new(sys)),
            Box::new(sensors::Sensors::new(sys)),
            Box::new(pairs::Pairs::vmstat(proc)),
            Box::new(interrupts::Cores::softirqs(proc)),
            Box::new(interrupts::Cores::interrupts(proc)),
            Box::new(pairs::Pairs::buddyinfo(proc)),
        ];
        sources.extend(wide);
        sources.push(Box::new(pairs::Pairs::zoneinfo(proc)));
        let mut table = SeriesTable::new(max_series);
        let entries = sources
            .into_iter()
            .map(|source| {
                let cost = own::Cost::new(&mut table, source.name());
                Entry { source, cost, due: None, failing: false }
            })
            .collect();
        Self { table, buffer: Vec::new(), entries }
    }

    /// Samples every source that is due.
    pub fn sample(&mut self, now: Instant) {
        self.table.begin();
        for Entry { source, cost, due, failing } in &mut self.entries {
            if due.is_some_and(|due| now < due) {
                continue;
            }
            if source.is_slow() {
                *due = now.checked_add(SLOW);
            }
            let began = Instant::now();
            let result = source.sample(&mut Sampling { table: &mut self.table, buffer: &mut self.buffer });
            if let (Err(error), false) = (&result, *failing) {
                tracing::warn!(source = source.name(), %error, "cannot be read; its series are missing until it can");
            }
            *failing = result.is_err();
            cost.set(&mut self.table, began.elapsed(), result.is_ok());
        }
    }

    /// The table with the values of the tick that was sampled last.
    pub fn table(&mut self) -> &mut SeriesTable {
        &mut self.table
    }
}

/// Entries of a folder that can be read; none when there is no such folder.
fn folder(path: &Path) -> io::Result<impl Iterator<Item = std::fs::DirEntry> + use<>> {
    match std::fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten().filter_map(Result::ok)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(None.into_iter().flatten().filter_map(Result::ok))
        }
        Err(error) => Err(error),
    }
}

/// Bytes in a page of memory.
fn page_size() -> f64 {
    rustix::param::page_size() as f64
}

/// Clock ticks in a second, the unit of processor time in `/proc`.
fn clock_ticks() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}
