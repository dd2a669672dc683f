//! How good a plan is, from the scheduler's answer.

use std::collections::{BTreeMap, BTreeSet};

use lepton_model::{
    Action, ActionKind, Name, PlanReport, PlannedMove, ReplicaName, RunnerUp, Strategy, Terms,
};
use lepton_schedule::Solution;
use lepton_schedule::solution::{self, Objective};

use crate::wanted::Wanted;
use crate::{Aim, Snapshot};

pub(crate) fn terms(objective: &Objective) -> Terms {
    let Objective { machines, egress, balance, wishes, moves } = *objective;
    Terms { machines, egress, balance, wishes, moves }
}

pub(crate) fn runner_up(found: &solution::RunnerUp) -> RunnerUp {
    RunnerUp { node: found.node.clone(), costs_more: terms(&found.more), why: found.why.clone() }
}

/// The scheduler's moves in the words of the estate, with their position among its workloads.
pub(crate) fn moves(solution: &Solution, wanted: &[Wanted<'_>]) -> Vec<(usize, PlannedMove)> {
    let by_name: BTreeMap<String, usize> =
        wanted.iter().enumerate().map(|(at, want)| (want.workload(), at)).collect();
    let planned = |found: &solution::Move| {
        let at = *by_name.get(&found.workload)?;
        let want = wanted.get(at)?;
        let ordinal = *want.ordinals.get(found.ordinal as usize)?;
        let (from, to) = (Name::new(found.from.clone()).ok()?, Name::new(found.to.clone()).ok()?);
        Some((at, PlannedMove { replica: want.replica(ordinal), from, to, why: found.why.clone() }))
    };
    solution.moves.iter().filter_map(planned).collect()
}

/// Everything that is told of a plan beside its actions. `placed`: where wanted copies run before it.
pub(crate) fn report(
    snapshot: &Snapshot,
    aim: Option<&Aim>,
    solution: &Solution,
    mut moves: Vec<PlannedMove>,
    placed: &BTreeMap<ReplicaName, &Name>,
    actions: &[Action],
) -> PlanReport {
    let before: BTreeSet<&Name> = placed.values().copied().collect();
    let mut after: BTreeMap<&ReplicaName, &Name> =
        placed.iter().map(|(replica, node)| (replica, *node)).collect();
    let mut moved = BTreeSet::new();
    for action in actions {
        match &action.kind {
            ActionKind::Start { node, .. } => {
                after.insert(&action.replica, node);
                moved.insert(&action.replica);
            }
            ActionKind::Stop { node } if after.get(&action.replica) == Some(&node) => {
                after.remove(&action.replica);
            }
            ActionKind::Stop { .. } | ActionKind::Update { .. } => {}
        }
    }
    moves.sort_by_key(|planned| !moved.contains(&planned.replica));
    let names: BTreeSet<Name> =
        solution.assignment.placements.iter().filter_map(|p| Name::new(p.node.clone()).ok()).collect();
    let aimed: BTreeSet<&Name> = names.iter().collect();
    let usual = Aim::of(Strategy::PRIORITY);
    let aim = aim.unwrap_or(&usual);
    PlanReport {
        strategy: aim.strategy,
        horizon: aim.horizon,
        currency: snapshot.currency(),
        before: terms(&solution.before),
        objective: terms(&solution.objective),
        lower_bound: solution.lower_bound,
        gap: (solution.lower_bound > 0.0 || solution.objective.total() <= 0.0).then(|| solution.gap()),
        moves,
        cost_before: snapshot.cost_of(&before),
        cost_after: snapshot.cost_of(&after.into_values().collect()),
        cost_aim: snapshot.cost_of(&aimed),
        idle: snapshot.idle(&aimed),
        unpriced: u32::try_from(snapshot.unpriced()).unwrap_or(u32::MAX),
    }
}
