//! What a replica's task says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use lepton_model::{
    AssignedReplica, CheckReport, PartitionPolicy, Period, ReplicaName, ReplicaPhase, ReplicaReport,
    ReplicaSpec, Resources, RestartPolicy, RunKind,
};

use super::{Goal, Replica, Stage, Up};
use crate::check::{Threshold, Verdict};
use crate::supervise::board::{CheckUsage, Posting};
use crate::supervise::state::Finished;

impl Replica {
    /// Posts its state for all to read.
    pub(super) fn post(&self) {
        let goal = self.wanted.borrow().goal.clone();
        let assigned = match (&goal, &self.record.started_from) {
            (Goal::Run(assigned, _), None) => Some(assigned.as_ref()),
            (_, Some(started_from)) => Some(started_from),
            (_, None) => None,
        };
        let up = match &self.stage {
            Stage::Up(up) | Stage::Stopping(up) => Some(up.as_ref()),
            Stage::Down { .. } => None,
        };
        let phase = self.phase();
        let message: Vec<&str> = std::iter::once(self.message.as_str())
            .chain(up.iter().flat_map(|_| self.notes.iter().map(String::as_str)))
            .filter(|part| !part.is_empty())
            .collect();
        let report = ReplicaReport {
            replica: self.name.clone(),
            incarnation: assigned.map_or(0, |a| a.incarnation),
            generation: assigned.map_or(0, |a| a.generation),
            node: self.shared.node.clone(),
            phase,
            pid: up.and_then(|up| u32::try_from(up.crew.leader.pid()).ok()),
            started_at: up.map(|up| up.started_at),
            restarts: self.record.restarts,
            last_exit: self.record.last_exit.clone(),
            ports: assigned.map_or_else(BTreeMap::new, |a| a.ports.clone()),
            checks: up.map(Up::reports).unwrap_or_default(),
            message: message.join("; "),
        };
        self.shared.board.post(Posting {
            report,
            up: phase == ReplicaPhase::Running,
            group: up.map(|up| up.crew.rest.group.clone()).unwrap_or_default(),
            checks: up.map(Up::usage).unwrap_or_default(),
            log: Arc::clone(&self.log),
            log_policy: self.log_policy(),
        });
    }

    fn phase(&self) -> ReplicaPhase {
        match (&self.stage, self.record.finished) {
            (Stage::Stopping(_), _) => ReplicaPhase::Stopping,
            (Stage::Up(up), _) => match up.verdict {
                Verdict::Starting => ReplicaPhase::Starting,
                Verdict::Healthy => ReplicaPhase::Running,
                Verdict::Unhealthy => ReplicaPhase::Unhealthy,
            },
            (Stage::Down { .. }, Some(Finished::Succeeded)) => ReplicaPhase::Succeeded,
            (Stage::Down { .. }, Some(Finished::Failed)) => ReplicaPhase::Failed,
            (Stage::Down { until: Some(_) }, None) if self.record.history.is_looping() => {
                ReplicaPhase::CrashLooping
            }
            (Stage::Down { .. }, None) if self.record.started_from.is_none() => ReplicaPhase::Assigned,
            (Stage::Down { .. }, None) => ReplicaPhase::BackingOff,
        }
    }
}

impl Up {
    fn reports(&self) -> Vec<CheckReport> {
        let each = self.checks.iter().enumerate().map(|(index, check)| {
            let healthy = self.health.check(index).and_then(Threshold::healthy).unwrap_or(false);
            let (message, at) = match self.seen.get(index).and_then(Option::as_ref) {
                Some((probed, at)) => {
                    let (Ok(said) | Err(said)) = &probed.result;
                    (said.clone(), *at)
                }
                None => ("not probed yet".to_owned(), self.started_at),
            };
            CheckReport { name: check.name.clone(), healthy, message, at }
        });
        each.collect()
    }

    fn usage(&self) -> Vec<CheckUsage> {
        let each = self.checks.iter().enumerate().map(|(index, check)| CheckUsage {
            name: check.name.clone(),
            up: self.health.check(index).and_then(Threshold::healthy).unwrap_or(false),
            took: self.seen.get(index).and_then(Option::as_ref).map(|(p, _)| p.took).unwrap_or_default(),
        });
        each.collect()
    }

    /// Which checks fail, and with what.
    pub(super) fn failing(&self) -> String {
        let each = self.checks.iter().enumerate().filter_map(|(index, check)| {
            let state = self.health.check(index)?;
            if state.healthy() == Some(true) {
                return None;
            }
            let said = match self.seen.get(index).and_then(Option::as_ref) {
                Some((probed, _)) => match &probed.result {
                    Ok(said) => format!("not yet often enough: {said}"),
                    Err(said) => said.clone(),
                },
                None => "not probed yet".to_owned(),
            };
            Some(match state.failed() {
                0 => format!("check {}: {said}", check.name),
                times => format!("check {} failed {times} times in a row: {said}", check.name),
            })
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A replica of which only its name is known.
pub(super) fn unknown(replica: &ReplicaName) -> AssignedReplica {
    AssignedReplica {
        replica: replica.clone(),
        incarnation: 0,
        generation: 0,
        ports: BTreeMap::new(),
        spec: ReplicaSpec {
            command: Vec::new(),
            env: BTreeMap::new(),
            working_dir: None,
            user: None,
            ports: Vec::new(),
            limits: Resources::default(),
            checks: Vec::new(),
            stop: Default::default(),
            logs: Default::default(),
            run: RunKind::Service {
                restart: RestartPolicy::default(),
                startup: Period::default(),
                repair: Vec::new(),
                partition: PartitionPolicy::Keep,
            },
        },
    }
}
