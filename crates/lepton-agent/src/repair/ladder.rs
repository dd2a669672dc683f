//! The ladder: which repair is next. Pure: what is seen and `now` are handed in.

use std::collections::VecDeque;
use std::time::Duration;

use lepton_model::{Act, Outcome, Period, RepairAction, RepairStep, RunbookSpec};

/// One step with its runbook, when the assignment brought it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rung {
    pub(crate) step: RepairStep,
    pub(crate) runbook: Option<RunbookSpec>,
}

/// A replica's health, as repair sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Healthy,
    Unhealthy,
    /// Starting, waiting or stopping: nothing to judge yet.
    Unsettled,
}

/// What the ladder is told before it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) now: Duration,
    pub(crate) health: Sight,
    /// Whether there is a process to restart.
    pub(crate) running: bool,
    /// Whether the server answers.
    pub(crate) reachable: bool,
    /// When the last answered request to the server was sent.
    pub(crate) answered: Option<Duration>,
    /// The node's lease: contact is made within it, if it can be.
    pub(crate) lease: Duration,
}

/// What is to be done now, for the rung of that number. Everything but `Note` is answered by [`Ladder::report`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Do {
    /// Run the runbook's check, if it has one.
    Check(usize),
    /// Restart the replica, or run the runbook's act.
    Act(usize),
    /// Run the runbook's verify.
    Verify(usize),
    /// Run the runbook's rollback.
    RollBack(usize),
    /// Only write to the timeline.
    Note(Note),
}

/// An entry for the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) act: Act,
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
}

/// How what was to be done went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    Done(String),
    /// The precondition does not hold.
    Refused(String),
    Failed(String),
    /// Another replica of this node has just done it.
    Elsewhere(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// Before the rung of this number.
    Ready(usize),
    Checking(usize),
    Acting {
        rung: usize,
        reachable_before: bool,
    },
    Verifying(Verifying),
    RollingBack(usize),
    /// Every rung has been tried; from the bottom again at this time.
    Top(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Verifying {
    rung: usize,
    since: Duration,
    until: Duration,
    /// The server must be heard of again.
    contact: bool,
    command: Command,
    /// What was done was done here, and can be undone here.
    own: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// There is none: health alone decides.
    None,
    NotRun,
    Running,
    Passed,
}

/// When steps were used; kept on disk, so that the limits on their use hold across an agent's restart.
pub(crate) type History = Vec<(RepairStep, VecDeque<Duration>)>;

/// A replica's ladder and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    rungs: Vec<Rung>,
    /// When each rung was used, within its window.
    uses: Vec<VecDeque<Duration>>,
    /// Uses of steps before the rungs were known.
    history: History,
    at: At,
    /// Decided already, and to be done first.
    pending: VecDeque<Do>,
}

impl Ladder {
    /// A ladder whose rungs are still to come.
    pub(crate) fn with_history(history: History) -> Self {
        Self { rungs: Vec::new(), uses: Vec::new(), history, at: At::Ready(0), pending: VecDeque::new() }
    }

    /// When its steps were used.
    pub(crate) fn history(&self) -> History {
        self.rungs.iter().map(|rung| rung.step.clone()).zip(self.uses.iter().cloned()).collect()
    }

    pub(crate) fn rung(&self, index: usize) -> Option<&Rung> {
        self.rungs.get(index)
    }

    /// Whether something has been begun that has to be ended: the rungs must stay.
    pub(crate) fn is_busy(&self) -> bool {
        !matches!(self.at, At::Ready(_) | At::Top(_)) || !self.pending.is_empty()
    }

    /// Whether an act is underway.
    pub(crate) fn is_acting(&self) -> bool {
        matches!(self.at, At::Acting { .. })
    }

    /// Takes over other rungs, from the bottom; steps that stay the same keep the count of their uses.
    pub(crate) fn replace(&mut self, rungs: Vec<Rung>) {
        let mut history = self.history();
        history.append(&mut self.history);
        let uses = |new: &Rung| {
            let old = history.iter().find(|(step, _)| *step == new.step);
            old.map(|(_, uses)| uses.clone()).unwrap_or_default()
        };
        self.uses = rungs.iter().map(uses).collect();
        self.rungs = rungs;
        self.at = At::Ready(0);
    }

    /// Whether these are its rungs.
    pub(crate) fn has(&self, rungs: &[Rung]) -> bool {
        self.rungs == rungs
    }

    /// The next thing to do; none when there is nothing to do before the health changes or [`Ladder::wake`].
    pub(crate) fn decide(&mut self, seen: &Seen) -> Option<Do> {
        if let Some(next) = self.pending.pop_front() {
            return Some(next);
        }
        match self.at.clone() {
            At::Ready(rung) => self.ready(rung, seen),
            At::Verifying(verifying) => self.verifying(verifying, seen),
            At::Top(until) => {
                if seen.health == Sight::Healthy || seen.now >= until {
                    self.at = At::Ready(0);
                }
                None
            }
            At::Checking(_) | At::Acting { .. } | At::RollingBack(_) => None,
        }
    }

    /// When to decide again though nothing happened.
    pub(crate) fn wake(&self) -> Option<Duration> {
        match &self.at {
            At::Ready(rung) => {
                let cooldown = self.rungs.get(*rung)?.step.cooldown.duration();
                self.uses.get(*rung)?.back().map(|last| last.saturating_add(cooldown))
            }
            At::Verifying(verifying) => Some(verifying.until),
            At::Top(until) => Some(*until),
            At::Checking(_) | At::Acting { .. } | At::RollingBack(_) => None,
        }
    }

    fn ready(&mut self, index: usize, seen: &Seen) -> Option<Do> {
        match seen.health {
            Sight::Healthy => {
                self.at = At::Ready(0);
                return None;
            }
            Sight::Unsettled => return None,
            Sight::Unhealthy => {}
        }
        let Some(rung) = self.rungs.get(index) else {
            let rest = self.rungs.last().map_or(Duration::MAX, |rung| rung.step.per.duration());
            self.at = At::Top(seen.now.saturating_add(rest));
            return None;
        };
        let step = &rung.step;
        let (most, per) = (step.most as usize, step.per);
        let cooldown = step.cooldown.duration();
        let uses = self.uses.get_mut(index)?;
        uses.retain(|&at| seen.now.saturating_sub(at) < per.duration());
        if uses.len() >= most {
            let why = format!("{} was used {most} times within {per} already", name(rung));
            return Some(self.skip(index, why));
        }
        if uses.back().is_some_and(|&last| seen.now < last.saturating_add(cooldown)) {
            return None;
        }
        match (step.action, &rung.runbook) {
            (RepairAction::Restart, _) if !seen.running => {
                Some(self.skip(index, "restart: it has no process; its restart policy starts one".to_owned()))
            }
            (RepairAction::Restart, _) => {
                let reason = "restart: its process runs and is unhealthy".to_owned();
                let act = self.act(index, seen);
                self.pending.push_back(act);
                Some(note(Act::RepairCheck, Outcome::Ok, reason))
            }
            (RepairAction::Escalate, _) => {
                uses.push_back(seen.now);
                self.at = At::Ready(index + 1);
                let tried: Vec<String> = self.rungs.iter().take(index).map(name).collect();
                let reason = if tried.is_empty() {
                    "it is unhealthy, and a person is asked first".to_owned()
                } else {
                    format!("it is unhealthy, and {} did not help", tried.join(", "))
                };
                Some(note(Act::Escalate, Outcome::Ok, reason))
            }
            (_, None) => {
                let why = format!("{}: the assignment does not bring this runbook", name(rung));
                Some(self.skip(index, why))
            }
            (_, Some(_)) => {
                self.at = At::Checking(index);
                Some(Do::Check(index))
            }
        }
    }

    fn verifying(&mut self, verifying: Verifying, seen: &Seen) -> Option<Do> {
        let index = verifying.rung;
        let rung = self.rungs.get(index)?;
        let heard = !verifying.contact || seen.answered.is_some_and(|at| at > verifying.since);
        let healthy = seen.health == Sight::Healthy;
        let proven = matches!(verifying.command, Command::None | Command::Passed);
        if verifying.command == Command::NotRun {
            self.at = At::Verifying(Verifying { command: Command::Running, ..verifying });
            return Some(Do::Verify(index));
        }
        if healthy && proven && heard {
            let after = Period::from_millis(millis(seen.now.saturating_sub(verifying.since)));
            let reason = format!("{}: healthy again after {after}", name(rung));
            self.at = At::Ready(0);
            return Some(note(Act::RepairVerify, Outcome::Ok, reason));
        }
        // A verify command runs within a limit of its own.
        if seen.now < verifying.until || verifying.command == Command::Running {
            return None;
        }
        let within = Period::from_millis(millis(verifying.until.saturating_sub(verifying.since)));
        let (reason, undo) = match (heard, healthy) {
            (false, _) => (format!("the server has been out of reach for {within} since"), true),
            (true, false) => {
                (format!("still not healthy after {within}"), verifying.command == Command::None)
            }
            (true, true) => ("healthy, but not proven".to_owned(), false),
        };
        let reason = format!("{}: {reason}", name(rung));
        Some(self.did_not_help(index, reason, undo && verifying.own))
    }

    /// Takes the outcome of the last thing that was to be done.
    pub(crate) fn report(&mut self, report: Report, seen: &Seen) {
        let next = match self.at.clone() {
            At::Checking(rung) => self.checked(rung, report, seen),
            At::Acting { rung, reachable_before } => self.acted(rung, reachable_before, report, seen),
            At::Verifying(verifying) if verifying.command == Command::Running => {
                let label = self.rungs.get(verifying.rung).map(name).unwrap_or_default();
                match report {
                    Report::Done(_) => {
                        self.at = At::Verifying(Verifying { command: Command::Passed, ..verifying });
                        None
                    }
                    Report::Refused(why) | Report::Failed(why) | Report::Elsewhere(why) => {
                        let reason = format!("{label}: verify: {why}");
                        Some(self.did_not_help(verifying.rung, reason, verifying.own))
                    }
                }
            }
            At::RollingBack(rung) => {
                let label = self.rungs.get(rung).map(name).unwrap_or_default();
                self.at = At::Ready(rung + 1);
                let (outcome, what) = match report {
                    Report::Done(what) => (Outcome::Ok, what),
                    Report::Refused(what) | Report::Failed(what) | Report::Elsewhere(what) => {
                        (Outcome::Failed, what)
                    }
                };
                Some(note(Act::RepairRollback, outcome, format!("{label}: {what}")))
            }
            // An answer to a question that was not asked changes nothing.
            At::Ready(_) | At::Top(_) | At::Verifying(_) => None,
        };
        // What has happened is written down before what the transition has queued is done.
        if let Some(next) = next {
            self.pending.push_front(next);
        }
    }

    fn checked(&mut self, index: usize, report: Report, seen: &Seen) -> Option<Do> {
        let label = self.rungs.get(index).map(name).unwrap_or_default();
        match report {
            Report::Done(_) if seen.health == Sight::Healthy => {
                self.at = At::Ready(0);
                Some(note(Act::RepairCheck, Outcome::Skipped, format!("{label}: healthy again by itself")))
            }
            Report::Done(what) => {
                let act = self.act(index, seen);
                self.pending.push_back(act);
                Some(note(Act::RepairCheck, Outcome::Ok, format!("{label}: {what}")))
            }
            Report::Elsewhere(why) => {
                self.verify(index, false, false, seen);
                Some(note(Act::RepairCheck, Outcome::Skipped, format!("{label}: {why}")))
            }
            Report::Refused(why) | Report::Failed(why) => Some(self.skip(index, format!("{label}: {why}"))),
        }
    }

    fn acted(&mut self, index: usize, reachable_before: bool, report: Report, seen: &Seen) -> Option<Do> {
        let label = self.rungs.get(index).map(name).unwrap_or_default();
        match report {
            Report::Done(what) | Report::Elsewhere(what) => {
                self.verify(index, true, reachable_before, seen);
                Some(note(Act::RepairAct, Outcome::Ok, format!("{label}: {what}")))
            }
            Report::Refused(why) | Report::Failed(why) => {
                // A change that failed midway may have left half of itself.
                self.next_or_roll_back(index, true);
                Some(note(Act::RepairAct, Outcome::Failed, format!("{label}: {why}")))
            }
        }
    }

    fn act(&mut self, index: usize, seen: &Seen) -> Do {
        if let Some(uses) = self.uses.get_mut(index) {
            uses.push_back(seen.now);
        }
        self.at = At::Acting { rung: index, reachable_before: seen.reachable };
        Do::Act(index)
    }

    fn verify(&mut self, index: usize, own: bool, reachable_before: bool, seen: &Seen) {
        let Some(rung) = self.rungs.get(index) else { return };
        let contact = rung.step.action == RepairAction::ResetNetwork && reachable_before;
        let mut within = rung.step.verify_within.duration();
        if contact {
            within = within.max(seen.lease);
        }
        let has_command = own && rung.runbook.as_ref().is_some_and(|runbook| runbook.verify.is_some());
        self.at = At::Verifying(Verifying {
            rung: index,
            since: seen.now,
            until: seen.now.saturating_add(within),
            contact,
            command: if has_command { Command::NotRun } else { Command::None },
            own,
        });
    }

    fn did_not_help(&mut self, index: usize, reason: String, undo: bool) -> Do {
        self.next_or_roll_back(index, undo);
        note(Act::RepairVerify, Outcome::Failed, reason)
    }

    fn next_or_roll_back(&mut self, index: usize, undo: bool) {
        let rollback = self.rungs.get(index).and_then(|r| r.runbook.as_ref()?.rollback.as_ref());
        if undo && rollback.is_some() {
            self.at = At::RollingBack(index);
            self.pending.push_back(Do::RollBack(index));
        } else {
            self.at = At::Ready(index + 1);
        }
    }

    fn skip(&mut self, index: usize, why: String) -> Do {
        self.at = At::Ready(index + 1);
        note(Act::RepairCheck, Outcome::Skipped, why)
    }
}

fn note(act: Act, outcome: Outcome, reason: String) -> Do {
    Do::Note(Note { act, outcome, reason })
}

/// `restart`, `runbook clear-cache`
fn name(rung: &Rung) -> String {
    let action = rung.step.action.as_str();
    match &rung.step.runbook {
        Some(runbook) => format!("{action} {runbook}"),
        None => action.to_owned(),
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
