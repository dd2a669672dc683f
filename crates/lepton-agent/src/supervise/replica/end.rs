//! How a replica's process ends, by itself or by being stopped, and what follows.

use std::time::Duration;

use lepton_model::{Act, AssignedReplica, Backoff, ExitReport, Outcome, Period, RunKind};
use rustix::process::Signal;

use super::{Because, Replica, Stage, Up};
use crate::supervise::process::{Ended, signal};
use crate::supervise::restart::{Ending, Next};
use crate::supervise::state::Finished;

impl Replica {
    /// Its process has ended by itself.
    pub(super) async fn ended(&mut self) {
        let Stage::Up(up) = std::mem::replace(&mut self.stage, Stage::Down { until: None }) else { return };
        let ran = self.now().saturating_sub(up.since);
        let exit = self.bury(*up).await;
        let success = exit.code == Some(0);
        let Some(assigned) = self.record.started_from.clone() else { return };
        let reason = format!("{}; it ran for {}", describe(&exit, &assigned), rounded(ran));
        self.write(None, Act::Exit, if success { Outcome::Ok } else { Outcome::Failed }, reason);
        let what = exit.to_string();
        self.decide(&assigned, Ending { success, ran }, &what).await;
    }

    /// Reaps the leader, which has ended, and kills what it left behind.
    async fn bury(&mut self, up: Up) -> ExitReport {
        let Up { crew, probes, .. } = up;
        drop(probes);
        if crew.leader.is_child() {
            // Not reaped yet, so the number of its group is still its own.
            crew.leader.signal_group(Signal::KILL);
        }
        let ended = crew.leader.reap().await;
        let clean = crew.rest.kill().await;
        if !clean {
            self.notes.push("some of its former processes do not die".to_owned());
        }
        self.account(ended, crew.rest.cookie, &crew.rest.group)
    }

    /// Takes an exit into the record.
    pub(super) fn account(
        &mut self,
        ended: Ended,
        cookie: uuid::Uuid,
        group: &crate::cgroup::Group,
    ) -> ExitReport {
        let kills = group.out_of_memory_kills();
        let Ended { code, signal } = ended;
        let killed = signal == Some(Signal::KILL.as_raw()) || code.is_none() && signal.is_none();
        let out_of_memory = killed && kills > self.record.out_of_memory_kills;
        let exit = ExitReport { code, signal, out_of_memory, at: self.shared.clock.wall() };
        self.record.last_exit = Some(exit.clone());
        self.record.ended = Some(cookie);
        exit
    }

    /// What follows an exit, or a start that failed.
    pub(super) async fn decide(&mut self, assigned: &AssignedReplica, ending: Ending, what: &str) {
        let now = self.now();
        let next = match &assigned.spec.run {
            RunKind::Service { restart, .. } => self.record.history.ended(now, ending, restart),
            RunKind::Job { .. } if ending.success => Next::Rest,
            RunKind::Job { attempts, .. } if self.record.attempts >= *attempts => Next::Rest,
            RunKind::Job { .. } => {
                Next::Start { after: Backoff::default().wait(self.record.attempts), looping: false }
            }
        };
        match next {
            Next::Start { after, looping } => {
                if looping {
                    let reason =
                        format!("{what}, again and again; from now on it is tried every {}", rounded(after));
                    self.write(None, Act::CrashLoop, Outcome::Failed, reason);
                }
                self.again = true;
                self.stage = Stage::Down { until: Some(now.saturating_add(after)) };
                self.message = format!("{what}; starts again in {}", rounded(after));
                // A start at once writes the record itself.
                if after > Duration::ZERO {
                    self.store().await;
                }
            }
            Next::Rest => {
                let (finished, message) = match (&assigned.spec.run, ending.success) {
                    (_, true) => (Finished::Succeeded, String::new()),
                    (RunKind::Job { attempts, .. }, false) => {
                        (Finished::Failed, format!("{what}, in the last of {attempts} attempts"))
                    }
                    (RunKind::Service { .. }, false) => {
                        (Finished::Failed, format!("{what}; spec.restart.on keeps it ended"))
                    }
                };
                self.finish(finished, message);
                self.store().await;
            }
        }
    }

    /// Stops it: its signal, its grace (at most `within`), then SIGKILL for all its processes.
    pub(super) async fn stop(
        &mut self,
        why: &str,
        within: Option<Duration>,
        plan: Because,
    ) -> Option<ExitReport> {
        let Stage::Up(up) = std::mem::replace(&mut self.stage, Stage::Down { until: None }) else {
            return None;
        };
        let policy = self.record.started_from.as_ref().map(|a| a.spec.stop.clone()).unwrap_or_default();
        let grace = within.map_or(policy.grace.duration(), |within| policy.grace.duration().min(within));
        self.write(plan, Act::Stop, Outcome::Ok, why);
        self.message = why.to_owned();
        self.stage = Stage::Stopping(up);
        self.post();
        let Stage::Stopping(up) = std::mem::replace(&mut self.stage, Stage::Down { until: None }) else {
            return None;
        };
        let started = tokio::time::Instant::now();
        if up.crew.leader.is_child() {
            up.crew.leader.signal_group(signal(policy.signal));
        } else {
            // Not ours to reap, so the group's number could pass to others: only held processes are signalled.
            up.crew.leader.signal(signal(policy.signal));
            up.crew.rest.signal(signal(policy.signal), up.crew.leader.pid()).await;
        }
        let leader_ended = tokio::time::timeout(grace, up.crew.leader.ended()).await.is_ok();
        let mut forced = false;
        if !leader_ended {
            forced = true;
            if up.crew.leader.is_child() {
                up.crew.leader.signal_group(Signal::KILL);
            }
            up.crew.leader.signal(Signal::KILL);
            up.crew.leader.ended().await;
        }
        let ended = up.crew.leader.reap().await;
        let left = grace.saturating_sub(started.elapsed());
        if !up.crew.rest.gone(left).await {
            forced = true;
            up.crew.rest.kill().await;
        }
        let exit = self.account(ended, up.crew.rest.cookie, &up.crew.rest.group);
        let how =
            if forced { format!(", killed after a grace of {}", rounded(grace)) } else { String::new() };
        self.write(plan, Act::Exit, Outcome::Ok, format!("stopped: {exit}{how}"));
        self.notes.clear();
        self.store().await;
        Some(exit)
    }

    /// Whether a job's attempt has taken longer than it may.
    pub(super) fn overdue(&self, assigned: &AssignedReplica) -> bool {
        let RunKind::Job { deadline: Some(deadline), .. } = &assigned.spec.run else { return false };
        matches!(&self.stage, Stage::Up(up) if self.now() >= up.since.saturating_add(deadline.duration()))
    }

    /// Stops an attempt that has taken too long; it has failed, whatever its exit code.
    pub(super) async fn attempt_overdue(&mut self, assigned: &AssignedReplica) {
        let RunKind::Job { deadline: Some(deadline), .. } = &assigned.spec.run else { return };
        let what = format!("not done within its deadline of {deadline}");
        self.stop(&what, None, None).await;
        self.decide(assigned, Ending { success: false, ran: deadline.duration() }, &what).await;
    }
}

/// An exit in words, with what a person would ask next.
fn describe(exit: &ExitReport, assigned: &AssignedReplica) -> String {
    let limit = assigned.spec.limits.memory;
    match (exit.out_of_memory, exit.signal) {
        (true, _) if limit.get() > 0 => format!("killed by the kernel: out of its memory limit of {limit}"),
        (true, _) => "killed by the kernel: out of memory".to_owned(),
        (false, Some(number)) => format!("killed by signal {number}{}", signal_name(number)),
        (false, None) => exit.to_string(),
    }
}

fn signal_name(number: i32) -> String {
    let name = match Signal::from_named_raw(number) {
        Some(Signal::KILL) => "KILL",
        Some(Signal::TERM) => "TERM",
        Some(Signal::INT) => "INT",
        Some(Signal::HUP) => "HUP",
        Some(Signal::SEGV) => "SEGV",
        Some(Signal::ABORT) => "ABRT",
        Some(Signal::BUS) => "BUS",
        Some(Signal::FPE) => "FPE",
        Some(Signal::ILL) => "ILL",
        Some(Signal::PIPE) => "PIPE",
        _ => return String::new(),
    };
    format!(" (SIG{name})")
}

/// Milliseconds below ten seconds, whole seconds above.
pub(super) fn rounded(length: Duration) -> Period {
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    if millis < 10_000 { Period::from_millis(millis) } else { Period::from_secs(millis / 1_000) }
}
