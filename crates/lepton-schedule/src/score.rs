//! What a state costs, and what one more replica on a node adds: the same terms, whole and in parts.

use crate::compile::{Machine, Model, NO_DOMAIN, PeerAt, WishAt, Work};
use crate::problem::NodeState;
use crate::solution::Objective;
use crate::state::{NOWHERE, State};

/// Price of using all of a node's headroom, in full loads of an average node.
const HEADROOM_WEIGHT: f64 = 4.0;

/// Cost of a node's load: the square of each resource's use, which is least in sum when all are alike, and a steep
/// linear charge for headroom used.
fn balance_of(model: &Model<'_>, machine: &Machine, free: impl Fn(usize) -> i64) -> f64 {
    let columns = machine.capacity.len().max(1) as f64;
    let mut sum = 0.0;
    for (c, (&cap, &safe)) in machine.capacity.iter().zip(&machine.safe).enumerate() {
        if cap == 0 {
            continue;
        }
        let used = (cap - free(c)) as f64 / cap as f64;
        let safe = safe as f64 / cap as f64;
        sum += used * used + HEADROOM_WEIGHT * (used - safe).max(0.0);
    }
    sum / columns * model.reference_price
}

/// What a node costs an hour in the `machines` term: rented ones only while something runs there or when they cannot
/// be given back.
fn rent(machine: &Machine, used: bool) -> f64 {
    if used || !machine.removable { machine.price } else { 0.0 }
}

/// What an hour of running there costs and lacks for one replica, whatever else runs: egress, wishes.
fn place_of(model: &Model<'_>, state: &State, work: u32, node: u32) -> (f64, f64) {
    let w = &model.works[work as usize];
    let machine = &state.machines[node as usize];
    let egress = if w.egress.is_empty() {
        0.0
    } else {
        let region = model.classes.get(machine.class).map_or("", |c| c.region());
        w.egress.get(region).copied().unwrap_or(0.0)
    };
    let near = |p: &PeerAt| {
        let d = machine.domains[p.topology as usize];
        (d != NO_DOMAIN).then(|| state.count(p.work, p.topology, d))
    };
    let mut wishes = 0.0;
    for (wish, worth) in &w.wishes {
        let granted = match wish {
            WishAt::Label(s) => model.selects(s, machine),
            WishAt::Near(p) => near(p).is_some_and(|n| n > 0),
            WishAt::Apart(p) => near(p).is_none_or(|n| n == 0),
        };
        if !granted {
            wishes += worth;
        }
    }
    (egress, wishes)
}

/// What breaking an optional spread by one replica costs.
fn skew_of(model: &Model<'_>, state: &State, work: u32, node: u32) -> f64 {
    let w = &model.works[work as usize];
    let machine = &state.machines[node as usize];
    let unit = model.reference_price * model.problem.strategy.horizon_hours;
    let mut cost = 0.0;
    for (i, s) in w.spread.iter().enumerate() {
        let d = machine.domains[s.topology as usize];
        let (here, fewest, used) = state.spread(work, i, d);
        // Required spreads are constraints; a light pull towards emptier domains keeps them easy to keep.
        let weight = if s.required { 0.01 } else { 1.0 };
        let above = f64::from((here + 1).saturating_sub(fewest));
        let beyond = f64::from((here + 1).saturating_sub(fewest).saturating_sub(s.max_skew));
        let missing = f64::from(u32::from(here > 0 && used < s.min_domains));
        cost += unit * weight * (beyond + missing + 0.01 * above);
    }
    cost
}

/// What putting a replica (that runs nowhere) on a node adds, by term.
pub(crate) fn adds(model: &Model<'_>, state: &State, work: u32, replica: u32, node: u32) -> Objective {
    let s = &model.problem.strategy;
    let w = &model.works[work as usize];
    let machine = &state.machines[node as usize];
    let used = !state.on[node as usize].is_empty();
    let (egress, wishes) = place_of(model, state, work, node);
    let mut balance = 0.0;
    if s.balance > 0.0 {
        let free = state.free(node);
        let request = |c: usize| w.requests.iter().find(|(k, _)| *k as usize == c).map_or(0, |(_, a)| *a);
        balance =
            balance_of(model, machine, |c| free[c] - request(c)) - balance_of(model, machine, |c| free[c]);
    }
    let home = state.home[replica as usize];
    Objective {
        machines: s.cost * s.horizon_hours * (rent(machine, true) - rent(machine, used)),
        egress: s.cost * s.horizon_hours * egress,
        balance: s.balance * s.horizon_hours * balance,
        wishes: wishes + skew_of(model, state, work, node),
        moves: if home != NOWHERE && home != node { w.move_cost } else { 0.0 },
    }
}

/// Between nodes that add the same: the one it fills most, so that large gaps stay large.
pub(crate) fn tie(state: &State, w: &Work, node: u32) -> f64 {
    let machine = &state.machines[node as usize];
    let free = state.free(node);
    w.requests
        .iter()
        .map(|&(c, amount)| (free[c as usize] - amount) as f64 / machine.capacity[c as usize].max(1) as f64)
        .sum()
}

/// How large a replica is: the sum of its requests as shares of the largest machine in each.
pub(crate) fn size(model: &Model<'_>, w: &Work) -> f64 {
    let largest = |c: u32| {
        let machines = model.machines.iter().chain(&model.offers);
        machines.map(|m| m.capacity[c as usize]).max().unwrap_or(0).max(1) as f64
    };
    w.requests.iter().map(|&(c, amount)| amount as f64 / largest(c)).sum::<f64>()
        + (i64::from(w.devices) * w.milli) as f64 / 1000.0
}

/// The objective of a whole state.
pub(crate) fn objective(model: &Model<'_>, state: &State) -> Objective {
    let s = &model.problem.strategy;
    let mut o = Objective::default();
    for (n, machine) in state.machines.iter().enumerate() {
        let used = !state.on[n].is_empty();
        o.machines += s.cost * s.horizon_hours * rent(machine, used);
        if used || machine.state == NodeState::Open {
            let free = state.free(n as u32);
            o.balance += s.balance * s.horizon_hours * balance_of(model, machine, |c| free[c]);
        }
    }
    for (i, w) in model.works.iter().enumerate() {
        for replica in w.first..w.first + w.replicas {
            let node = state.at[replica as usize];
            if node == NOWHERE {
                continue;
            }
            let (egress, wishes) = place_of(model, state, i as u32, node);
            o.egress += s.cost * s.horizon_hours * egress;
            o.wishes += wishes;
            let home = state.home[replica as usize];
            if home != NOWHERE && home != node {
                o.moves += w.move_cost;
            }
        }
        for (k, spread) in w.spread.iter().enumerate() {
            if !spread.required {
                let over = state.most(i as u32, k).saturating_sub(state.spread(i as u32, k, NO_DOMAIN).1);
                let unit = model.reference_price * s.horizon_hours;
                o.wishes += unit * f64::from(over.saturating_sub(spread.max_skew));
            }
        }
    }
    o
}
