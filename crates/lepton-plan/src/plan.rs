//! The next plan.

use std::collections::BTreeMap;

use lepton_model::{
    Action, ActionKind, AssignedReplica, Kind, Money, Name, PlanId, PlanReport, PlanSpec, PlannedMove,
    ReplicaName, ReplicaPhase, Risk, RunnerUp, Timestamp, Unplaced,
};
use lepton_schedule::{Budget, ProblemError, Solution, solve};

use crate::ports::PortBook;
use crate::rollout::{self, Running};
use crate::snapshot::Assigned;
use crate::wanted::{Wanted, wanted};
use crate::{Aim, MoveLimits, Snapshot, problem, report};

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The moment.
    pub now: Timestamp,
    /// Id of the plan to be made.
    pub id: PlanId,
    /// The plan before it.
    pub parent: Option<PlanId>,
    /// The estate.
    pub snapshot: &'a Snapshot,
    /// What to aim at beyond keeping everything running; without it, nothing that runs well moves.
    pub aim: Option<&'a Aim>,
}

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The solver refuses the problem; it names the workload and the field.
    #[error("the scheduler refuses this estate: {0}")]
    Problem(String),
}

impl From<ProblemError> for PlanError {
    fn from(error: ProblemError) -> Self {
        Self::Problem(error.to_string())
    }
}

/// Makes the next plan. One without actions means that nothing has to change; it may still name what does not fit.
///
/// # Errors
/// When the solver refuses the problem (contradictory constraints).
pub fn plan(input: &PlanInput<'_>) -> Result<PlanSpec, PlanError> {
    let wanted = wanted(input.snapshot);
    let mut draft = Draft::new(input, &wanted);
    let problem = problem::problem(input.snapshot, &wanted, input.aim);
    let solution = solve(&problem, &problem::previous(&draft.placed, &wanted), &Budget::default())?;
    let moves = report::moves(&solution, &wanted);
    match input.aim.and_then(|aim| aim.limits.as_ref()) {
        Some(limits) => draft.move_some(&solution, &moves, limits),
        None => {
            draft.stop_unwanted();
            draft.place(&solution);
            draft.roll_out();
        }
    }
    let moves = moves.into_iter().map(|(_, planned)| planned).collect();
    let placed = draft.placed.iter().filter_map(|((workload, position), node)| {
        let want = wanted.get(*workload)?;
        Some((want.replica(*want.ordinals.get(*position as usize)?), *node))
    });
    let placed = placed.collect();
    let report = report::report(input.snapshot, input.aim, &solution, moves, &placed, &draft.actions);
    Ok(draft.finish(report))
}

/// Position of a workload in the wanted list, and of a copy among its ordinals.
type Slot = (usize, u32);

struct Draft<'a> {
    input: &'a PlanInput<'a>,
    wanted: &'a [Wanted<'a>],
    slots: BTreeMap<ReplicaName, Slot>,
    assigned: BTreeMap<&'a ReplicaName, Vec<Assigned<'a>>>,
    /// Where wanted copies run now, on nodes that are ready.
    placed: BTreeMap<Slot, &'a Name>,
    ports: PortBook,
    actions: Vec<Action>,
    unplaced: Vec<Unplaced>,
}

impl<'a> Draft<'a> {
    fn new(input: &'a PlanInput<'a>, wanted: &'a [Wanted<'a>]) -> Self {
        let mut slots = BTreeMap::new();
        for (workload, want) in wanted.iter().enumerate() {
            for (position, ordinal) in (0_u32..).zip(&want.ordinals) {
                slots.insert(want.replica(*ordinal), (workload, position));
            }
        }
        let assigned = input.snapshot.assigned();
        let mut placed = BTreeMap::new();
        for (replica, places) in &assigned {
            let home = places.first().filter(|(node, _)| input.snapshot.is_ready(node));
            if let (Some(slot), Some((node, _))) = (slots.get(*replica), home) {
                placed.insert(*slot, *node);
            }
        }
        let ports = PortBook::new(input.snapshot, wanted);
        Self { input, wanted, slots, assigned, placed, ports, actions: Vec::new(), unplaced: Vec::new() }
    }

    fn act(&mut self, replica: &ReplicaName, kind: ActionKind, reason: String, runner_up: Option<RunnerUp>) {
        let risk = match kind {
            ActionKind::Start { .. } => Risk::Low,
            ActionKind::Stop { .. } | ActionKind::Update { .. } => Risk::Medium,
        };
        self.actions.push(Action { replica: replica.clone(), kind, reason, runner_up, risk });
    }

    /// Takes off what should not run, and second copies of what runs elsewhere.
    fn stop_unwanted(&mut self) {
        let snapshot = self.input.snapshot;
        let mut stops = Vec::new();
        for (replica, places) in &self.assigned {
            let wanted = self.slots.contains_key(*replica);
            for (at, (node, _)) in places.iter().enumerate() {
                let reason = if !wanted && !finished(snapshot, replica, node) {
                    unwanted_because(snapshot, replica)
                } else if wanted && at > 0 {
                    format!(
                        "runs on {} now",
                        places.first().map_or("another node", |(home, _)| home.as_str())
                    )
                } else {
                    continue;
                };
                stops.push(((*replica).clone(), (*node).clone(), reason));
            }
        }
        for (replica, node, reason) in stops {
            self.act(&replica, ActionKind::Stop { node }, reason, None);
        }
    }

    /// Starts, moves and gives way, as the solver says.
    fn place(&mut self, solution: &Solution) {
        let preempted: BTreeMap<(&str, u32), &str> =
            solution.preemptions.iter().map(|p| ((p.workload.as_str(), p.ordinal), p.by.as_str())).collect();
        let target: BTreeMap<(&str, u32), usize> = solution
            .reasons
            .iter()
            .enumerate()
            .map(|(at, reason)| ((reason.workload.as_str(), reason.ordinal), at))
            .collect();
        let refusals: BTreeMap<(&str, u32), String> =
            solution.unplaced.iter().map(|u| ((u.workload.as_str(), u.ordinal), u.why.to_string())).collect();
        for (workload, want) in self.wanted.iter().enumerate() {
            let name = want.workload();
            for (position, ordinal) in (0_u32..).zip(&want.ordinals) {
                let replica = want.replica(*ordinal);
                let home = self.placed.get(&(workload, position)).copied();
                let key = (name.as_str(), position);
                let reason = target.get(&key).and_then(|at| solution.reasons.get(*at));
                match (home, reason) {
                    (Some(home), Some(reason)) if reason.node == home.as_str() => {}
                    (_, Some(reason)) => self.start(want, &replica, home, reason),
                    (Some(home), None) => {
                        let by = preempted.get(&key).copied().unwrap_or("more important work");
                        self.act(
                            &replica,
                            ActionKind::Stop { node: home.clone() },
                            format!("gives way to {by}"),
                            None,
                        );
                        let why = refusals.get(&key).cloned().unwrap_or_default();
                        self.unplaced.push(Unplaced { replica, reason: format!("gave way to {by}; {why}") });
                    }
                    (None, None) => {
                        let why =
                            refusals.get(&key).cloned().unwrap_or_else(|| "no node would do".to_owned());
                        let reason = match self.stranded(&replica) {
                            Some(node) => format!("{node} is lost and nothing else will do: {why}"),
                            None => why,
                        };
                        self.unplaced.push(Unplaced { replica, reason });
                    }
                }
            }
        }
    }

    /// The first of the scheduler's moves, up to the first that a limit forbids: any beginning of their order can be carried
    /// out. A service keeps as many replicas as its rollouts do.
    fn move_some(&mut self, solution: &Solution, moves: &[(usize, PlannedMove)], limits: &MoveLimits) {
        let mut left = limits.projects.clone();
        let mut down: BTreeMap<usize, u32> = BTreeMap::new();
        for (at, planned) in moves {
            let (Some(want), Some((workload, position))) =
                (self.wanted.get(*at), self.slots.get(&planned.replica).copied())
            else {
                break;
            };
            let home = self.placed.get(&(workload, position)).copied().filter(|home| **home == planned.from);
            let reason = solution.reasons.iter().find(|reason| {
                reason.ordinal == position
                    && reason.node == planned.to.as_str()
                    && reason.workload == want.workload()
            });
            let serving = *down.entry(*at).or_insert_with(|| self.not_serving(*at));
            let budget = left.entry(planned.replica.project.clone()).or_default();
            let (Some(home), Some(reason)) = (home, reason) else { break };
            if *budget == 0 || serving >= want.max_unavailable {
                break;
            }
            *budget -= 1;
            *down.entry(*at).or_default() += 1;
            self.start(want, &planned.replica, Some(home), reason);
        }
    }

    /// Copies of a workload that do not serve where they are assigned.
    fn not_serving(&self, at: usize) -> u32 {
        let Some(want) = self.wanted.get(at) else { return 0 };
        let serves = |ordinal: &&u32| {
            let replica = want.replica(**ordinal);
            let place = self.assigned.get(&replica).and_then(|places| places.first());
            place.is_some_and(|(node, assigned)| {
                let report = self.input.snapshot.report(&replica, node);
                report.is_some_and(|r| {
                    r.phase == ReplicaPhase::Running && r.incarnation == assigned.incarnation
                })
            })
        };
        let serving = want.ordinals.iter().filter(serves).count();
        u32::try_from(want.ordinals.len() - serving).unwrap_or(u32::MAX)
    }

    /// The lost node that still has the replica.
    fn stranded(&self, replica: &ReplicaName) -> Option<&'a Name> {
        let (node, _) = self.assigned.get(replica)?.first()?;
        (!self.input.snapshot.is_ready(node)).then_some(*node)
    }

    /// Starts a replica on the solver's node, and takes it off the node it had.
    fn start(
        &mut self,
        want: &Wanted<'_>,
        replica: &ReplicaName,
        home: Option<&'a Name>,
        reason: &lepton_schedule::solution::Reason,
    ) {
        let Ok(node) = Name::new(reason.node.clone()) else { return };
        let lost = self.stranded(replica);
        let why = match (home, lost) {
            (Some(home), _) => format!("moves from {home}: {}", reason.why),
            (None, Some(lost)) => format!("{lost} is lost: {}", reason.why),
            (None, None) => format!("should run: {}", reason.why),
        };
        if let Some(old) = home.or(lost) {
            self.act(replica, ActionKind::Stop { node: old.clone() }, format!("moves to {node}"), None);
        }
        if want.exclusive && self.still_ends(replica, &node) {
            self.unplaced.push(Unplaced {
                replica: replica.clone(),
                reason: format!("starts on {node} once the copy it replaces has ended (partition: stop)"),
            });
            return;
        }
        let ports = self.ports.take(&node, want.ports, None);
        let runner_up = reason.runner_up.as_ref().map(report::runner_up);
        let kind = ActionKind::Start {
            node,
            incarnation: self.input.snapshot.revision,
            generation: want.generation,
            ports,
        };
        self.act(replica, kind, why, runner_up);
    }

    /// Whether a copy of the replica may still be alive on a node that is ready.
    fn still_ends(&self, replica: &ReplicaName, target: &Name) -> bool {
        self.input.snapshot.reports.iter().any(|report| {
            report.replica == *replica
                && report.node != *target
                && self.input.snapshot.is_ready(&report.node)
                && !matches!(
                    report.phase,
                    ReplicaPhase::Succeeded | ReplicaPhase::Failed | ReplicaPhase::Lost
                )
        })
    }

    /// Brings replicas to the wanted generation, a few at a time.
    fn roll_out(&mut self) {
        let wanted = self.wanted;
        for (workload, want) in wanted.iter().enumerate() {
            let mut running = Vec::new();
            let mut missing = 0;
            for (position, ordinal) in (0_u32..).zip(&want.ordinals) {
                let replica = want.replica(*ordinal);
                let home = self.placed.get(&(workload, position));
                let touched = self.actions.iter().any(|action| action.replica == replica);
                let place = self.assigned.get(&replica).and_then(|places| places.first());
                match (home, place) {
                    (Some(_), Some((node, assigned))) if !touched => running.push(Running {
                        ordinal: *ordinal,
                        assigned,
                        report: self.input.snapshot.report(&replica, node),
                        outdated: differs(want, assigned),
                    }),
                    _ => missing += 1,
                }
            }
            for ordinal in rollout::next(&running, missing, want.max_unavailable) {
                let replica = want.replica(ordinal);
                let Some((node, assigned)) =
                    self.assigned.get(&replica).and_then(|places| places.first()).copied()
                else {
                    continue;
                };
                if let Some(port) = self.ports.conflict(node, want.ports, &assigned.ports) {
                    let reason =
                        format!("keeps generation {}: port {port} is taken on {node}", assigned.generation);
                    self.unplaced.push(Unplaced { replica, reason });
                    continue;
                }
                let ports = self.ports.take(node, want.ports, Some(&assigned.ports));
                let kind = ActionKind::Update { node: node.clone(), generation: want.generation, ports };
                let reason = format!(
                    "{} {}/{} is at generation {}",
                    want.kind, want.project, want.name, want.generation
                );
                self.act(&replica, kind, reason, None);
            }
        }
    }

    fn finish(self, report: PlanReport) -> PlanSpec {
        let change = report.cost_after.amount.saturating_sub(report.cost_before.amount);
        let priced = !self.input.snapshot.prices.is_empty();
        let risk = self.actions.iter().map(|action| action.risk).max().unwrap_or_default();
        PlanSpec {
            id: self.input.id,
            parent: self.input.parent,
            snapshot: self.input.snapshot.revision,
            made_at: self.input.now,
            reason: summary(&self.actions, &self.unplaced),
            actions: self.actions,
            unplaced: self.unplaced,
            price_per_hour: priced.then(|| Money::new(change, report.currency)),
            risk,
            report: Some(report),
        }
    }
}

/// Whether the replica would run differently under what is wanted now.
fn differs(want: &Wanted<'_>, assigned: &AssignedReplica) -> bool {
    let ports_differ = want.ports.len() != assigned.ports.len()
        || want.ports.iter().any(|port| match (assigned.ports.get(&port.name), port.port) {
            (None, _) => true,
            (Some(now), Some(fixed)) => *now != fixed,
            (Some(_), None) => false,
        });
    assigned.spec != want.spec || ports_differ
}

/// A finished copy of a job that still runs elsewhere stays assigned, so that its agent keeps its report.
fn finished(snapshot: &Snapshot, replica: &ReplicaName, node: &Name) -> bool {
    let over = |job: &&lepton_model::Object<lepton_model::JobSpec>| {
        job.meta.project == replica.project
            && job.meta.name == replica.name
            && matches!(job.status.phase, lepton_model::JobPhase::Succeeded | lepton_model::JobPhase::Failed)
            && job.status.observed_generation == job.meta.generation
    };
    let still = snapshot.jobs.iter().any(|job| {
        job.meta.project == replica.project
            && job.meta.name == replica.name
            && replica.ordinal < job.spec.completions
            && !over(&job)
    });
    replica.kind == Kind::Job
        && still
        && snapshot
            .report(replica, node)
            .is_some_and(|report| matches!(report.phase, ReplicaPhase::Succeeded | ReplicaPhase::Failed))
}

fn unwanted_because(snapshot: &Snapshot, replica: &ReplicaName) -> String {
    let ReplicaName { kind, project, name, .. } = replica;
    let is = |meta: &lepton_model::Meta| meta.project == *project && meta.name == *name;
    match kind {
        Kind::Job => match snapshot.jobs.iter().find(|job| is(&job.meta)) {
            Some(_) => format!("job {project}/{name} is over"),
            None => format!("job {project}/{name} was deleted"),
        },
        _ => match snapshot.services.iter().find(|service| is(&service.meta)) {
            Some(service) => format!("service {project}/{name} wants {} replicas", service.spec.replicas),
            None => format!("service {project}/{name} was deleted"),
        },
    }
}

fn summary(actions: &[Action], unplaced: &[Unplaced]) -> String {
    let count = |kind: &str| actions.iter().filter(|action| action.kind.as_str() == kind).count();
    let parts: Vec<String> = ["start", "stop", "update"]
        .into_iter()
        .map(|kind| (kind, count(kind)))
        .filter(|(_, n)| *n > 0)
        .map(|(kind, n)| format!("{kind} {n}"))
        .chain((!unplaced.is_empty()).then(|| format!("{} unplaced", unplaced.len())))
        .collect();
    match (parts.is_empty(), actions.first()) {
        (true, _) => "nothing to do".to_owned(),
        (false, Some(first)) => format!("{}; first: {} {}", parts.join(", "), first.replica, first.reason),
        (false, None) => parts.join(", "),
    }
}
