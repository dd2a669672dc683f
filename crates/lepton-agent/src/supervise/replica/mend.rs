//! Health and repair of a running replica.

use std::sync::Arc;
use std::time::Duration;

use lepton_model::{Act, Outcome, RepairAction, RestartPolicy, RunKind};

use super::{Replica, Stage, Up};
use crate::check::{Probed, Verdict};
use crate::repair::{Do, Note, Report, Rung, Seen, Sight};
use crate::supervise::state::Unverified;

/// How long a process of a crash loop has to be healthy before repair takes it for mended.
const STEADY: Duration = Duration::from_secs(10);

impl Replica {
    /// Takes a probe's result.
    pub(super) fn probed(&mut self, index: usize, probed: Probed) {
        let at = self.shared.clock.wall();
        let Stage::Up(up) = &mut self.stage else { return };
        up.health.saw(index, probed.result.is_ok());
        if let Some(seen) = up.seen.get_mut(index) {
            *seen = Some((probed, at));
        }
        self.judge();
    }

    /// Looks at its health anew; a change goes to the timeline.
    pub(super) fn judge(&mut self) {
        let now = self.now();
        let Stage::Up(up) = &mut self.stage else { return };
        let verdict = up.health.verdict(now);
        let before = std::mem::replace(&mut up.verdict, verdict);
        if before == verdict || up.checks.is_empty() {
            return;
        }
        match verdict {
            Verdict::Healthy => {
                let after = super::end::rounded(now.saturating_sub(up.since));
                let reason = if before == Verdict::Starting {
                    format!("every check passes, {after} after its start")
                } else {
                    "every check passes again".to_owned()
                };
                self.write(None, Act::Healthy, Outcome::Ok, reason);
            }
            Verdict::Unhealthy => {
                let reason = up.failing();
                self.write(None, Act::Unhealthy, Outcome::Failed, reason);
            }
            Verdict::Starting => {}
        }
    }

    /// Takes over the ladder as assigned, once nothing is underway.
    pub(super) fn take_rungs(&mut self, rungs: &[Rung]) {
        if !self.ladder.has(rungs) && !self.ladder.is_busy() {
            self.ladder.replace(rungs.to_vec());
        }
    }

    /// What the ladder decides by.
    pub(super) fn seen(&self) -> Seen {
        let now = self.now();
        let contact = *self.contact.borrow();
        let looping = self.record.history.is_looping();
        let steady = |up: &Up| match self.record.started_from.as_ref().map(|assigned| &assigned.spec.run) {
            Some(RunKind::Service { restart, .. }) => now >= self.steady_at(up.since, restart),
            _ => true,
        };
        let health = match &self.stage {
            Stage::Up(up) => match up.verdict {
                Verdict::Healthy if looping && !steady(up) => Sight::Unsettled,
                Verdict::Healthy => Sight::Healthy,
                Verdict::Unhealthy => Sight::Unhealthy,
                Verdict::Starting => Sight::Unsettled,
            },
            Stage::Down { until: Some(_) } if looping => Sight::Unhealthy,
            Stage::Down { .. } | Stage::Stopping(_) => Sight::Unsettled,
        };
        Seen {
            now,
            health,
            running: self.is_up(),
            reachable: contact.is_fresh(now),
            answered: contact.answered,
            lease: contact.lease,
        }
    }

    /// When a crash loop's process that is healthy counts as such: a moment of health is part of the loop.
    pub(super) fn steady_at(&self, since: Duration, restart: &RestartPolicy) -> Duration {
        since.saturating_add(restart.backoff.reset.duration().min(STEADY))
    }

    /// Takes the outcome of a runbook's command.
    pub(super) fn reported(&mut self, report: Report) {
        if self.ladder.is_acting() && matches!(report, Report::Done(_)) {
            let now = self.now();
            // Whatever waits for its next start is tried at once: what made it crash may be mended.
            if let Stage::Down { until: Some(until) } = &mut self.stage {
                *until = now;
            }
        }
        let seen = self.seen();
        self.ladder.report(report, &seen);
    }

    /// Climbs the ladder as far as it goes now.
    pub(super) async fn mend(&mut self) {
        self.judge();
        self.settled();
        if self.settling.is_some() {
            return;
        }
        loop {
            let seen = self.seen();
            match self.ladder.decide(&seen) {
                None => break,
                Some(Do::Note(Note { act, outcome, reason })) => self.write(None, act, outcome, reason),
                Some(Do::Act(index)) if self.acts(index) == Some(RepairAction::Restart) => {
                    let exit = self.stop("repair: restart", None, None).await;
                    self.stage = Stage::Down { until: Some(self.now()) };
                    self.again = true;
                    let said =
                        exit.map_or_else(|| "it had ended".to_owned(), |exit| format!("stopped ({exit})"));
                    self.record.repairs = self.ladder.history();
                    let report = Report::Done(format!("{said}, and is started again"));
                    let seen = self.seen();
                    self.ladder.report(report, &seen);
                }
                Some(Do::Check(index)) => self.check(index),
                Some(Do::Act(index)) => self.act(index, seen.reachable).await,
                Some(Do::Verify(index)) => self.command(index, |runbook| runbook.verify.clone()),
                Some(Do::RollBack(index)) => self.command(index, |runbook| runbook.rollback.clone()),
            }
        }
        if !self.ladder.is_busy() {
            self.turn = None;
            if self.record.unverified.take().is_some() {
                self.store().await;
            }
        }
    }

    /// A run long enough ends a crash loop.
    fn settled(&mut self) {
        let Stage::Up(up) = &self.stage else { return };
        let Some(assigned) = &self.record.started_from else { return };
        if let RunKind::Service { restart, .. } = &assigned.spec.run
            && self.record.history.is_looping()
            && self.now() >= up.since.saturating_add(restart.backoff.reset.duration())
        {
            self.record.history.settled();
        }
    }

    fn acts(&self, index: usize) -> Option<RepairAction> {
        self.ladder.rung(index).map(|rung| rung.step.action)
    }

    fn check(&mut self, index: usize) {
        let Some(rung) = self.ladder.rung(index).cloned() else { return };
        let hands = self.hands_for(&runbook(&rung));
        let uses = Arc::clone(&self.shared.uses);
        let clock = Arc::clone(&self.shared.clock);
        self.hands = Some(tokio::spawn(async move {
            let (report, turn) = hands.check(rung, uses, move || clock.monotonic()).await;
            (report, Some(turn))
        }));
    }

    async fn act(&mut self, index: usize, reachable: bool) {
        let Some(rung) = self.ladder.rung(index).cloned() else { return };
        let name = runbook(&rung);
        let hands = self.hands_for(&name);
        let now = self.now();
        if let Some(turn) = &mut self.turn {
            turn.entry(hands.key.clone()).or_default().push_back(now);
        }
        let spec = rung.runbook.as_ref();
        if let Some(rollback) = spec.and_then(|runbook| runbook.rollback.clone())
            && rung.step.action == RepairAction::ResetNetwork
            && reachable
        {
            // On disk before the network is touched: an agent after this one undoes it if need be.
            self.record.unverified = Some(Unverified { runbook: name, rollback });
        }
        self.record.repairs = self.ladder.history();
        self.store().await;
        let step = spec.map(|runbook| runbook.act.clone());
        self.hands = Some(tokio::spawn(async move { (hands.perform(step).await, None) }));
    }

    fn command(
        &mut self,
        index: usize,
        which: impl Fn(&lepton_model::RunbookSpec) -> Option<lepton_model::CommandStep>,
    ) {
        let Some(rung) = self.ladder.rung(index).cloned() else { return };
        let hands = self.hands_for(&runbook(&rung));
        let step = rung.runbook.as_ref().and_then(which);
        self.hands = Some(tokio::spawn(async move { (hands.perform(step).await, None) }));
    }
}

fn runbook(rung: &Rung) -> String {
    rung.step.runbook.as_ref().map(ToString::to_string).unwrap_or_default()
}
