//! What outlives an agent: the assignment it obeys, and per replica the record of its process.
//!
//! ```text
//! <state>/lock                                 held while an agent lives; see below
//! <state>/assignment.json                      generation and wanted state
//! <state>/replicas/service_default_shop_0/
//!         record.json                          restarts, last exit, what the process was started from
//!         process                              which process: boot id, cookie, and its own /proc/self/stat
//!         data/                                its working folder
//!         log/                                 its output
//! ```
//!
//! **No crash doubles a process.** The record is on disk before the fork. The *child* writes `process` before it becomes
//! the program, so there is no moment in which the program runs and is not on record. Every child between fork and exec holds the
//! folder's lock with its parent, so a new agent cannot open the folder before such children have become
//! programs, and are on record, or have died.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lepton_model::{AssignedReplica, AssignmentSpec, ExitReport, ReplicaName, Timestamp};
use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::restart::Restarts;
use crate::repair::History;

/// A file of the state folder could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct StateError {
    path: String,
    #[source]
    problem: io::Error,
}

impl StateError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |problem| Self { path: path.display().to_string(), problem }
    }

    /// Whether another agent holds the folder.
    pub fn is_in_use(&self) -> bool {
        self.problem.kind() == io::ErrorKind::ResourceBusy
    }
}

/// The wanted state, as kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) generation: u64,
    pub(crate) assignment: AssignmentSpec,
}

/// The state folder, locked.
#[derive(Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
    boot_id: String,
    _lock: File,
}

/// How long an agent waits for the children of a dead one to become programs.
const LOCK_TRIES: u32 = 300;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

impl StateDir {
    /// Opens the folder, made when missing, and locks it. Waits up to three seconds for the lock.
    pub(crate) async fn open(root: PathBuf) -> Result<Self, StateError> {
        make_dir(&root, 0o711).map_err(StateError::at(&root))?;
        make_dir(&root.join("replicas"), 0o711).map_err(StateError::at(&root))?;
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(StateError::at(&path))?;
        let mut tries = 0;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            tries += 1;
            if tries >= LOCK_TRIES || error != rustix::io::Errno::WOULDBLOCK {
                let busy = io::Error::new(io::ErrorKind::ResourceBusy, "another agent uses this folder");
                return Err(StateError::at(&path)(busy));
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        let boot = Path::new("/proc/sys/kernel/random/boot_id");
        let boot_id = fs::read_to_string(boot).map_err(StateError::at(boot))?.trim().to_owned();
        Ok(Self { root, boot_id, _lock: lock })
    }

    pub(crate) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    pub(crate) fn kept(&self) -> Result<Kept, StateError> {
        Ok(read(&self.root.join("assignment.json"))?.unwrap_or_default())
    }

    pub(crate) fn keep(&self, kept: &Kept) -> Result<(), StateError> {
        write(&self.root.join("assignment.json"), kept)
    }

    /// The folder of a replica; names hold no `_`, so no two replicas share one.
    pub(crate) fn replica(&self, name: &ReplicaName) -> ReplicaDir {
        ReplicaDir { path: self.root.join("replicas").join(file_name(name)) }
    }

    /// Every replica that has a record.
    pub(crate) fn replicas(&self) -> Result<Vec<(ReplicaDir, Record)>, StateError> {
        let root = self.root.join("replicas");
        let mut found = Vec::new();
        for entry in fs::read_dir(&root).map_err(StateError::at(&root))? {
            let dir = ReplicaDir { path: entry.map_err(StateError::at(&root))?.path() };
            match dir.record() {
                Ok(Some(record)) => found.push((dir, record)),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "this replica's record is unreadable"),
            }
        }
        Ok(found)
    }
}

/// `service_default_shop_0`
pub(crate) fn file_name(replica: &ReplicaName) -> String {
    let ReplicaName { kind, project, name, ordinal } = replica;
    format!("{kind}_{project}_{name}_{ordinal}")
}

/// One replica's folder.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaDir {
    path: PathBuf,
}

/// What is on record of one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) replica: ReplicaName,
    /// What the present or last process was started from.
    #[serde(default)]
    pub(crate) started_from: Option<AssignedReplica>,
    #[serde(default)]
    pub(crate) restarts: u32,
    /// Starts of a job's copy so far.
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default)]
    pub(crate) last_exit: Option<ExitReport>,
    /// How it ended for good, for this incarnation and specification.
    #[serde(default)]
    pub(crate) finished: Option<Finished>,
    /// Cookie of the last process whose end has been dealt with.
    #[serde(default)]
    pub(crate) ended: Option<Uuid>,
    /// Restarts within the crash loop's window; their times count within `boot_id`.
    #[serde(default)]
    pub(crate) history: Restarts,
    #[serde(default)]
    pub(crate) boot_id: String,
    /// Folders of its control group.
    #[serde(default)]
    pub(crate) groups: Vec<PathBuf>,
    /// Out-of-memory kills in its control group before the process started.
    #[serde(default)]
    pub(crate) out_of_memory_kills: u64,
    /// When the steps of its ladder were used; these times, too, count within `boot_id`.
    #[serde(default)]
    pub(crate) repairs: History,
    /// A runbook that acted and is not yet verified.
    #[serde(default)]
    pub(crate) unverified: Option<Unverified>,
    /// When it was taken off this node.
    #[serde(default)]
    pub(crate) removed_at: Option<Timestamp>,
}

/// A replica that is not started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finished {
    Succeeded,
    Failed,
}

/// A runbook that may still have to be rolled back, should the agent die before it has been verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unverified {
    /// Name of the runbook.
    pub(crate) runbook: String,
    /// What undoes it.
    pub(crate) rollback: lepton_model::CommandStep,
}

impl Record {
    pub(crate) fn new(replica: ReplicaName, boot_id: &str) -> Self {
        Self {
            replica,
            started_from: None,
            restarts: 0,
            attempts: 0,
            last_exit: None,
            finished: None,
            ended: None,
            history: Restarts::default(),
            boot_id: boot_id.to_owned(),
            groups: Vec::new(),
            out_of_memory_kills: 0,
            repairs: History::new(),
            unverified: None,
            removed_at: None,
        }
    }
}

/// Which process runs a replica, as written by the process itself before it became the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// In its environment as `LEPTON_RUN`: tells its descendants from strangers.
    pub(crate) cookie: Uuid,
    pub(crate) pid: i32,
    /// In clock ticks since boot; with the pid, unique within a boot.
    pub(crate) start_ticks: u64,
    pub(crate) started_at: Timestamp,
}

impl ReplicaDir {
    pub(crate) fn error(&self, problem: io::Error) -> StateError {
        StateError::at(&self.path)(problem)
    }

    pub(crate) fn make(&self) -> Result<(), StateError> {
        make_dir(&self.path, 0o711).map_err(StateError::at(&self.path))
    }

    pub(crate) fn record(&self) -> Result<Option<Record>, StateError> {
        read(&self.path.join("record.json"))
    }

    pub(crate) fn store(&self, record: &Record) -> Result<(), StateError> {
        write(&self.path.join("record.json"), record)
    }

    /// The working folder of programs that name none.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// A fresh `process` file, which the child completes.
    pub(crate) fn announce(&self, boot_id: &str, cookie: Uuid, now: Timestamp) -> Result<File, StateError> {
        let path = self.path.join("process");
        let create = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
            file.write_all(format!("{boot_id} {cookie} {}\n", now.as_millis()).as_bytes())?;
            Ok(file)
        };
        create().map_err(StateError::at(&path))
    }

    /// The process on record, if it was started in this boot of the machine.
    pub(crate) fn identity(&self, boot_id: &str) -> Option<Identity> {
        parse_identity(&fs::read_to_string(self.path.join("process")).ok()?, boot_id)
    }

    /// Removes everything: output and data.
    pub(crate) fn purge(&self) -> Result<(), StateError> {
        fs::remove_dir_all(&self.path).map_err(StateError::at(&self.path))
    }
}

fn parse_identity(text: &str, boot_id: &str) -> Option<Identity> {
    let (header, stat) = text.split_once('\n')?;
    let mut header = header.split(' ');
    if header.next()? != boot_id {
        return None;
    }
    let cookie = header.next()?.parse().ok()?;
    let started_at = Timestamp::from_millis(header.next()?.parse().ok()?);
    let stat = super::procfs::Stat::parse(stat)?;
    Some(Identity { cookie, pid: stat.pid, start_ticks: stat.start_ticks, started_at })
}

fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    // Whatever the umask: programs of other users must be able to reach their folders below.
    let permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & mode != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(permissions.mode() | mode))?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| StateError::at(path)(e.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::at(path)(error)),
    }
}

/// Replaces a file: whole and on disk, or not at all.
fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let new = path.with_extension("new");
    let replace = || {
        let bytes = serde_json::to_vec(value)?;
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_data())
    };
    replace().map_err(StateError::at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_back_only_when_whole_and_of_this_boot() {
        let check = |text: &str, expect: Option<(i32, u64)>| {
            let found = parse_identity(text, "boot").map(|i| (i.pid, i.start_ticks));
            assert_eq!(found, expect, "{text:?}");
        };
        let cookie = "01939b1c-6f0e-7b2a-9d3c-1f2e3d4c5b6a";
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 1 0 0 0 7 5 0 0 20 0 1 0 9876 10 20 30";
        check(&format!("boot {cookie} 1000\n{stat}\n"), Some((42, 9876)));
        check(&format!("other {cookie} 1000\n{stat}\n"), None);
        check(&format!("boot {cookie} 1000\n"), None);
        check(&format!("boot {cookie} 1000\n42 (a"), None);
        check(&format!("boot {cookie}\n{stat}"), None);
        check("", None);
    }
}
