//! One replica: a task that keeps its processes as they are wanted.
//!
//! Level-triggered: after every event it compares what is wanted with what is, and takes the next step towards it. It may be
//! dropped at any await without harm, because whatever must survive is on disk before it is done.

mod adopt;
mod end;
mod mend;
mod probes;
mod report;
mod start;

use std::sync::Arc;
use std::time::Duration;

use lepton_model::{
    Act, AssignedReplica, Check, LogPolicy, Outcome, PartitionPolicy, Period, PlanId, ReplicaName, RunKind,
};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::JoinHandle;

use super::crew::Crew;
use super::state::{Finished, Record, ReplicaDir, StateError};
use super::{Because, Contact, Shared};
use crate::check::{Health, Probed, Target, Verdict};
use crate::logs::LogFile;
use crate::repair::{Ladder, Report, Rung, Uses};
use probes::Probes;

/// What is wanted of a replica's task.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    goal: Goal,
    plan: Because,
}

#[derive(Debug, Clone, Default)]
enum Goal {
    /// Not said yet: an agent that has just started takes stock first.
    #[default]
    Unknown,
    Run(Arc<AssignedReplica>, Vec<Rung>),
    /// It is not this node's any more.
    Leave,
    /// The supervisor ends, and its processes with it.
    Close,
}

impl Wanted {
    pub(super) fn run(&mut self, assigned: Arc<AssignedReplica>, rungs: Vec<Rung>, plan: Option<PlanId>) {
        *self = Self { goal: Goal::Run(assigned, rungs), plan };
    }

    pub(super) fn leave(&mut self, plan: Option<PlanId>) {
        *self = Self { goal: Goal::Leave, plan };
    }

    pub(super) fn close(&mut self) {
        self.goal = Goal::Close;
    }

    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.goal, Goal::Run(..))
    }
}

/// A replica's task.
pub(super) struct Replica {
    shared: Arc<Shared>,
    name: ReplicaName,
    dir: ReplicaDir,
    log: Arc<LogFile>,
    record: Record,
    wanted: watch::Receiver<Wanted>,
    contact: watch::Receiver<Contact>,
    stage: Stage,
    /// The next start is a restart, and not the first or a changed one.
    again: bool,
    ladder: Ladder,
    /// A runbook's command that runs.
    hands: Option<Hand>,
    /// Sees to a network reset that an earlier agent left unverified.
    settling: Option<JoinHandle<()>>,
    /// Held from a runbook's check to its verification.
    turn: Option<OwnedMutexGuard<Uses>>,
    /// Why it waits or does not run.
    message: String,
    /// What could not be applied to its present process.
    notes: Vec<String>,
}

type Hand = JoinHandle<(Report, Option<OwnedMutexGuard<Uses>>)>;

enum Stage {
    /// No process. Started at this time, if it is to be.
    Down {
        until: Option<Duration>,
    },
    /// Being stopped.
    Stopping(Box<Up>),
    Up(Box<Up>),
}

/// A running process, and what is known of it.
struct Up {
    crew: Crew,
    started_at: lepton_model::Timestamp,
    /// Its start, on the monotonic clock.
    since: Duration,
    health: Health,
    verdict: Verdict,
    checks: Vec<Check>,
    seen: Vec<Option<(Probed, lepton_model::Timestamp)>>,
    probes: Probes,
    target: Target,
}

/// What a task waits for. Closed, so that every one is dealt with.
enum Event {
    /// The assignment, or the contact to the server, changed, or a time has come: look again.
    Look,
    /// The process has ended.
    Ended,
    Probed(usize, Probed),
    Hand(Report, Option<OwnedMutexGuard<Uses>>),
    /// An earlier agent's network reset is verified or undone.
    Settled,
    /// The supervisor is gone.
    Abandoned,
}

/// Whether a task goes on.
enum Flow {
    Again,
    Wait,
    End,
}

impl Replica {
    pub(super) fn new(
        shared: Arc<Shared>,
        name: ReplicaName,
        wanted: watch::Receiver<Wanted>,
    ) -> Result<Self, StateError> {
        let dir = shared.state.replica(&name);
        dir.make()?;
        let boot_id = shared.state.boot_id().to_owned();
        let kept = dir.record().unwrap_or_else(|error| {
            tracing::error!(replica = %name, %error, "its record is unreadable: it is begun anew");
            None
        });
        let mut record = kept.unwrap_or_else(|| Record::new(name.clone(), &boot_id));
        if record.boot_id != boot_id {
            // Times before a reboot mean nothing after it.
            record.history = Default::default();
            record.repairs.clear();
            record.boot_id = boot_id;
        }
        record.removed_at = None;
        let log = Arc::new(LogFile::open(dir.log()).map_err(|e| dir.error(e))?);
        let contact = shared.contact.clone();
        let ladder = Ladder::with_history(record.repairs.clone());
        let replica = Self {
            shared,
            name,
            dir,
            log,
            record,
            wanted,
            contact,
            stage: Stage::Down { until: None },
            again: false,
            ladder,
            hands: None,
            settling: None,
            turn: None,
            message: String::new(),
            notes: Vec::new(),
        };
        if replica.dir.identity(replica.shared.state.boot_id()).is_none() {
            replica.post();
        }
        Ok(replica)
    }

    /// Runs until the replica has left this node, or the supervisor ends.
    pub(super) async fn run(mut self) {
        self.adopt().await;
        self.post();
        self.settle_reset();
        loop {
            loop {
                let wanted = self.wanted.borrow_and_update().clone();
                match self.step(&wanted).await {
                    Flow::Again => {}
                    Flow::Wait => break,
                    Flow::End => return,
                }
            }
            self.mend().await;
            self.post();
            match self.event().await {
                Event::Look => {}
                Event::Ended => self.ended().await,
                Event::Probed(index, probed) => self.probed(index, probed),
                Event::Hand(report, turn) => {
                    self.hands = None;
                    self.turn = turn.or(self.turn.take());
                    self.reported(report);
                }
                Event::Settled => {
                    self.settling = None;
                    self.record.unverified = None;
                    self.store().await;
                }
                Event::Abandoned => return,
            }
        }
    }

    /// The next step from what is to what is wanted.
    async fn step(&mut self, wanted: &Wanted) -> Flow {
        match &wanted.goal {
            Goal::Unknown => Flow::Wait,
            Goal::Run(assigned, rungs) => {
                self.take_rungs(rungs);
                self.towards_running(assigned, wanted.plan).await
            }
            Goal::Leave => {
                if self.is_up() {
                    self.stop("it is not assigned to this node any more", None, wanted.plan).await;
                    return Flow::Again;
                }
                if self.hands.is_some() || self.settling.is_some() {
                    // A runbook's command is not cut off midway.
                    return Flow::Wait;
                }
                self.leave().await
            }
            Goal::Close => {
                if self.is_up() {
                    self.stop("the agent is shut down with its services", None, None).await;
                }
                crate::cgroup::Group::reopen(&self.record.groups).remove();
                Flow::End
            }
        }
    }

    async fn towards_running(&mut self, assigned: &Arc<AssignedReplica>, plan: Because) -> Flow {
        if let Some((why, within)) = self.fence(assigned) {
            if self.is_up() {
                self.stop(&why, Some(within), None).await;
            }
            self.stage = Stage::Down { until: None };
            self.message = why;
            return Flow::Wait;
        }
        let changed = self.record.started_from.as_ref().is_some_and(|old| !same_process(old, assigned));
        let anew =
            self.record.started_from.as_ref().is_some_and(|old| old.incarnation != assigned.incarnation);
        if self.is_up() {
            if changed || self.record.started_from.is_none() {
                self.stop("its specification changed", None, plan).await;
                return Flow::Again;
            }
            self.take_checks(assigned);
            if self.overdue(assigned) {
                self.attempt_overdue(assigned).await;
                return Flow::Again;
            }
        } else if changed || anew {
            // A fresh placement owes nothing to the one before.
            self.record.finished = None;
            self.record.attempts = 0;
            self.record.history = Default::default();
            self.stage = Stage::Down { until: None };
            self.again = false;
        }
        if anew {
            self.record.restarts = 0;
        }
        if !changed && self.record.started_from.as_ref().is_some_and(|old| old != assigned.as_ref()) {
            self.record.started_from = Some(assigned.as_ref().clone());
            self.store().await;
        }
        match self.stage {
            Stage::Up(_) | Stage::Stopping(_) => Flow::Wait,
            Stage::Down { .. } if self.record.finished.is_some() => Flow::Wait,
            Stage::Down { until: Some(until) } if until > self.now() => Flow::Wait,
            Stage::Down { .. } => {
                self.start(assigned, plan).await;
                Flow::Wait
            }
        }
    }

    /// Why it may not run for now, and how soon it must be down: a replica that must never run twice stops before its node's lease
    /// runs out.
    fn fence(&self, assigned: &AssignedReplica) -> Option<(String, Duration)> {
        let RunKind::Service { partition: PartitionPolicy::Stop, .. } = assigned.spec.run else {
            return None;
        };
        let contact = *self.contact.borrow();
        let now = self.now();
        if contact.is_fresh(now) {
            return None;
        }
        let lease = contact.lease;
        let end = contact.answered.unwrap_or_default().saturating_add(lease);
        // A little before its end, for the kill itself.
        let left = end.saturating_sub(now).saturating_sub(lease / 20);
        let why = match contact.answered {
            Some(_) => format!(
                "the server has not answered for two thirds of the lease of {}, and spec.partition is stop",
                Period::from(lease)
            ),
            None => "the server has not answered yet, and spec.partition is stop".to_owned(),
        };
        Some((why, left))
    }

    /// Ends the task of a replica that has no process any more.
    async fn leave(&mut self) -> Flow {
        crate::cgroup::Group::reopen(&self.record.groups).remove();
        self.record.removed_at = Some(self.shared.clock.wall());
        self.record.finished = None;
        self.record.started_from = None;
        self.record.attempts = 0;
        self.record.restarts = 0;
        self.store().await;
        if self.shared.let_go(&self.name, &self.wanted).await {
            return Flow::End;
        }
        self.record.removed_at = None;
        Flow::Again
    }

    async fn event(&mut self) -> Event {
        let now = self.now();
        let wake = self.wake();
        let timer = async {
            match wake {
                Some(wake) => tokio::time::sleep(wake.saturating_sub(now)).await,
                None => std::future::pending().await,
            }
        };
        let hand = async {
            match &mut self.hands {
                Some(hand) => hand.await,
                None => std::future::pending().await,
            }
        };
        let settled = async {
            match &mut self.settling {
                Some(settling) => settling.await,
                None => std::future::pending().await,
            }
        };
        let (ended, probed) = match &mut self.stage {
            Stage::Up(up) | Stage::Stopping(up) => {
                let Up { crew, probes, .. } = up.as_mut();
                (Some(crew.leader.ended()), Some(probes.next()))
            }
            Stage::Down { .. } => (None, None),
        };
        tokio::select! {
            biased;
            changed = self.wanted.changed() => if changed.is_ok() { Event::Look } else { Event::Abandoned },
            () = or_never(ended) => Event::Ended,
            (index, probed) = or_never(probed) => Event::Probed(index, probed),
            done = hand => match done {
                Ok((report, turn)) => Event::Hand(report, turn),
                Err(error) => Event::Hand(Report::Failed(format!("it broke off: {error}")), None),
            },
            _ = settled => Event::Settled,
            // The link's end is the agent's end, which the other channel tells.
            Ok(()) = self.contact.changed() => Event::Look,
            () = timer => Event::Look,
        }
    }

    /// When to look again though nothing happened.
    fn wake(&self) -> Option<Duration> {
        let mut times: Vec<Option<Duration>> = vec![self.ladder.wake().filter(|&at| at > self.now())];
        match &self.stage {
            Stage::Down { until } => times.push(*until),
            Stage::Up(up) | Stage::Stopping(up) => {
                times.push(up.health.wake().filter(|&at| at > self.now()));
                if let Some(assigned) = &self.record.started_from {
                    match &assigned.spec.run {
                        RunKind::Job { deadline, .. } => {
                            times.push(deadline.map(|d| up.since.saturating_add(d.duration())));
                        }
                        RunKind::Service { restart, partition, .. } => {
                            if self.record.history.is_looping() {
                                let steady = self.steady_at(up.since, restart);
                                let reset = up.since.saturating_add(restart.backoff.reset.duration());
                                times
                                    .extend([steady, reset].map(|at| Some(at).filter(|&at| at > self.now())));
                            }
                            if *partition == PartitionPolicy::Stop {
                                times.push(self.contact.borrow().lost_at());
                            }
                        }
                    }
                }
            }
        }
        times.into_iter().flatten().min()
    }

    fn now(&self) -> Duration {
        self.shared.clock.monotonic()
    }

    fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up(_))
    }

    fn write(&self, plan: Because, act: Act, outcome: Outcome, reason: impl Into<String>) {
        self.shared.journal.write(&self.name, plan, act, outcome, reason);
    }

    fn log_policy(&self) -> LogPolicy {
        match &self.wanted.borrow().goal {
            Goal::Run(assigned, _) => assigned.spec.logs.clone(),
            Goal::Unknown | Goal::Leave | Goal::Close => LogPolicy::default(),
        }
    }

    /// Puts the record on disk.
    async fn store(&self) {
        let (dir, record) = (self.dir.clone(), self.record.clone());
        let stored = tokio::task::spawn_blocking(move || dir.store(&record)).await;
        if let Ok(Err(error)) = stored {
            // Supervising goes on: a full disk must not stop a restart. What an agent after this one may not know is
            // the count of restarts and how it ended.
            tracing::error!(replica = %self.name, %error, "its record cannot be kept");
        }
    }

    fn finish(&mut self, finished: Finished, message: String) {
        self.record.finished = Some(finished);
        self.stage = Stage::Down { until: None };
        self.message = message;
    }
}

/// Whether a process started from one need not be restarted to be the other's.
fn same_process(one: &AssignedReplica, other: &AssignedReplica) -> bool {
    let (a, b) = (&one.spec, &other.spec);
    one.ports == other.ports
        && a.command == b.command
        && a.env == b.env
        && a.working_dir == b.working_dir
        && a.user == b.user
        && a.limits == b.limits
}

async fn or_never<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
