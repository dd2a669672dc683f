//! An order of moves in which no node is ever overloaded, a replica starting on its new node before it stops on the old.

use foldhash::HashMap;

use crate::compile::Model;
use crate::solution::Move;
use crate::solve::Story;
use crate::state::{NOWHERE, State};

/// Moves from where replicas ran (`home`) to where they are to run (`at`). Replicas that run nowhere any more have left
/// already; new ones start after.
pub(crate) fn order_moves(model: &Model<'_>, state: &State, story: &HashMap<u32, Story>) -> Vec<Move> {
    let mut waiting: Vec<(u32, u32)> = (0..state.at.len() as u32)
        .filter(|r| {
            let (home, at) = (state.home[*r as usize], state.at[*r as usize]);
            home != NOWHERE && at != NOWHERE && home != at
        })
        .map(|r| (r, model.work_of(r) as u32))
        .collect();
    if waiting.is_empty() {
        return Vec::new();
    }
    // Free amounts before the first move: those who stay and those who are still to go are in their places.
    let width = model.columns.len();
    let mut free: Vec<i64> = state.machines.iter().flat_map(|m| m.capacity.iter().copied()).collect();
    let mut gpus: Vec<Box<[i64]>> =
        state.machines.iter().map(|m| m.gpus.iter().map(|g| g.milli).collect()).collect();
    for r in 0..state.at.len() as u32 {
        let (home, at) = (state.home[r as usize], state.at[r as usize]);
        let node = if at == NOWHERE || home == NOWHERE { continue } else { home };
        let w = &model.works[model.work_of(r)];
        for &(c, amount) in &w.requests {
            free[node as usize * width + c as usize] -= amount;
        }
        for d in state.home_devices(r) {
            gpus[node as usize][*d as usize] -= w.milli;
        }
    }
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let fits = |&(r, work): &(u32, u32)| {
            let w = &model.works[work as usize];
            let to = state.at[r as usize] as usize;
            let devices = state.devices.get(&r);
            w.requests.iter().all(|&(c, amount)| free[to * width + c as usize] >= amount)
                && devices.is_none_or(|ds| ds.iter().all(|d| gpus[to][*d as usize] >= w.milli))
        };
        // A circle of full nodes: somebody has to stop first, whoever minds least.
        let (i, stop_first) = match waiting.iter().position(fits) {
            Some(i) => (i, false),
            None => {
                let cost = |(_, work): &(u32, u32)| model.works[*work as usize].move_cost;
                let i = (0..waiting.len()).min_by(|a, b| cost(&waiting[*a]).total_cmp(&cost(&waiting[*b])));
                (i.unwrap_or(0), true)
            }
        };
        let (r, work) = waiting.remove(i);
        let w = &model.works[work as usize];
        let (from, to) = (state.home[r as usize] as usize, state.at[r as usize] as usize);
        for &(c, amount) in &w.requests {
            free[from * width + c as usize] += amount;
            free[to * width + c as usize] -= amount;
        }
        for d in state.home_devices(r) {
            gpus[from][*d as usize] += w.milli;
        }
        for d in state.devices.get(&r).into_iter().flatten() {
            gpus[to][*d as usize] -= w.milli;
        }
        let why = match story.get(&r) {
            Some(Story::Because(why)) => why.clone(),
            _ => "a better place".to_owned(),
        };
        ordered.push(Move {
            workload: model.problem.workloads[work as usize].name.clone(),
            ordinal: r - w.first,
            from: state.machines[from].name.clone(),
            to: state.machines[to].name.clone(),
            stop_first,
            why,
        });
    }
    ordered
}
