//! Starting a replica's process.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lepton_model::{Act, AssignedReplica, Check, Name, Outcome, Period, RunKind, Timestamp};
use uuid::Uuid;

use super::{Because, Probes, Replica, Stage, Up};
use crate::cgroup::Group;
use crate::check::{Health, Target, Threshold, Verdict};
use crate::supervise::crew::{Crew, Rest};
use crate::supervise::environment::environment;
use crate::supervise::restart::Ending;
use crate::supervise::state::{Record, ReplicaDir};
use crate::supervise::user::{Credentials, credentials, give};
use crate::supervise::{Launch, Process, Shared, launch};

/// A process that has just been started.
struct Started {
    pid: i32,
    group: Group,
    notes: Vec<String>,
    target: Target,
}

impl Replica {
    /// Starts it. What fails here counts as a crash, with the same back-off.
    pub(super) async fn start(&mut self, assigned: &Arc<AssignedReplica>, plan: Because) {
        let again = std::mem::take(&mut self.again);
        if again {
            self.record.restarts = self.record.restarts.saturating_add(1);
        }
        if matches!(assigned.spec.run, RunKind::Job { .. }) {
            self.record.attempts = self.record.attempts.saturating_add(1);
        }
        self.record.started_from = Some(assigned.as_ref().clone());
        self.record.finished = None;
        let mut random = [0; 16];
        let _ = getrandom::fill(&mut random);
        let cookie = uuid::Builder::from_random_bytes(random).into_uuid();
        let (since, started_at) = (self.now(), self.shared.clock.wall());
        let work = Work {
            shared: Arc::clone(&self.shared),
            dir: self.dir.clone(),
            log: Arc::clone(&self.log),
            record: self.record.clone(),
            assigned: Arc::clone(assigned),
            cookie,
            now: started_at,
        };
        // Control groups, fsync and fork take milliseconds each; the collector should not wait for them.
        let started = tokio::task::spawn_blocking(move || work.start()).await;
        let process = match started {
            Ok((record, started)) => {
                self.record = record;
                started.and_then(|s| match Process::child(s.pid) {
                    Ok(process) => Ok((process, s)),
                    Err(error) => Err(format!("process {} cannot be watched: {error}", s.pid)),
                })
            }
            Err(error) => Err(format!("starting broke off: {error}")),
        };
        let (leader, Started { group, notes, target, .. }) = match process {
            Ok(started) => started,
            Err(problem) => return self.not_started(assigned, plan, problem).await,
        };
        let what = if again { "restarted" } else { "started" };
        self.write(plan, Act::Start, Outcome::Ok, format!("{what} as process {}", leader.pid()));
        self.message = String::new();
        self.notes = notes;
        let crew = Crew { leader, rest: Rest { cookie, group } };
        self.watch(crew, started_at, since, assigned, target);
    }

    /// Begins to watch a process that runs, just started or taken over.
    pub(super) fn watch(
        &mut self,
        crew: Crew,
        started_at: Timestamp,
        since: Duration,
        assigned: &AssignedReplica,
        target: Target,
    ) {
        let checks = assigned.spec.checks.clone();
        let startup = startup(assigned);
        let thresholds = checks.iter().map(|c| Threshold::new(c.failures, c.successes)).collect();
        let health = Health::new(thresholds, self.now().saturating_add(startup));
        let probes = Probes::start(&checks, &target, startup);
        let seen = checks.iter().map(|_| None).collect();
        let verdict = Verdict::Starting;
        let up = Up { crew, started_at, since, health, verdict, checks, seen, probes, target };
        self.stage = Stage::Up(Box::new(up));
        self.judge();
    }

    async fn not_started(&mut self, assigned: &AssignedReplica, plan: Because, problem: String) {
        self.write(plan, Act::Start, Outcome::Failed, problem.clone());
        self.decide(assigned, Ending { success: false, ran: Duration::ZERO }, &problem).await;
    }

    /// Takes over checks that changed under a running process.
    pub(super) fn take_checks(&mut self, assigned: &AssignedReplica) {
        let Stage::Up(up) = &mut self.stage else { return };
        let old_startup = self.record.started_from.as_ref().map(startup);
        if up.checks == assigned.spec.checks && old_startup == Some(startup(assigned)) {
            return;
        }
        let checks = assigned.spec.checks.clone();
        let before = |check: &Check| {
            let same = |old: &Check| old.name == check.name && old.probe == check.probe;
            up.checks.iter().position(same)
        };
        let places: Vec<Option<usize>> = checks.iter().map(before).collect();
        let thresholds = checks.iter().map(|c| Threshold::new(c.failures, c.successes));
        up.health.replace(
            thresholds.zip(places.iter().copied()).collect(),
            up.since.saturating_add(startup(assigned)),
        );
        up.seen = places.iter().map(|at| at.and_then(|at| up.seen.get(at).cloned().flatten())).collect();
        up.probes = Probes::start(&checks, &up.target, startup(assigned));
        up.checks = checks;
        self.judge();
    }
}

/// What starting needs, owned, so that it can be done elsewhere.
struct Work {
    shared: Arc<Shared>,
    dir: ReplicaDir,
    log: Arc<crate::logs::LogFile>,
    record: Record,
    assigned: Arc<AssignedReplica>,
    cookie: Uuid,
    now: Timestamp,
}

impl Work {
    fn start(mut self) -> (Record, Result<Started, String>) {
        let started = self.try_start();
        (self.record, started)
    }

    fn try_start(&mut self) -> Result<Started, String> {
        let spec = &self.assigned.spec;
        let said = |error: &dyn std::error::Error| crate::supervise::replica::report::chain(error);
        let mut target = target(&self.shared.node, &self.assigned, &self.dir)?;
        prepare_dir(spec.working_dir.as_deref(), &target)?;
        let replica = super::super::state::file_name(&self.assigned.replica);
        let (group, mut notes) = self.shared.cgroups.group(&replica, &spec.limits);
        self.record.groups = group.paths();
        self.record.out_of_memory_kills = group.out_of_memory_kills();
        let output = self.log.appender().map_err(|e| said(&e))?;
        let again = output.try_clone().map_err(|e| said(&e))?;
        let groups = group.entrances().unwrap_or_default();
        // From here on the order is what makes a crash harmless: the record, then the announcement, then the fork.
        if let Err(error) = self.dir.store(&self.record) {
            tracing::error!(replica = %self.assigned.replica, %error, "its record cannot be kept");
        }
        let boot_id = self.shared.state.boot_id();
        let announcement = self.dir.announce(boot_id, self.cookie, self.now).map_err(|e| said(&e))?;
        let mut env = target.env.clone();
        env.insert(crate::supervise::environment::RUN.to_owned(), self.cookie.to_string());
        let pid = launch(Launch {
            command: &spec.command,
            env: &env,
            dir: &target.dir,
            user: target.user.as_ref(),
            stdout: OwnedFd::from(output),
            stderr: OwnedFd::from(again),
            groups,
            record: Some(announcement),
        })
        .map_err(|error| self.refused(&target, &error))?;
        let mut group = group;
        if group.exists()
            && !group.pids().contains(&pid)
            && super::super::procfs::Stat::of(pid).is_some_and(|s| s.state != 'Z')
        {
            notes.push("limits are not enforced: its control group did not take it in".to_owned());
            group = Group::default();
            self.record.groups.clear();
        }
        target.env = env;
        Ok(Started { pid, group, notes, target })
    }

    fn refused(&self, target: &Target, error: &std::io::Error) -> String {
        let program = self.assigned.spec.command.first().map_or("", |p| p);
        let who = target.user.as_ref().map_or(String::new(), |user| format!(" as {}", user.name));
        let dir = target.dir.display();
        match error.kind() {
            std::io::ErrorKind::NotFound => format!("{program} is not there (looked for from {dir})"),
            std::io::ErrorKind::PermissionDenied => format!("{program} may not be run{who} in {dir}"),
            _ => format!("{program} cannot be run{who} in {dir}: {error}"),
        }
    }
}

/// How a replica's commands are run: environment, folder, user.
pub(super) fn target(node: &Name, assigned: &AssignedReplica, dir: &ReplicaDir) -> Result<Target, String> {
    let user = match &assigned.spec.user {
        Some(name) => credentials(name).map_err(|e| super::report::chain(&e))?,
        None => None,
    };
    let env: BTreeMap<String, String> = environment(assigned, node, user.as_ref(), None);
    let work = assigned.spec.working_dir.as_ref().map_or_else(|| dir.data(), PathBuf::from);
    Ok(Target { ports: assigned.ports.clone(), env, dir: work, user })
}

/// Makes the replica's own folder, and hands it to its user; a folder of the owner's is only looked at.
fn prepare_dir(asked: Option<&str>, target: &Target) -> Result<(), String> {
    let dir: &Path = &target.dir;
    match asked {
        Some(_) if dir.is_dir() => Ok(()),
        Some(asked) => Err(format!("spec.working_dir: {asked} is not a folder on this node")),
        None => {
            let made = std::fs::create_dir_all(dir);
            let given =
                made.and_then(|()| target.user.as_ref().map_or(Ok(()), |user: &Credentials| give(dir, user)));
            given.map_err(|error| format!("its folder {} cannot be made: {error}", dir.display()))
        }
    }
}

/// Time to become healthy.
pub(super) fn startup(assigned: &AssignedReplica) -> Duration {
    match &assigned.spec.run {
        RunKind::Service { startup, .. } => startup.duration(),
        RunKind::Job { .. } => Period::default().duration(),
    }
}
