//! Memory and processor time of a process and all its descendants.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

/// What a tree of processes has used.
#[derive(Debug, Default, Clone, Copy)]
pub struct Used {
    /// User and system time of all threads.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub rss_mb: f64,
    /// Most resident memory so far.
    pub peak_mb: f64,
}

/// What the tree under `root` has used so far.
pub fn tree(root: u32) -> anyhow::Result<Used> {
    let mut stats = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if let Some((parent, cpu)) = stat(pid) {
            stats.insert(pid, (parent, cpu));
        }
    }
    ensure!(stats.contains_key(&root), "process {root} has ended");
    let mut used = Used::default();
    for (pid, (_, cpu)) in &stats {
        let mut at = *pid;
        while at != root {
            match stats.get(&at) {
                Some((parent, _)) if *parent != 0 => at = *parent,
                _ => break,
            }
        }
        if at == root {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("its status")?;
            used.cpu_seconds += cpu;
            used.rss_mb += kilobytes(&status, "VmRSS:") / 1024.0;
            used.peak_mb += kilobytes(&status, "VmHWM:") / 1024.0;
        }
    }
    Ok(used)
}

/// Parent, and processor seconds including those of children that were waited for.
fn stat(pid: u32) -> Option<(u32, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((fields.get(1)?.parse().ok()?, ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

fn kilobytes(status: &str, key: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
