//! What a state costs, and what one more replica on a node adds: the same terms, whole and in parts.

use crate::compile::{Machine, Model, NO_DOMAIN, PeerAt, WishAt, Work};
use crate::fit::Level;
use crate::index::{Below, key_bit};
use crate::problem::{NODE, NodeState};
use crate::solution::Objective;
use crate::state::{NOWHERE, State};

/// Price of using all of a node's headroom, in full loads of an average node.
const HEADROOM_WEIGHT: f64 = 4.0;
/// Price of a node left wholly free after a placement, in average node hours.
const TIE: f64 = 1e-6;

/// Cost of one resource's load: the square of its use, which is least in sum when all nodes are alike, and a steep linear
/// charge for headroom used.
fn column_load(used: i64, safe: i64, inverse: f64) -> f64 {
    let share = used as f64 * inverse;
    let beyond = (used - safe) as f64 * inverse;
    share * share + HEADROOM_WEIGHT * beyond.max(0.0)
}

fn balance_of(model: &Model<'_>, machine: &Machine, free: impl Fn(usize) -> i64) -> f64 {
    let load = |c: usize| column_load(machine.capacity[c] - free(c), machine.safe[c], machine.inverse[c]);
    let sum: f64 = (0..machine.capacity.len()).map(load).sum();
    sum / machine.capacity.len().max(1) as f64 * model.reference_price
}

/// What a node costs an hour in the `machines` term: rented ones only while something runs there or when they cannot
/// be given back.
fn rent(machine: &Machine, used: bool) -> f64 {
    if used || !machine.removable { machine.price } else { 0.0 }
}

/// What an hour of running there costs and lacks for one replica, whatever else runs: egress, wishes.
fn place_of(model: &Model<'_>, state: &State, work: u32, node: u32, level: Option<Level>) -> (f64, f64) {
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
        let of_node = match wish {
            WishAt::Label(s) => s.key == NODE,
            WishAt::Near(p) | WishAt::Apart(p) => p.topology == 0,
        };
        if level == Some(Level::Kind) && of_node {
            continue;
        }
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
fn skew_of(model: &Model<'_>, state: &State, work: u32, node: u32, level: Option<Level>) -> f64 {
    let w = &model.works[work as usize];
    let machine = &state.machines[node as usize];
    let unit = model.reference_price * model.problem.strategy.horizon_hours;
    let mut cost = 0.0;
    for (i, s) in w.spread.iter().enumerate() {
        if level.is_some_and(|l| !l.asks(s.topology)) {
            continue;
        }
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
    let (egress, wishes) = place_of(model, state, work, node, None);
    let mut balance = 0.0;
    if s.balance > 0.0 {
        let free = state.free(node);
        for &(c, amount) in &w.requests {
            let c = c as usize;
            let (used, safe, inverse) = (machine.capacity[c] - free[c], machine.safe[c], machine.inverse[c]);
            balance += column_load(used + amount, safe, inverse) - column_load(used, safe, inverse);
        }
        balance *= model.reference_price / machine.capacity.len().max(1) as f64;
    }
    let home = state.home[replica as usize];
    Objective {
        machines: s.cost * s.horizon_hours * (rent(machine, true) - rent(machine, used)),
        egress: s.cost * s.horizon_hours * egress,
        balance: s.balance * s.horizon_hours * balance,
        wishes: wishes + skew_of(model, state, work, node, None),
        moves: if home != NOWHERE && home != node { w.move_cost } else { 0.0 },
    }
}

/// Between nodes that add the same, the one it fills most wins, so that large gaps stay large: the share left free, priced
/// too low to decide anything else.
pub(crate) fn tie(model: &Model<'_>, machine: &Machine, w: &Work, free: &[i64]) -> f64 {
    let left = |&(c, amount): &(u32, i64)| (free[c as usize] - amount) as f64 * machine.inverse[c as usize];
    TIE * model.reference_price * w.requests.iter().map(left).sum::<f64>()
}

/// What a replica adds anywhere on nodes of a kind, told by one of them, apart from what depends on the single node.
pub(crate) struct KindScore<'a> {
    w: &'a Work,
    machine: &'a Machine,
    base: f64,
    rent: f64,
    /// Price of balance, by column share.
    balance: f64,
    tie: f64,
    columns: usize,
    /// Bits of its exclusive keys.
    keys: u64,
}

impl<'a> KindScore<'a> {
    /// `moves`: the replica runs elsewhere and would be moved here.
    pub(crate) fn new(model: &'a Model<'_>, state: &'a State, work: u32, node: u32, moves: bool) -> Self {
        let s = &model.problem.strategy;
        let w = &model.works[work as usize];
        let machine = &state.machines[node as usize];
        let (egress, wishes) = place_of(model, state, work, node, Some(Level::Kind));
        let base = s.cost * s.horizon_hours * egress
            + wishes
            + skew_of(model, state, work, node, Some(Level::Kind))
            + if moves { w.move_cost } else { 0.0 };
        Self {
            w,
            machine,
            base,
            rent: s.cost * s.horizon_hours * (rent(machine, true) - rent(machine, false)),
            balance: s.balance * s.horizon_hours * model.reference_price
                / machine.capacity.len().max(1) as f64,
            tie: TIE * model.reference_price,
            columns: machine.capacity.len(),
            keys: w.exclusive.iter().fold(0, |bits, k| bits | key_bit(*k)),
        }
    }

    /// The least it adds on any node below a vertex; nothing if none of them has room. Balance is convex, so the node with the
    /// most free is best in each resource.
    pub(crate) fn bound(&self, below: Below<'_>) -> Option<f64> {
        let w = self.w;
        if below.all_hold(self.keys) {
            return None;
        }
        let mut value = self.base + if below.any_used() { 0.0 } else { self.rent };
        for &(c, amount) in &w.requests {
            let c = c as usize;
            let most = below.most[c];
            if most < amount {
                return None;
            }
            let (m, inverse) = (self.machine, self.machine.inverse[c]);
            if self.balance > 0.0 {
                let used = m.capacity[c] - most;
                let load =
                    column_load(used + amount, m.safe[c], inverse) - column_load(used, m.safe[c], inverse);
                value += self.balance * load;
            }
            value += self.tie * (below.least[c].max(amount) - amount) as f64 * inverse;
        }
        if w.devices > 0 {
            let gpus = &below.most[self.columns..];
            let enough = match w.devices {
                1 => gpus[0] >= w.milli,
                n if w.milli == 1000 => gpus[1] >= i64::from(n),
                n => gpus[2] >= i64::from(n) * w.milli,
            };
            if !enough {
                return None;
            }
        }
        Some(value)
    }
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
            let (egress, wishes) = place_of(model, state, i as u32, node, None);
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
