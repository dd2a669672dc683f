//! What the replicas' tasks post for others to read: reports, usage, logs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lepton_model::{LogPolicy, Name, ReplicaName, ReplicaReport};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::procfs::Stat;
use crate::cgroup::Group;
use crate::logs::LogFile;

/// What one replica uses, as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaUsage {
    /// Which.
    pub replica: ReplicaName,
    /// Runs and is healthy.
    pub up: bool,
    /// Restarts since it was placed.
    pub restarts: u32,
    /// Processor time: of all its processes since it was placed where it has a control group, else of its present
    /// process and those that one has waited for.
    pub cpu: Duration,
    /// Memory in bytes: of all its processes without droppable page cache where it has a control group, else resident
    /// memory of its present process.
    pub memory: u64,
    /// Its checks.
    pub checks: Vec<CheckUsage>,
}

/// One check, as of its last probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckUsage {
    /// The check.
    pub name: Name,
    /// Healthy after thresholds.
    pub up: bool,
    /// How long the last probe took.
    pub took: Duration,
}

/// What one task posts.
#[derive(Debug, Clone)]
pub(super) struct Posting {
    pub(super) report: ReplicaReport,
    pub(super) up: bool,
    pub(super) group: Group,
    pub(super) checks: Vec<CheckUsage>,
    pub(super) log: Arc<LogFile>,
    pub(super) log_policy: LogPolicy,
}

/// All postings.
#[derive(Debug, Default)]
pub(super) struct Board {
    postings: Mutex<BTreeMap<ReplicaName, Posting>>,
    changes: watch::Sender<u64>,
}

impl Board {
    pub(super) fn post(&self, posting: Posting) {
        let name = posting.report.replica.clone();
        let mut postings = self.postings.lock();
        let changed = postings.get(&name).is_none_or(|old| differs(&old.report, &posting.report));
        postings.insert(name, posting);
        drop(postings);
        if changed {
            self.changes.send_modify(|version| *version = version.wrapping_add(1));
        }
    }

    pub(super) fn remove(&self, name: &ReplicaName) {
        self.postings.lock().remove(name);
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Waits until every one of these has posted.
    pub(super) async fn all(&self, names: &[ReplicaName]) {
        let mut changes = self.changes();
        while !names.iter().all(|name| self.knows(name)) {
            // Never closed: the sender is here.
            let _ = changes.changed().await;
        }
    }

    pub(super) fn knows(&self, name: &ReplicaName) -> bool {
        self.postings.lock().contains_key(name)
    }

    pub(super) fn reports(&self) -> Vec<ReplicaReport> {
        self.postings.lock().values().map(|p| p.report.clone()).collect()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn log(&self, name: &ReplicaName) -> Option<Arc<LogFile>> {
        self.postings.lock().get(name).map(|p| Arc::clone(&p.log))
    }

    pub(super) fn usage(&self) -> Vec<ReplicaUsage> {
        // Not under the lock while files are read.
        let postings: Vec<Posting> = self.postings.lock().values().cloned().collect();
        postings.into_iter().map(usage).collect()
    }

    /// Blocks while files are copied.
    pub(super) fn rotate_logs(&self) {
        let logs: Vec<(Arc<LogFile>, LogPolicy)> =
            self.postings.lock().values().map(|p| (Arc::clone(&p.log), p.log_policy.clone())).collect();
        for (log, policy) in logs {
            if let Err(error) = log.rotate(&policy) {
                tracing::warn!(?log, %error, "it cannot be rotated");
            }
        }
    }
}

fn usage(posting: Posting) -> ReplicaUsage {
    let Posting { report, up, group, checks, .. } = posting;
    let used = group.usage();
    // Only where the group does not tell.
    let stat = match (used.cpu, used.memory, report.pid) {
        (Some(_), Some(_), _) | (_, _, None) => None,
        (_, _, Some(pid)) => i32::try_from(pid).ok().and_then(Stat::of),
    };
    let cpu = used.cpu.or(stat.map(|s| s.cpu())).unwrap_or_default();
    let memory = used.memory.or(stat.map(|s| s.resident())).unwrap_or_default();
    ReplicaUsage { replica: report.replica, up, restarts: report.restarts, cpu, memory, checks }
}

/// Whether readers should hear of it: not every probe that saw the same again.
fn differs(old: &ReplicaReport, new: &ReplicaReport) -> bool {
    let mut quiet = new.clone();
    for (check, before) in quiet.checks.iter_mut().zip(&old.checks) {
        if check.name == before.name && check.healthy == before.healthy {
            check.at = before.at;
            check.message.clone_from(&before.message);
        }
    }
    *old != quiet
}
