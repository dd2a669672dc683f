//! Supervision: the processes of this node's replicas are made to be what its assignment says.
//!
//! ```text
//!  apply(generation, assignment)          level-triggered, on disk before anything is done
//!        │ one watch per replica
//!        ▼
//!  Replica (a task each) ── start, adopt, stop ──► process, its group, its log
//!        │  ▲                                          │ pidfd: exit
//!        │  └── checks ── verdict ── repair ladder ◄───┘
//!        ▼
//!  reports(), changes(), usage(), logs()      timeline entries through the channel given to open()
//! ```
//!
//! **An agent's end is not a service's end.** Processes lead sessions of their own, write their own logs and are on record before they
//! run (`supervise/state.rs`); [`Supervisor::open`] takes up those of an agent that stopped, crashed or was killed. So a drop of the
//! [`Supervisor`] leaves everything running, and only [`Supervisor::shutdown`] with `keep_running: false` stops it. Under systemd this
//! needs `KillMode=process` in the agent's unit.
//!
//! Not here: what should run (the server decides), and the measurements of the machine itself (`collect`).

mod board;
mod clock;
mod contact;
mod crew;
mod environment;
mod exit_info;
mod journal;
mod launch;
mod process;
mod procfs;
mod replica;
mod restart;
mod state;
mod user;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lepton_model::TimelineEntry;
use lepton_model::{AssignedReplica, AssignmentSpec, Name, PlanId, ReplicaName, ReplicaReport, RunKind};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

use crate::cgroup::Cgroups;
use crate::logs::{self, LogStream};
use crate::repair::{Rung, Uses};
use board::Board;
use journal::Journal;
use replica::{Replica, Wanted};
use state::{Kept, Record, StateDir};

pub use board::{CheckUsage, ReplicaUsage};
pub use clock::{Clock, SystemClock};
pub use contact::Contact;
pub(crate) use launch::{Launch, launch};
pub(crate) use process::{Ended, Process};
pub use state::StateError;
pub(crate) use user::Credentials;

/// What a supervisor needs to know.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// Where it keeps what must outlive it; made when missing. One agent at a time.
    pub state_dir: PathBuf,
    /// This node.
    pub node: Name,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Whether to use control groups where the machine permits.
    pub cgroups: bool,
}

/// Why an assignment was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It is older than the one obeyed.
    #[error("assignment generation {given} is older than {obeyed}, which this node obeys")]
    Stale {
        /// The one refused.
        given: u64,
        /// The one obeyed.
        obeyed: u64,
    },
    /// It could not be written down, so it is not obeyed either.
    #[error("the assignment cannot be kept")]
    State(#[from] StateError),
    /// The supervisor has been shut down.
    #[error("the supervisor has been shut down")]
    Closed,
}

/// Runs what its node is assigned. A handle; clones mean the same supervisor.
#[derive(Debug, Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

/// What every replica's task works with.
#[derive(Debug)]
pub(crate) struct Shared {
    state: StateDir,
    node: Name,
    clock: Arc<dyn Clock>,
    cgroups: Cgroups,
    journal: Journal,
    contact: watch::Receiver<Contact>,
    board: Board,
    uses: Arc<Mutex<Uses>>,
    book: Mutex<Book>,
}

/// What is obeyed, and who carries it out.
#[derive(Debug, Default)]
struct Book {
    kept: Kept,
    tasks: BTreeMap<ReplicaName, Task>,
    housekeeping: Option<JoinHandle<()>>,
    closed: bool,
}

#[derive(Debug)]
struct Task {
    wanted: watch::Sender<Wanted>,
    handle: JoinHandle<()>,
}

/// How long taking stock may take; what has to be killed meanwhile can be slow to die.
const STOCK: Duration = Duration::from_secs(10);
/// How often logs are looked at for rotation.
const LOG_LOOK: Duration = Duration::from_secs(2);
/// How often the folders of replicas that left are looked at.
const PURGE_LOOK: Duration = Duration::from_secs(3_600);
/// Output and data of a replica that left this node are kept this long.
const PURGE_AFTER: Duration = Duration::from_secs(24 * 3_600);

impl Supervisor {
    /// Opens the state folder, takes up the processes of an earlier agent, and obeys the last assignment from then on. Must be called within a
    /// tokio runtime with time and I/O.
    ///
    /// `events` receives timeline entries; `contact` is kept up to date by the link to the server.
    ///
    /// # Errors
    /// When the folder cannot be used, or another agent uses it.
    pub async fn open(
        config: SupervisorConfig,
        events: mpsc::Sender<TimelineEntry>,
        contact: watch::Receiver<Contact>,
    ) -> Result<Self, StateError> {
        let SupervisorConfig { state_dir, node, clock, cgroups } = config;
        let state = StateDir::open(state_dir).await?;
        let kept = state.kept()?;
        let cgroups = if cgroups { Cgroups::detect(&node) } else { Cgroups::none() };
        let shared = Arc::new(Shared {
            journal: Journal::new(node.clone(), Arc::clone(&clock), events),
            state,
            node,
            clock,
            cgroups,
            contact,
            board: Board::default(),
            uses: Arc::default(),
            book: Mutex::default(),
        });
        let mut book = shared.book.lock().await;
        book.kept = kept;
        // Also those that are not assigned any more: the agent may have ended before it had stopped them.
        for (_, record) in shared.state.replicas()? {
            if record.removed_at.is_none() {
                shared.task(&mut book, record.replica);
            }
        }
        shared.spread(&mut book);
        book.housekeeping = Some(tokio::spawn(Arc::clone(&shared).keep_house()));
        let names: Vec<ReplicaName> = book.tasks.keys().cloned().collect();
        drop(book);
        // Before stock is taken, a report would look as if nothing ran here.
        if tokio::time::timeout(STOCK, shared.board.all(&names)).await.is_err() {
            tracing::warn!("some replicas are not looked at yet: their former processes do not die");
        }
        Ok(Self { shared })
    }

    /// Obeys a new assignment. It is on disk when this returns, and its processes follow; the same generation again changes nothing.
    ///
    /// # Errors
    /// An older generation is refused, and one that cannot be kept is not obeyed.
    pub async fn apply(&self, generation: u64, assignment: AssignmentSpec) -> Result<(), ApplyError> {
        let mut book = self.shared.book.lock().await;
        if book.closed {
            return Err(ApplyError::Closed);
        }
        let obeyed = book.kept.generation;
        if generation < obeyed {
            return Err(ApplyError::Stale { given: generation, obeyed });
        }
        if generation == obeyed {
            return Ok(());
        }
        let kept = Kept { generation, assignment };
        let shared = Arc::clone(&self.shared);
        book.kept = tokio::task::spawn_blocking(move || shared.state.keep(&kept).map(|()| kept))
            .await
            .map_err(|_| ApplyError::Closed)??;
        self.shared.spread(&mut book);
        Ok(())
    }

    /// The generation of the assignment that is obeyed; 0 before the first.
    pub async fn generation(&self) -> u64 {
        self.shared.book.lock().await.kept.generation
    }

    /// `v1`, `v2`, `hybrid` or `none`: where limits are applied.
    pub fn cgroup_layout(&self) -> &'static str {
        self.shared.cgroups.layout()
    }

    /// The state of every replica here, in order of name.
    pub fn reports(&self) -> Vec<ReplicaReport> {
        self.shared.board.reports()
    }

    /// Changes whenever [`Supervisor::reports`] does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.board.changes()
    }

    /// What every replica here uses, for the collector. Reads a few small files per replica.
    pub fn usage(&self) -> Vec<ReplicaUsage> {
        self.shared.board.usage()
    }

    /// The last `tail` lines of a replica's output, then, when `follow`, what it writes from then on; none when this node does not
    /// know the replica.
    pub fn logs(&self, replica: &ReplicaName, tail: u64, follow: bool) -> Option<LogStream> {
        Some(logs::stream(self.shared.board.log(replica)?, tail, follow))
    }

    /// Ends the supervisor. `keep_running` leaves all processes to the next one; otherwise they are stopped, as their specifications say,
    /// before this returns, and started again by the next supervisor.
    pub async fn shutdown(&self, keep_running: bool) {
        let mut book = self.shared.book.lock().await;
        book.closed = true;
        if let Some(housekeeping) = book.housekeeping.take() {
            housekeeping.abort();
        }
        let tasks = std::mem::take(&mut book.tasks);
        // Tasks that are just leaving need the book.
        drop(book);
        for task in tasks.values() {
            if keep_running {
                task.handle.abort();
            } else {
                task.wanted.send_modify(Wanted::close);
            }
        }
        for task in tasks.into_values() {
            // Cancelled, or it has ended: both is meant.
            let _ = task.handle.await;
        }
        if !keep_running {
            self.shared.cgroups.tidy();
        }
    }
}

impl Shared {
    /// Tells every replica's task what is wanted of it.
    fn spread(self: &Arc<Self>, book: &mut Book) {
        let Kept { assignment, .. } = book.kept.clone();
        let assigned: BTreeMap<ReplicaName, AssignedReplica> =
            assignment.replicas.iter().map(|a| (a.replica.clone(), a.clone())).collect();
        for (name, task) in &book.tasks {
            if !assigned.contains_key(name) {
                task.wanted.send_modify(|wanted| wanted.leave(assignment.plan));
            }
        }
        for (name, assigned) in assigned {
            let rungs = rungs(&assigned, &assignment);
            self.task(book, name).wanted.send_modify(|wanted| {
                wanted.run(Arc::new(assigned), rungs, assignment.plan);
            });
        }
    }

    /// The task of a replica, made when there is none.
    fn task<'a>(self: &Arc<Self>, book: &'a mut Book, name: ReplicaName) -> &'a mut Task {
        book.tasks.entry(name.clone()).or_insert_with(|| {
            let (wanted, receiver) = watch::channel(Wanted::default());
            let shared = Arc::clone(self);
            let handle = match Replica::new(shared, name.clone(), receiver) {
                Ok(replica) => tokio::spawn(Box::pin(replica.run())),
                Err(error) => tokio::spawn(async move {
                    tracing::error!(replica = %name, %error, "it cannot be supervised");
                }),
            };
            Task { wanted, handle }
        })
    }

    /// Lets go of a replica that is stopped and not wanted; false when it is wanted again.
    async fn let_go(&self, name: &ReplicaName, wanted: &watch::Receiver<Wanted>) -> bool {
        // Under the book's lock, so that an assignment either finds the task or makes a new one.
        let mut book = self.book.lock().await;
        if wanted.borrow().is_wanted() {
            return false;
        }
        book.tasks.remove(name);
        self.board.remove(name);
        true
    }

    async fn keep_house(self: Arc<Self>) {
        let mut purge_at = Duration::ZERO;
        loop {
            let shared = Arc::clone(&self);
            let purge = self.clock.monotonic() >= purge_at;
            if purge {
                purge_at = self.clock.monotonic().saturating_add(PURGE_LOOK);
            }
            let work = move || {
                shared.board.rotate_logs();
                if purge {
                    shared.purge();
                }
            };
            let _ = tokio::task::spawn_blocking(work).await;
            tokio::time::sleep(LOG_LOOK).await;
        }
    }

    /// Removes what replicas left behind that were taken off this node long ago.
    fn purge(&self) {
        let now = self.clock.wall();
        for (dir, record) in self.state.replicas().unwrap_or_default() {
            let Record { removed_at: Some(removed), replica, .. } = record else { continue };
            // Also when the clock was set back, which `since` shows as no time at all: then later.
            if now.since(removed) >= PURGE_AFTER && !self.board.knows(&replica) {
                match dir.purge() {
                    Ok(()) => tracing::info!(%replica, "its output and data were removed"),
                    Err(error) => tracing::warn!(%replica, %error, "its output and data stay"),
                }
            }
        }
    }
}

/// The ladder of a service, with the runbooks its steps name.
fn rungs(assigned: &AssignedReplica, assignment: &AssignmentSpec) -> Vec<Rung> {
    let RunKind::Service { repair, .. } = &assigned.spec.run else { return Vec::new() };
    let rung = |step: &lepton_model::RepairStep| {
        let key = step.runbook.as_ref().map(|name| runbook_key(&assigned.replica.project, name));
        let runbook = key.and_then(|key| assignment.runbooks.get(&key)).cloned();
        Rung { step: step.clone(), runbook }
    };
    repair.iter().map(rung).collect()
}

/// `project/name`, as assignments name runbooks.
fn runbook_key(project: &Name, name: &Name) -> String {
    format!("{project}/{name}")
}

/// The plan an act belongs to.
type Because = Option<PlanId>;
