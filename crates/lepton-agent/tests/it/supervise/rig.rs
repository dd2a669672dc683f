//! A supervisor in a folder of its own, and what is needed to watch it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lepton_agent::supervise::{Clock, Contact, Supervisor, SupervisorConfig, SystemClock};
use lepton_model::{
    Act, AssignedReplica, AssignmentSpec, Kind, Name, Outcome, PartitionPolicy, Period, ReplicaName,
    ReplicaPhase, ReplicaReport, ReplicaSpec, RestartPolicy, RunKind, RunbookSpec, TimelineEntry,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;

/// Bound of every wait. Generous, because these machines are shared; nothing measures time with it.
pub const BOUND: Duration = Duration::from_secs(30);

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn replica(service: &str) -> ReplicaName {
    ReplicaName { kind: Kind::Service, project: name("default"), name: name(service), ordinal: 0 }
}

/// A service that runs a shell script, and is never repaired.
pub fn service(service: &str, script: &str) -> AssignedReplica {
    let run = RunKind::Service {
        restart: RestartPolicy::default(),
        startup: Period::from_secs(20),
        repair: Vec::new(),
        partition: PartitionPolicy::Keep,
    };
    assigned(replica(service), &["/bin/sh", "-c", script], run)
}

pub fn job(job: &str, script: &str, attempts: u32, deadline: Option<Period>) -> AssignedReplica {
    let name = ReplicaName { kind: Kind::Job, ..replica(job) };
    assigned(name, &["/bin/sh", "-c", script], RunKind::Job { attempts, deadline })
}

fn assigned(replica: ReplicaName, command: &[&str], run: RunKind) -> AssignedReplica {
    AssignedReplica {
        replica,
        incarnation: 1,
        generation: 1,
        ports: BTreeMap::new(),
        spec: ReplicaSpec {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            env: BTreeMap::new(),
            working_dir: None,
            user: None,
            ports: Vec::new(),
            limits: Default::default(),
            checks: Vec::new(),
            stop: Default::default(),
            logs: Default::default(),
            run,
        },
    }
}

pub struct Rig {
    pub dir: Arc<tempfile::TempDir>,
    pub supervisor: Supervisor,
    pub contact: watch::Sender<Contact>,
    pub runbooks: BTreeMap<String, RunbookSpec>,
    events: mpsc::Receiver<TimelineEntry>,
    /// Every entry so far.
    pub seen: Vec<TimelineEntry>,
    generation: u64,
}

impl Rig {
    pub async fn new() -> Self {
        Self::open(Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// A supervisor on a folder that may have had one before.
    pub async fn open(dir: Arc<tempfile::TempDir>) -> Self {
        let (sender, events) = mpsc::channel(10_000);
        let (contact, receiver) = watch::channel(Contact::never(Duration::from_secs(15)));
        let supervisor = Supervisor::open(config(dir.path()), sender, receiver).await.unwrap();
        let generation = supervisor.generation().await;
        Self { dir, supervisor, contact, runbooks: BTreeMap::new(), events, seen: Vec::new(), generation }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    pub async fn apply(&mut self, replicas: Vec<AssignedReplica>) {
        self.generation += 1;
        let runbooks = self.runbooks.clone();
        let spec = AssignmentSpec { replicas, runbooks, plan: None };
        self.supervisor.apply(self.generation, spec).await.unwrap();
    }

    /// Tells the supervisor that the server has just answered.
    pub fn hear(&self) {
        self.contact.send_modify(|contact| contact.answered = Some(SystemClock.monotonic()));
    }

    pub fn report(&self, replica: &ReplicaName) -> Option<ReplicaReport> {
        self.supervisor.reports().into_iter().find(|report| report.replica == *replica)
    }

    /// Waits until the replica's report is as wanted.
    pub async fn until(
        &self,
        replica: &ReplicaName,
        what: &str,
        wanted: impl Fn(&ReplicaReport) -> bool,
    ) -> ReplicaReport {
        let mut changes = self.supervisor.changes();
        let wait = async {
            loop {
                if let Some(report) = self.report(replica).filter(&wanted) {
                    return report;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(BOUND, wait).await {
            Ok(report) => report,
            Err(_) => panic!("{replica} is never {what}; it is {:?}", self.report(replica)),
        }
    }

    pub async fn phase(&self, replica: &ReplicaName, phase: ReplicaPhase) -> ReplicaReport {
        self.until(replica, phase.as_str(), |report| report.phase == phase).await
    }

    /// Waits until the replica is not here any more.
    pub async fn gone(&self, replica: &ReplicaName) {
        until("the replica is gone", || self.report(replica).is_none()).await;
    }

    /// The next entry of that kind, waited for.
    pub async fn event(&mut self, act: Act) -> TimelineEntry {
        let wait = async {
            loop {
                let entry = self.events.recv().await.unwrap();
                self.seen.push(entry.clone());
                if entry.act == act {
                    return entry;
                }
            }
        };
        match tokio::time::timeout(BOUND, wait).await {
            Ok(entry) => entry,
            Err(_) => panic!("no {act:?}; only {:#?}", self.story()),
        }
    }

    /// The acts so far with their outcomes.
    pub fn story(&mut self) -> Vec<(Act, Outcome)> {
        while let Ok(entry) = self.events.try_recv() {
            self.seen.push(entry);
        }
        self.seen.iter().map(|entry| (entry.act, entry.outcome)).collect()
    }

    /// The last lines of its output.
    pub async fn output(&self, replica: &ReplicaName) -> String {
        let mut stream = self.supervisor.logs(replica, 10_000, false).unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Waits until its output is as wanted.
    pub async fn output_until(&self, replica: &ReplicaName, wanted: impl Fn(&str) -> bool) -> String {
        let wait = async {
            loop {
                let output = self.output(replica).await;
                if wanted(&output) {
                    return output;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(BOUND, wait).await {
            Ok(output) => output,
            Err(_) => panic!("the output is never as wanted: {:?}", self.output(replica).await),
        }
    }

    pub async fn stop(self) {
        self.supervisor.shutdown(false).await;
    }
}

pub fn config(dir: &Path) -> SupervisorConfig {
    SupervisorConfig {
        state_dir: dir.join("state"),
        // Control groups are named after the node: no two tests may share one.
        node: Name::nearest(&dir.file_name().unwrap().to_string_lossy()).unwrap(),
        clock: Arc::new(SystemClock),
        cgroups: true,
    }
}

/// Waits for a condition that nothing announces.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(BOUND, wait).await.is_ok(), "never: {what}");
}

/// Whether a process lives; a zombie does not.
pub fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
