//! Why each replica is where it is, and what the next best place would have cost.

use foldhash::HashMap;

use crate::compile::Model;
use crate::place::best;
use crate::score::adds;
use crate::solution::{Objective, Reason, RunnerUp};
use crate::solve::Story;
use crate::state::{NOWHERE, State};

/// Beyond this many (replica, node) pairs, runners-up are found only for replicas that change; ask for one of the others by
/// solving for it alone.
const PAIRS: u64 = 20_000_000;

/// Reasons in the order of the assignment.
pub(crate) fn reasons(model: &Model<'_>, state: &State, story: &HashMap<u32, Story>) -> Vec<Reason> {
    let all = u64::from(model.replicas) * state.machines.len() as u64 <= PAIRS;
    let mut scratch = state.clone();
    let mut reasons = Vec::new();
    for (i, w) in model.works.iter().enumerate() {
        for replica in w.first..w.first + w.replicas {
            let node = state.at[replica as usize];
            if node == NOWHERE {
                continue;
            }
            let told = story.get(&replica).unwrap_or(&Story::Kept);
            let runner_up = if all || *told != Story::Kept {
                runner_up(model, &mut scratch, i as u32, replica, node)
            } else {
                None
            };
            let next = runner_up.as_ref().map(|r| format!("next best is {}, {}", r.node, r.why));
            let why = match (told, next) {
                (Story::Stuck(why), _) => format!("{why}, but nowhere else would do; left running"),
                (Story::Kept, None) => "runs there already".to_owned(),
                (Story::Kept, Some(next)) => format!("runs there already; {next}"),
                (Story::Placed, None) => "the only node that would do".to_owned(),
                (Story::Placed, Some(next)) => format!("costs least there; {next}"),
                (Story::Because(why), None) => format!("{why}; no other node would do"),
                (Story::Because(why), Some(next)) => format!("{why}; {next}"),
            };
            reasons.push(Reason {
                workload: model.problem.workloads[i].name.clone(),
                ordinal: replica - w.first,
                node: state.machines[node as usize].name.clone(),
                why,
                runner_up,
            });
        }
    }
    reasons
}

fn runner_up(model: &Model<'_>, state: &mut State, work: u32, replica: u32, node: u32) -> Option<RunnerUp> {
    let devices = state.devices.get(&replica).cloned().unwrap_or_default();
    state.leave(model, replica, work);
    let here = adds(model, state, work, replica, node);
    let found = best(model, state, work, replica, node).map(|(other, _)| {
        let there = adds(model, state, work, replica, other);
        RunnerUp {
            node: state.machines[other as usize].name.clone(),
            worse_by: there.total() - here.total(),
            more: there.minus(&here),
            why: decided(&there.minus(&here)),
        }
    });
    state.enter(model, replica, work, node, devices);
    found
}

/// The term in which the loser is worst.
fn decided(more: &Objective) -> String {
    let terms = [
        ("machines", more.machines),
        ("egress", more.egress),
        ("load", more.balance),
        ("wishes and spread", more.wishes),
        ("moving", more.moves),
    ];
    let (name, by) = terms.into_iter().fold(("", 0.0), |worst, t| if t.1 > worst.1 { t } else { worst });
    if by < 1e-9 { "equal but less tightly filled".to_owned() } else { format!("worse by {by:.4} in {name}") }
}
