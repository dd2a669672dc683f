//! What each control group uses, under cAdvisor's names (`container_*{id}`), of cgroup v2, v1 and both side by side.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::Rows;

/// Groups beyond this many are left out.
const MAX_GROUPS: usize = 48;

/// `/system.slice/ssh.service` is two deep, a pod's container four.
const MAX_DEPTH: usize = 4;

/// How control groups are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One tree.
    V2,
    /// One tree per controller.
    V1,
    /// One tree per controller, and one without controllers.
    Hybrid,
    /// Not mounted, or not for us.
    None,
}

impl Layout {
    /// Looks below `{sys}/fs/cgroup`.
    pub fn find(sys: &Path) -> Self {
        let root = sys.join("fs/cgroup");
        let (v2, unified) = (root.join("cgroup.controllers"), root.join("unified/cgroup.controllers"));
        match (v2.exists(), unified.exists(), root.join("memory").is_dir() || root.join("cpu").is_dir()) {
            (true, ..) => Self::V2,
            (_, true, true) => Self::Hybrid,
            (_, _, true) => Self::V1,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "v2",
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::None => "none",
        })
    }
}

const COUNTERS: usize = 7;

const NAMES: [&str; 12] = [
    "container_cpu_usage_seconds_total",
    "container_cpu_user_seconds_total",
    "container_cpu_system_seconds_total",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_cpu_cfs_throttled_seconds_total",
    "container_oom_events_total",
    "container_memory_usage_bytes",
    "container_memory_rss",
    "container_memory_cache",
    "container_memory_working_set_bytes",
    "container_processes",
];

/// What one group uses, in the order of [`NAMES`].
type Usage = [Option<f64>; 12];

/// The number after `key` in a file of `key number` lines.
pub fn field(bytes: &[u8], key: &[u8]) -> Option<f64> {
    text::lines(bytes).find_map(|line| {
        let (name, value) = text::split_once(line, b' ')?;
        (name == key).then(|| text::number(value.trim_ascii()))?
    })
}

/// Reads small files of a group.
struct Reader<'a> {
    buffer: &'a mut Vec<u8>,
}

impl Reader<'_> {
    fn number(&mut self, path: &Path) -> Option<f64> {
        let bytes = KernelFile::new(path).read(self.buffer).ok().flatten()?;
        text::number(bytes.trim_ascii())
    }

    fn fields<const N: usize>(&mut self, path: &Path, keys: [&str; N]) -> [Option<f64>; N] {
        match KernelFile::new(path).read(self.buffer) {
            Ok(Some(bytes)) => keys.map(|key| field(bytes, key.as_bytes())),
            _ => [None; N],
        }
    }

    fn v2(&mut self, group: &Path) -> Usage {
        let [usage, user, system, periods, throttled, waited] = self.fields(
            &group.join("cpu.stat"),
            ["usage_usec", "user_usec", "system_usec", "nr_periods", "nr_throttled", "throttled_usec"],
        );
        let [anon, file, inactive] =
            self.fields(&group.join("memory.stat"), ["anon", "file", "inactive_file"]);
        let [killed] = self.fields(&group.join("memory.events"), ["oom_kill"]);
        let memory = self.number(&group.join("memory.current"));
        let micro = |n: Option<f64>| n.map(|n| n / 1e6);
        [
            micro(usage),
            micro(user),
            micro(system),
            periods,
            throttled,
            micro(waited),
            killed,
            memory,
            anon,
            file,
            working_set(memory, inactive),
            self.number(&group.join("pids.current")),
        ]
    }

    fn v1(&mut self, root: &Path, id: &str) -> Usage {
        let group = |controller: &str| root.join(controller).join(id.trim_start_matches('/'));
        let (accounting, cpu, memory) = (group("cpuacct"), group("cpu"), group("memory"));
        let [user, system] = self.fields(&accounting.join("cpuacct.stat"), ["user", "system"]);
        let [periods, throttled, waited] =
            self.fields(&cpu.join("cpu.stat"), ["nr_periods", "nr_throttled", "throttled_time"]);
        let [rss, cache, inactive] =
            self.fields(&memory.join("memory.stat"), ["total_rss", "total_cache", "total_inactive_file"]);
        let [killed] = self.fields(&memory.join("memory.oom_control"), ["oom_kill"]);
        let used = self.number(&memory.join("memory.usage_in_bytes"));
        let ticks = |n: Option<f64>| n.map(|n| n / super::clock_ticks());
        [
            self.number(&accounting.join("cpuacct.usage")).map(|ns| ns / 1e9),
            ticks(user),
            ticks(system),
            periods,
            throttled,
            waited.map(|ns| ns / 1e9),
            killed,
            used,
            rss,
            cache,
            working_set(used, inactive),
            self.number(&group("pids").join("pids.current")),
        ]
    }
}

fn working_set(used: Option<f64>, inactive: Option<f64>) -> Option<f64> {
    Some((used? - inactive?).max(0.0))
}

/// `container_*{id}`
pub struct Cgroups {
    layout: Layout,
    root: PathBuf,
    rows: Rows<12>,
}

impl Cgroups {
    /// Reads below `{sys}/fs/cgroup`.
    pub fn new(sys: &Path) -> Self {
        Self { layout: Layout::find(sys), root: sys.join("fs/cgroup"), rows: Rows::new(MAX_GROUPS) }
    }

    /// Paths of the groups, `/` apart, at most [`MAX_GROUPS`], the shallow ones first.
    fn groups(&self) -> BTreeSet<String> {
        let trees: &[&str] = match self.layout {
            Layout::None => &[],
            Layout::V2 => &[""],
            Layout::V1 | Layout::Hybrid => &["cpuacct", "memory", "pids"],
        };
        let mut found = BTreeSet::new();
        let mut level: Vec<String> = vec![String::new()];
        for _ in 0..MAX_DEPTH {
            let mut next = BTreeSet::new();
            for tree in trees {
                for id in &level {
                    let path = self.root.join(tree).join(id.trim_start_matches('/'));
                    for entry in super::folder(&path).into_iter().flatten() {
                        let is_group = entry.file_type().is_ok_and(|kind| kind.is_dir());
                        if is_group && found.len() + next.len() < MAX_GROUPS {
                            next.insert(format!("{id}/{}", entry.file_name().to_string_lossy()));
                        }
                    }
                }
            }
            level = next.into_iter().filter(|id| found.insert(id.clone())).collect();
        }
        found
    }
}

impl Source for Cgroups {
    fn name(&self) -> &'static str {
        "cgroups"
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let groups = self.groups();
        self.rows.begin();
        for id in groups {
            let mut reader = Reader { buffer: cx.buffer };
            let usage = match self.layout {
                Layout::V2 => reader.v2(&self.root.join(id.trim_start_matches('/'))),
                _ => reader.v1(&self.root, &id),
            };
            let slots = self.rows.slots(id.as_bytes(), cx.table, |table| {
                let mut at = 0;
                NAMES.map(|name| {
                    at += 1;
                    let labels = [("id", id.as_str())];
                    if at <= COUNTERS { table.counter(name, &labels) } else { table.gauge(name, &labels) }
                })
            });
            for (slot, value) in slots.into_iter().zip(usage) {
                if let Some(value) = value {
                    cx.table.set(slot, value);
                }
            }
        }
        self.rows.finish(cx.table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = sys.path().join("fs/cgroup").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        sys
    }

    fn check(sys: &Path, layout: Layout, expect: &[(&str, &str, f64)]) {
        let mut cgroups = Cgroups::new(sys);
        assert_eq!(cgroups.layout, layout);
        let mut table = crate::series::SeriesTable::new(100);
        cgroups.sample(&mut Sampling { table: &mut table, buffer: &mut Vec::new() }).unwrap();
        let series = table.texts().iter().flatten().zip(table.values());
        let found: Vec<_> = series
            .filter(|(_, value)| !crate::series::is_absent(**value))
            .map(|(text, value)| (text.labels().next().unwrap().1, text.name(), *value))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn version_2() {
        let sys = tree(&[
            ("cgroup.controllers", "cpu memory"),
            ("system.slice/cpu.stat", "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\n"),
            ("system.slice/memory.current", "5000\n"),
            ("system.slice/memory.stat", "anon 100\nfile 4000\ninactive_file 1000\n"),
            ("system.slice/ssh.service/pids.current", "2\n"),
        ]);
        check(
            sys.path(),
            Layout::V2,
            &[
                ("/system.slice", "container_cpu_usage_seconds_total", 3.0),
                ("/system.slice", "container_cpu_user_seconds_total", 2.0),
                ("/system.slice", "container_cpu_system_seconds_total", 1.0),
                ("/system.slice", "container_memory_usage_bytes", 5000.0),
                ("/system.slice", "container_memory_rss", 100.0),
                ("/system.slice", "container_memory_cache", 4000.0),
                ("/system.slice", "container_memory_working_set_bytes", 4000.0),
                ("/system.slice/ssh.service", "container_processes", 2.0),
            ],
        );
    }

    #[test]
    fn version_1_with_and_without_the_unified_tree() {
        let files = [
            ("memory/db/memory.usage_in_bytes", "700\n"),
            ("memory/db/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ("cpuacct/db/cpuacct.usage", "1500000000\n"),
            ("pids/web/pids.current", "9\n"),
        ];
        let expect = [
            ("/db", "container_cpu_usage_seconds_total", 1.5),
            ("/db", "container_oom_events_total", 3.0),
            ("/db", "container_memory_usage_bytes", 700.0),
            ("/web", "container_processes", 9.0),
        ];
        check(tree(&files).path(), Layout::V1, &expect);
        let hybrid = [files.as_slice(), &[("unified/cgroup.controllers", "")]].concat();
        check(tree(&hybrid).path(), Layout::Hybrid, &expect);
        check(tree(&[]).path(), Layout::None, &[]);
    }
}
