//! Who gives way: the cheapest set of lower-priority replicas of one node whose going makes room.

use crate::compile::Model;
use crate::fit::{held_back, kind_refused, refusal};
use crate::index::{Below, Limit};
use crate::place::enter;
use crate::state::State;

/// Nodes looked at, those with the lowest priorities first, once there is an answer.
const ENOUGH: usize = 16;
/// Nodes looked at in all.
const AT_MOST: usize = 1024;

/// A replica and its workload.
pub(crate) type Replica = (u32, u32);

/// Cost of a set of victims, most important part first.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Price {
    highest_priority: i32,
    move_cost: f64,
    count: usize,
}

/// Makes room for a replica by stopping replicas of lower priority, and starts it. Never stops an equal or higher priority,
/// nor more of a project than its budget allows, nor one that others need where it is. `None` changes nothing.
pub(crate) fn preempt(
    model: &Model<'_>,
    state: &mut State,
    work: u32,
    replica: u32,
    budgets: &[u32],
) -> Option<(u32, Vec<Replica>)> {
    let priority = model.works[work as usize].priority;
    let profile = model.works[work as usize].profile as usize;
    let mut kinds: Vec<(i32, u32)> = state.admitted[profile]
        .iter()
        .filter_map(|k| Some((state.index.whole(*k as usize).lowest()?, *k)))
        .filter(|(lowest, _)| *lowest < priority)
        .collect();
    kinds.sort_unstable();
    let mut best: Option<(Price, u32, Vec<Replica>)> = None;
    let mut looked_at = 0;
    for (_, k) in kinds {
        let kind = &state.index.kinds[k as usize];
        if kind.nodes.first().is_none_or(|example| kind_refused(model, state, work, *example)) {
            continue;
        }
        let mut candidates = Vec::new();
        let bound = |below: Below<'_>| below.lowest().filter(|l| *l < priority).map(f64::from);
        let mut visit = |node| {
            candidates.push(node);
            if candidates.len() >= AT_MOST { Limit::Enough } else { Limit::Below(f64::INFINITY) }
        };
        state.index.search(k as usize, &bound, &mut visit, f64::INFINITY, &mut 0);
        for node in candidates {
            looked_at += 1;
            if let Some((price, victims)) = victims(model, state, work, replica, node, budgets)
                && best.as_ref().is_none_or(|(p, ..)| price < *p)
            {
                best = Some((price, node, victims));
            }
            if (looked_at >= ENOUGH && best.is_some()) || looked_at >= AT_MOST {
                break;
            }
        }
        if (looked_at >= ENOUGH && best.is_some()) || looked_at >= AT_MOST {
            break;
        }
    }
    let (_, node, victims) = best?;
    for &(r, w) in &victims {
        state.leave(model, r, w);
        state.forget_home(model, r, w);
    }
    enter(model, state, work, replica, node);
    Some((node, victims))
}

/// The cheapest victims on one node: taken lowest priority first until there is room, then spared again one by one, dearest
/// first, as far as there still is. The state is the same afterwards.
fn victims(
    model: &Model<'_>,
    state: &mut State,
    work: u32,
    replica: u32,
    node: u32,
    budgets: &[u32],
) -> Option<(Price, Vec<Replica>)> {
    let w = &model.works[work as usize];
    let mut residents: Vec<Replica> = state.on[node as usize]
        .iter()
        .map(|r| (*r, model.work_of(*r) as u32))
        .filter(|(_, v)| model.works[*v as usize].priority < w.priority)
        .collect();
    let reclaimable = |c: u32| -> i64 {
        let amount = |(_, v): &Replica| {
            let requests = &model.works[*v as usize].requests;
            requests.iter().find(|(k, _)| *k == c).map_or(0, |(_, a)| *a)
        };
        residents.iter().map(amount).sum()
    };
    if w.requests.iter().any(|&(c, amount)| state.free(node)[c as usize] + reclaimable(c) < amount) {
        return None;
    }
    residents.sort_by(|(ra, a), (rb, b)| {
        let (a, b) = (&model.works[*a as usize], &model.works[*b as usize]);
        a.priority.cmp(&b.priority).then(a.move_cost.total_cmp(&b.move_cost)).then(rb.cmp(ra))
    });
    let mut spent = vec![0; budgets.len()];
    let mut gone: Vec<(Replica, Vec<u32>, u32)> = Vec::new();
    let mut room = refusal(model, state, work, replica, node).is_none();
    for (r, v) in residents {
        if room {
            break;
        }
        let project = model.works[v as usize].project as usize;
        if spent[project] >= budgets[project] || held_back(model, state, v, r, false).is_some() {
            continue;
        }
        spent[project] += 1;
        gone.push(((r, v), state.devices.get(&r).cloned().unwrap_or_default(), state.home[r as usize]));
        state.leave(model, r, v);
        state.forget_home(model, r, v);
        room = refusal(model, state, work, replica, node).is_none();
    }
    if room {
        let mut i = gone.len();
        while i > 0 {
            i -= 1;
            let ((r, v), devices, home) = gone[i].clone();
            state.enter(model, r, v, node, devices);
            if refusal(model, state, work, replica, node).is_none() {
                state.restore_home(model, r, v, home);
                if refusal(model, state, work, replica, node).is_none() {
                    gone.remove(i);
                    continue;
                }
                state.leave(model, r, v);
                state.forget_home(model, r, v);
            } else {
                state.leave(model, r, v);
            }
        }
    }
    let found = room.then(|| {
        let victims: Vec<Replica> = gone.iter().map(|(v, ..)| *v).collect();
        let works = victims.iter().map(|(_, v)| &model.works[*v as usize]);
        let price = Price {
            highest_priority: works.clone().map(|v| v.priority).max().unwrap_or(i32::MIN),
            move_cost: works.map(|v| v.move_cost).sum(),
            count: victims.len(),
        };
        (price, victims)
    });
    for ((r, v), devices, home) in gone.into_iter().rev() {
        state.enter(model, r, v, node, devices);
        state.restore_home(model, r, v, home);
    }
    found
}
