//! Taking up what an earlier agent left: its process, or the news that it has ended meanwhile.

use std::sync::Arc;

use lepton_model::{Act, Outcome};

use super::{Replica, Stage};
use crate::cgroup::Group;
use crate::repair::{Hands, Report};
use crate::supervise::crew::{Crew, Rest};
use crate::supervise::process::{Ended, Process};
use crate::supervise::procfs::Stat;
use crate::supervise::restart::Ending;
use crate::supervise::state::{Identity, Unverified};

impl Replica {
    /// Looks for the process on record.
    pub(super) async fn adopt(&mut self) {
        let Some(identity) = self.dir.identity(self.shared.state.boot_id()) else { return };
        if self.record.ended == Some(identity.cookie) {
            return;
        }
        let group = Group::reopen(&self.record.groups);
        let rest = Rest { cookie: identity.cookie, group };
        match Process::adopt(&identity) {
            Ok(Some(leader)) => self.take_over(identity, leader, rest),
            Ok(None) => self.missed_end(&identity, rest).await,
            Err(error) => {
                // Not known to be gone, so nothing may be started in its place: it is killed by what is known of it.
                tracing::error!(replica = %self.name, %error, "its process cannot be watched");
                self.missed_end(&identity, rest).await;
            }
        }
    }

    fn take_over(&mut self, identity: Identity, leader: Process, mut rest: Rest) {
        if rest.group.exists() && !rest.group.pids().contains(&identity.pid) {
            rest.group = Group::default();
        }
        let reason =
            format!("process {}, started {}, runs on under a new agent", identity.pid, identity.started_at);
        self.write(None, Act::Adopt, Outcome::Ok, reason);
        let crew = Crew { leader, rest };
        // The kernel counts from boot, as the monotonic clock does.
        let since = Stat::ticks(identity.start_ticks);
        let node = self.shared.node.clone();
        let Some(assigned) = self.record.started_from.clone() else {
            // What it was started from is not known: it is watched, and replaced as soon as it is known what is wanted.
            let target = Default::default();
            let unknown = crate::supervise::replica::report::unknown(&self.name);
            return self.watch(crew, identity.started_at, since, &unknown, target);
        };
        let target = super::start::target(&node, &assigned, &self.dir).unwrap_or_else(|problem| {
            self.notes.push(problem);
            Default::default()
        });
        self.watch(crew, identity.started_at, since, &assigned, target);
    }

    /// It ended while no agent watched.
    async fn missed_end(&mut self, identity: &Identity, rest: Rest) {
        rest.kill().await;
        let exit = self.account(Ended::default(), identity.cookie, &rest.group);
        self.write(None, Act::Exit, Outcome::Failed, format!("process {} {exit}", identity.pid));
        let Some(assigned) = self.record.started_from.clone() else { return };
        let ran = self.shared.clock.wall().since(identity.started_at);
        self.decide(&assigned, Ending { success: false, ran }, &exit.to_string()).await;
    }

    /// An agent before this one reset the network and ended before it could see whether the server was still in reach: now
    /// that is waited for, and without an answer within the lease the reset is undone.
    pub(super) fn settle_reset(&mut self) {
        let Some(Unverified { runbook, rollback }) = self.record.unverified.clone() else { return };
        let (shared, name, mut contact) = (Arc::clone(&self.shared), self.name.clone(), self.contact.clone());
        let hands = self.hands_for(&runbook);
        self.settling = Some(tokio::spawn(async move {
            let _turn = Arc::clone(&shared.uses).lock_owned().await;
            let write = |act, outcome, what: &str| {
                shared.journal.write(&name, None, act, outcome, format!("reset_network {runbook}: {what}"));
            };
            let lease = contact.borrow().lease;
            let answered = contact.wait_for(|contact| contact.answered.is_some());
            if tokio::time::timeout(lease, answered).await.is_ok_and(|contact| contact.is_ok()) {
                return write(Act::RepairVerify, Outcome::Ok, "the server is in reach");
            }
            let lost = "the server has been out of reach since the agent's restart";
            write(Act::RepairVerify, Outcome::Failed, lost);
            match hands.perform(Some(rollback)).await {
                Report::Done(what) => write(Act::RepairRollback, Outcome::Ok, &what),
                Report::Refused(what) | Report::Failed(what) | Report::Elsewhere(what) => {
                    write(Act::RepairRollback, Outcome::Failed, &what);
                }
            }
        }));
    }

    /// What a runbook's commands are run with.
    pub(super) fn hands_for(&self, runbook: &str) -> Hands {
        let target = match (&self.stage, &self.record.started_from) {
            (Stage::Up(up), _) => up.target.clone(),
            (_, Some(assigned)) => {
                super::start::target(&self.shared.node, assigned, &self.dir).unwrap_or_default()
            }
            (_, None) => Default::default(),
        };
        let mut env = target.env;
        env.remove(crate::supervise::environment::RUN);
        Hands { env, dir: std::path::PathBuf::from("/"), key: format!("{}/{runbook}", self.name.project) }
    }
}
