//! Better places for what has one: single replicas, then whole machines that can be emptied or exchanged.
//!
//! Every change is judged by what it adds and saves in the objective, moves included, so that the answer is never worse than
//! what it starts from and an estate that was improved once is left alone the next time.

use crate::fit::held_back;
use crate::place::{best, enter, offers_by_price};
use crate::score::adds;
use crate::solve::{Budget, Run, Story};
use crate::state::NOWHERE;

/// A gain below this, in base currency over the horizon, is none.
const GAIN: f64 = 1e-9;
/// Cheaper offers tried for each machine.
const OFFERS_TRIED: usize = 8;

/// Improves until nothing does, or the budget is used up; returns the steps taken.
pub(crate) fn improve(run: &mut Run<'_>, budget: &Budget<'_>) -> u64 {
    let mut steps = 0;
    loop {
        let gained = shift_all(run, budget, &mut steps) | empty_machines(run, budget, &mut steps);
        if !gained || steps >= budget.steps || budget.stopped() {
            return steps;
        }
    }
}

/// Gives every replica the place where it adds least.
fn shift_all(run: &mut Run<'_>, budget: &Budget<'_>, steps: &mut u64) -> bool {
    let model = run.model;
    let mut gained = false;
    for (i, w) in model.works.iter().enumerate() {
        for replica in w.first..w.first + w.replicas {
            if *steps >= budget.steps || ((*steps).is_multiple_of(64) && budget.stopped()) {
                return gained;
            }
            if run.state.at[replica as usize] != NOWHERE {
                *steps += 1;
                gained |= shift(run, i as u32, replica);
            }
        }
    }
    gained
}

fn shift(run: &mut Run<'_>, work: u32, replica: u32) -> bool {
    let model = run.model;
    let node = run.state.at[replica as usize];
    if !run.may_move(replica, work, node) || held_back(model, &run.state, work, replica, true).is_some() {
        return false;
    }
    let devices = run.state.devices.get(&replica).cloned().unwrap_or_default();
    run.state.leave(model, replica, work);
    let here = adds(model, &run.state, work, replica, node).total();
    if let Some((other, _)) = best(model, &run.state, work, replica, node) {
        let there = adds(model, &run.state, work, replica, other).total();
        if here - there > GAIN + run.hysteresis(replica, work, node) {
            enter(model, &mut run.state, work, replica, other);
            if run.keeps_others(work) {
                run.moved(replica, work, node, || {
                    Story::Because(format!("saves {:.4} over the horizon", here - there))
                });
                return true;
            }
            run.state.leave(model, replica, work);
        }
    }
    run.state.enter(model, replica, work, node, devices);
    false
}

/// Empties machines that cost money: onto the others, or onto one cheaper machine.
fn empty_machines(run: &mut Run<'_>, budget: &Budget<'_>, steps: &mut u64) -> bool {
    if run.model.problem.strategy.cost <= 0.0 {
        return false;
    }
    let mut gained = false;
    let state = &run.state;
    let mut dear: Vec<u32> = (0..state.machines.len() as u32)
        .filter(|n| {
            let m = &state.machines[*n as usize];
            m.removable && m.price > 0.0 && !state.is_idle(*n)
        })
        .collect();
    dear.sort_by(|a, b| {
        let load = |n: u32| state.on[n as usize].len() as f64 / state.machines[n as usize].price;
        load(*a).total_cmp(&load(*b)).then(a.cmp(b))
    });
    for node in dear {
        if *steps >= budget.steps || budget.stopped() {
            break;
        }
        *steps += run.state.on[node as usize].len() as u64;
        if empty(run, node, None) {
            gained = true;
            continue;
        }
        let price = run.state.machines[node as usize].price;
        let Some(&first) = run.state.on[node as usize].first() else { continue };
        let work = run.model.work_of(first) as u32;
        let cheaper = offers_by_price(run.model, &run.state, work, price);
        for offer in cheaper.into_iter().take(OFFERS_TRIED) {
            *steps += run.state.on[node as usize].len() as u64;
            if empty(run, node, Some(offer)) {
                gained = true;
                break;
            }
        }
    }
    gained
}

/// Moves all replicas of a node elsewhere, a machine of `offer` included, if that saves more than it costs.
fn empty(run: &mut Run<'_>, node: u32, offer: Option<usize>) -> bool {
    let model = run.model;
    let machines = run.state.machines.len();
    let mut residents: Vec<(u32, u32, Vec<u32>)> = run.state.on[node as usize]
        .iter()
        .map(|r| (*r, model.work_of(*r) as u32, run.state.devices.get(r).cloned().unwrap_or_default()))
        .collect();
    // Whoever needs another leaves before it and comes after it.
    residents.sort_by_key(|(_, w, _)| model.works[*w as usize].depth);
    if !run.may_move_all(residents.iter().map(|(r, w, _)| (*r, *w)), node) {
        return false;
    }
    let fresh = offer.map(|o| run.state.launch(model, o));
    let mut saved = 0.0;
    let mut gone = 0;
    for (replica, work, _) in residents.iter().rev() {
        if held_back(model, &run.state, *work, *replica, true).is_some() {
            break;
        }
        run.state.leave(model, *replica, *work);
        saved += adds(model, &run.state, *work, *replica, node).total();
        gone += 1;
    }
    // Placed largest first they pack best.
    let mut order: Vec<usize> = (0..residents.len()).collect();
    order.sort_by(|a, b| {
        let work = |i: usize| &model.works[residents[i].1 as usize];
        let size = |i: usize| crate::score::size(model, work(i));
        work(*a).depth.cmp(&work(*b).depth).then(size(*b).total_cmp(&size(*a))).then(a.cmp(b))
    });
    let mut placed = Vec::new();
    if gone == residents.len() {
        for i in order {
            let (replica, work, _) = &residents[i];
            let Some((other, _)) = best(model, &run.state, *work, *replica, node) else { break };
            saved -= adds(model, &run.state, *work, *replica, other).total();
            saved -= run.hysteresis(*replica, *work, node);
            enter(model, &mut run.state, *work, *replica, other);
            placed.push((*replica, *work));
            if saved < GAIN {
                break;
            }
        }
    }
    let kept = placed.len() == residents.len()
        && saved > GAIN
        && residents.iter().all(|(_, w, _)| run.keeps_others(*w));
    if kept {
        let name = run.state.machines[node as usize].name.clone();
        for (replica, work, _) in &residents {
            run.moved(*replica, *work, node, || {
                Story::Because(format!("empties {name}, saving {saved:.4} over the horizon"))
            });
        }
        return true;
    }
    for (replica, work) in placed {
        run.state.leave(model, replica, work);
    }
    if fresh.is_some() {
        run.state.drop_idle_tail(machines);
    }
    let stayed = residents.len() - gone;
    for (replica, work, devices) in residents.into_iter().skip(stayed) {
        run.state.enter(model, replica, work, node, devices);
    }
    false
}
