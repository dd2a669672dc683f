//! One replica's group: in one folder per hierarchy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lepton_model::Resources;

use super::Version;

/// Period over which processor time is rationed; the kernel's own default.
const CPU_PERIOD_MICROS: u64 = 100_000;
/// The kernel takes no smaller ration.
const CPU_QUOTA_MIN_MICROS: u64 = 1_000;

/// A replica's control group. Empty where the machine permits none.
#[derive(Debug, Clone, Default)]
pub struct Group {
    dirs: Vec<Dir>,
}

#[derive(Debug, Clone)]
struct Dir {
    path: PathBuf,
    version: Version,
    controllers: Vec<String>,
}

/// What a group has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GroupUsage {
    /// Processor time of all its processes since it was made; absent without a controller for it.
    pub cpu: Option<Duration>,
    /// Memory in bytes, without page cache that the kernel can drop at once.
    pub memory: Option<u64>,
}

impl Group {
    pub(super) fn add(&mut self, path: PathBuf, version: Version, controllers: &[String]) {
        self.dirs.push(Dir { path, version, controllers: controllers.to_vec() });
    }

    /// Groups that an earlier agent made, from its record.
    pub(crate) fn reopen(paths: &[PathBuf]) -> Self {
        let dir = |path: &PathBuf| {
            let version = if path.join("cgroup.events").exists() { Version::V2 } else { Version::V1 };
            let has = |file: &str| path.join(file).exists();
            let controllers = [
                ("memory", has("memory.current") || has("memory.usage_in_bytes")),
                ("cpu", has("cpu.max") || has("cpu.cfs_quota_us")),
                ("cpuacct", has("cpuacct.usage")),
                ("pids", has("pids.max")),
            ];
            let controllers = controllers.into_iter().filter(|c| c.1).map(|c| c.0.to_owned()).collect();
            Dir { path: path.clone(), version, controllers }
        };
        Self { dirs: paths.iter().filter(|p| p.is_dir()).map(dir).collect() }
    }

    /// Its folders, for the record.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|d| d.path.clone()).collect()
    }

    /// Whether there is any.
    pub(crate) fn exists(&self) -> bool {
        !self.dirs.is_empty()
    }

    fn with(&self, controller: &str) -> Option<&Dir> {
        self.dirs.iter().find(|d| d.controllers.iter().any(|c| c == controller))
    }

    /// Sets limits, lifting those that are not asked for; returns what could not be applied.
    pub(super) fn limit(&self, limits: &Resources) -> Vec<String> {
        let mut notes = Vec::new();
        let mut apply = |what: &str, asked: bool, set: io::Result<()>| {
            if let (true, Err(error)) = (asked, set) {
                notes.push(format!("limits.{what} is not enforced: {error}"));
            }
        };
        apply("memory", limits.memory.get() > 0, self.limit_memory(limits.memory.get()));
        apply("cpu", limits.cpu.as_millis() > 0, self.limit_cpu(limits.cpu.as_millis()));
        let pids = limits.other.iter().find(|(name, _)| name.as_str() == "pids").map(|(_, &n)| n);
        apply("pids", pids.is_some(), self.limit_pids(pids));
        if limits.disk.get() > 0 {
            notes.push("limits.disk is not enforced: no quota on this file system".to_owned());
        }
        notes
    }

    fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        let dir = self.with("memory").ok_or_else(|| missing("memory"))?;
        match dir.version {
            Version::V2 => {
                set(&dir.path, "memory.max", &or_max(bytes))?;
                // Without these, what memory.max refuses would go to swap, and one process of several would be killed.
                let _ = set(&dir.path, "memory.swap.max", if bytes == 0 { "max" } else { "0" });
                let _ = set(&dir.path, "memory.oom.group", "1");
                Ok(())
            }
            Version::V1 => {
                let value = if bytes == 0 { "-1".to_owned() } else { bytes.to_string() };
                // memory + swap must never be below memory, so the order depends on the direction: one of the two
                // orders succeeds. Kernels without swap accounting have only the first file.
                let first = set(&dir.path, "memory.limit_in_bytes", &value);
                let _ = set(&dir.path, "memory.memsw.limit_in_bytes", &value);
                first.or_else(|_| set(&dir.path, "memory.limit_in_bytes", &value))
            }
        }
    }

    fn limit_cpu(&self, millis: u64) -> io::Result<()> {
        let dir = self.with("cpu").ok_or_else(|| missing("cpu"))?;
        let quota = millis.saturating_mul(CPU_PERIOD_MICROS / 1_000).max(CPU_QUOTA_MIN_MICROS);
        match (dir.version, millis) {
            (Version::V2, 0) => set(&dir.path, "cpu.max", "max"),
            (Version::V2, _) => set(&dir.path, "cpu.max", &format!("{quota} {CPU_PERIOD_MICROS}")),
            (Version::V1, 0) => set(&dir.path, "cpu.cfs_quota_us", "-1"),
            (Version::V1, _) => {
                set(&dir.path, "cpu.cfs_period_us", &CPU_PERIOD_MICROS.to_string())?;
                set(&dir.path, "cpu.cfs_quota_us", &quota.to_string())
            }
        }
    }

    fn limit_pids(&self, most: Option<u64>) -> io::Result<()> {
        let dir = self.with("pids").ok_or_else(|| missing("pids"))?;
        set(&dir.path, "pids.max", &most.map_or_else(|| "max".to_owned(), |n| n.to_string()))
    }

    /// Open handles through which a new process joins by writing `0`.
    pub(crate) fn entrances(&self) -> io::Result<Vec<fs::File>> {
        let open = |dir: &Dir| fs::OpenOptions::new().write(true).open(dir.path.join("cgroup.procs"));
        self.dirs.iter().map(open).collect()
    }

    /// Every process in it.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let mut all: Vec<i32> = Vec::new();
        for dir in &self.dirs {
            let procs = fs::read_to_string(dir.path.join("cgroup.procs")).unwrap_or_default();
            // 0 stands for a process of another pid namespace, which no signal of ours could mean.
            all.extend(procs.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|&pid| pid > 0));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Kills everything in it at once, where the kernel can (v2, since 5.14).
    pub(crate) fn kill(&self) -> bool {
        self.dirs.iter().any(|d| d.version == Version::V2 && set(&d.path, "cgroup.kill", "1").is_ok())
    }

    /// How often the kernel's out-of-memory killer has struck in it.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let Some(dir) = self.with("memory") else { return 0 };
        let file = match dir.version {
            Version::V2 => "memory.events",
            Version::V1 => "memory.oom_control",
        };
        keyed(&dir.path.join(file), "oom_kill").unwrap_or(0)
    }

    /// What it has used so far.
    pub fn usage(&self) -> GroupUsage {
        GroupUsage { cpu: self.cpu(), memory: self.memory() }
    }

    fn cpu(&self) -> Option<Duration> {
        let micros = |d: &&Dir| d.version == Version::V2 && d.path.join("cpu.stat").exists();
        if let Some(dir) = self.with("cpuacct").filter(|d| d.version == Version::V1) {
            return number(&dir.path.join("cpuacct.usage")).map(Duration::from_nanos);
        }
        let dir = self.dirs.iter().find(micros)?;
        keyed(&dir.path.join("cpu.stat"), "usage_usec").map(Duration::from_micros)
    }

    fn memory(&self) -> Option<u64> {
        let dir = self.with("memory")?;
        let (current, droppable) = match dir.version {
            Version::V2 => ("memory.current", "inactive_file"),
            Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
        };
        let used = number(&dir.path.join(current))?;
        let cache = keyed(&dir.path.join("memory.stat"), droppable).unwrap_or(0);
        Some(used.saturating_sub(cache))
    }

    /// Removes it; works once its last process is gone.
    pub(crate) fn remove(&self) {
        for dir in &self.dirs {
            let _ = fs::remove_dir(&dir.path);
        }
    }
}

fn missing(controller: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("no {controller} controller is available here"))
}

fn or_max(value: u64) -> String {
    if value == 0 { "max".to_owned() } else { value.to_string() }
}

/// Writes an existing control file; never makes one.
fn set(dir: &Path, file: &str, value: &str) -> io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new().write(true).open(dir.join(file))?.write_all(value.as_bytes())
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number after `key ` in a file of `key number` lines.
fn keyed(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}
