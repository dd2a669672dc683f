//! May this replica run there? The only place that says so, so that nothing else can get it wrong.

use crate::compile::{Machine, Model, NO_DOMAIN, Work};
use crate::problem::NodeState;
use crate::solution::Constraint;
use crate::state::{NOWHERE, State};

/// Why a replica (that runs nowhere at the moment) may not run on a node; nothing if it may.
pub(crate) fn refusal(
    model: &Model<'_>,
    state: &State,
    work: u32,
    replica: u32,
    node: u32,
) -> Option<Constraint> {
    let w = &model.works[work as usize];
    let machine = &state.machines[node as usize];
    let stays = machine.state == NodeState::Cordoned && state.home[replica as usize] == node;
    if machine.state != NodeState::Open && !stays {
        return Some(Constraint::Closed);
    }
    if let Some(c) = static_refusal(model, w, machine).or_else(|| name_refusal(model, w, machine)) {
        return Some(c);
    }
    if let Some(c) = short_of(model, w, state, replica, node) {
        return Some(c);
    }
    if w.devices > 0 && pick_devices(w, machine, &state.gpu_free[node as usize]).is_none() {
        return Some(Constraint::Gpu);
    }
    if let Some(k) = w.exclusive.iter().find(|k| state.key_taken(node, **k)) {
        return Some(Constraint::Exclusive(model.keys.get(*k).cloned().unwrap_or_default()));
    }
    let against = peers(model, state, work, node, Level::Kind);
    against.or_else(|| peers(model, state, work, node, Level::Node)).map(|a| a.named(model))
}

/// Which part of a question is asked: what all nodes of a kind share, or the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Topologies above the node.
    Kind,
    /// The node itself.
    Node,
}

impl Level {
    pub(crate) fn asks(self, topology: u32) -> bool {
        (topology == 0) == (self == Self::Node)
    }
}

/// What rules out a whole kind that the workload's profile admits, told by one of its nodes.
pub(crate) fn kind_refused(model: &Model<'_>, state: &State, work: u32, node: u32) -> bool {
    let machine = &state.machines[node as usize];
    too_dear(&model.works[work as usize], machine) || peers(model, state, work, node, Level::Kind).is_some()
}

/// What rules out a node of a kind that is not [`kind_refused`].
pub(crate) fn node_refused(model: &Model<'_>, state: &State, work: u32, replica: u32, node: u32) -> bool {
    let w = &model.works[work as usize];
    let machine = &state.machines[node as usize];
    short_of(model, w, state, replica, node).is_some()
        || (w.devices > 0 && pick_devices(w, machine, &state.gpu_free[node as usize]).is_none())
        || w.exclusive.iter().any(|k| state.key_taken(node, *k))
        || name_refusal(model, w, machine).is_some()
        || peers(model, state, work, node, Level::Node).is_some()
}

fn name_refusal(model: &Model<'_>, w: &Work, machine: &Machine) -> Option<Constraint> {
    let wrong = w.by_name.iter().find(|s| !model.selects(s, machine));
    wrong.map(|s| Constraint::Label(s.key.clone()))
}

/// The part that depends on nothing that runs and not on the node's name.
pub(crate) fn static_refusal(model: &Model<'_>, w: &Work, machine: &Machine) -> Option<Constraint> {
    if let Some(c) = model.verdict(w, machine.class) {
        return Some(c.clone());
    }
    too_dear(w, machine).then_some(Constraint::MaxPrice)
}

fn too_dear(w: &Work, machine: &Machine) -> bool {
    w.max_price.is_finite() && share(w, machine) * machine.price > w.max_price
}

/// The largest share of any resource of a machine that one replica takes.
pub(crate) fn share(w: &Work, machine: &Machine) -> f64 {
    let of = |&(c, amount): &(u32, i64)| match machine.capacity[c as usize] {
        0 => 1.0,
        cap => amount as f64 / cap as f64,
    };
    let gpus = machine.gpus.iter().map(|g| g.milli).sum::<i64>();
    let gpu =
        if w.devices == 0 || gpus == 0 { 0.0 } else { (i64::from(w.devices) * w.milli) as f64 / gpus as f64 };
    w.requests.iter().map(of).fold(gpu, f64::max)
}

fn short_of(model: &Model<'_>, w: &Work, state: &State, replica: u32, node: u32) -> Option<Constraint> {
    let free = state.free(node);
    let back = state.home[replica as usize] == node;
    let short =
        w.requests.iter().find(|(c, amount)| free[*c as usize] < *amount && !(back && w.held.contains(c)));
    short.map(|(c, _)| Constraint::Resource(model.column(*c).to_owned()))
}

/// The resource a replica is short of on a node, whatever ran there before.
pub(crate) fn short_of_now(model: &Model<'_>, state: &State, work: u32, node: u32) -> Option<Constraint> {
    let free = state.free(node);
    let w = &model.works[work as usize];
    let short = w.requests.iter().find(|(c, amount)| free[*c as usize] < *amount);
    short.map(|(c, _)| Constraint::Resource(model.column(*c).to_owned()))
}

/// Devices for one replica, tightest first so that whole ones stay whole; ascending.
pub(crate) fn pick_devices(w: &Work, machine: &Machine, free: &[i64]) -> Option<Vec<u32>> {
    let mut fitting: Vec<(i64, u32)> = machine
        .gpus
        .iter()
        .zip(free)
        .zip(0..)
        .filter(|((g, left), _)| {
            **left >= w.milli && (w.models.is_empty() || w.models.binary_search(&g.model).is_ok())
        })
        .map(|((_, left), d)| (*left, d))
        .collect();
    if fitting.len() < w.devices as usize {
        return None;
    }
    fitting.sort_unstable();
    let mut picked: Vec<u32> = fitting.into_iter().take(w.devices as usize).map(|(_, d)| d).collect();
    picked.sort_unstable();
    Some(picked)
}

/// What about other replicas rules a node out.
#[derive(Debug, Clone, Copy)]
enum Against {
    Near(u32),
    Apart(u32),
    Spread(u32),
}

impl Against {
    fn named(self, model: &Model<'_>) -> Constraint {
        let work = |w: u32| model.problem.workloads[w as usize].name.clone();
        match self {
            Self::Near(w) => Constraint::Near(work(w)),
            Self::Apart(w) => Constraint::Apart(work(w)),
            Self::Spread(t) => Constraint::Spread(model.topologies.get(t).cloned().unwrap_or_default()),
        }
    }
}

/// Near, apart and spread.
fn peers(model: &Model<'_>, state: &State, work: u32, node: u32, level: Level) -> Option<Against> {
    let w = &model.works[work as usize];
    let machine = &state.machines[node as usize];
    let domain = |topology: u32| machine.domains[topology as usize];
    for p in w.near.iter().filter(|p| level.asks(p.topology)) {
        let d = domain(p.topology);
        let there = d != NO_DOMAIN && state.count(p.work, p.topology, d) > 0;
        let first_of_its_kind = p.work == work && d != NO_DOMAIN && state.domains_of(work, p.topology) == 0;
        if !there && !first_of_its_kind {
            return Some(Against::Near(p.work));
        }
    }
    for p in w.apart.iter().filter(|p| level.asks(p.topology)) {
        let d = domain(p.topology);
        if d != NO_DOMAIN && state.count(p.work, p.topology, d) > 0 {
            return Some(Against::Apart(p.work));
        }
    }
    for (i, s) in w.spread.iter().enumerate().filter(|(_, s)| s.required && level.asks(s.topology)) {
        if !spread_allows(model, state, work, i, domain(s.topology)) {
            return Some(Against::Spread(s.topology));
        }
    }
    None
}

/// Whether one more replica in a domain keeps a spread.
pub(crate) fn spread_allows(model: &Model<'_>, state: &State, work: u32, spread: usize, domain: u32) -> bool {
    if domain == NO_DOMAIN {
        return false;
    }
    let w = &model.works[work as usize];
    let s = &w.spread[spread];
    let (here, fewest, used) = state.spread(work, spread, domain);
    if here.saturating_add(1).saturating_sub(fewest) > s.max_skew {
        return false;
    }
    // A first replica in a domain that counts only from then on makes it the emptiest.
    let counts_from_now = here == 0 && !s.eligible.contains_key(&domain);
    if counts_from_now && state.most(work, spread).saturating_sub(1) > s.max_skew {
        return false;
    }
    // As many replicas must be left as there are domains still to be reached.
    if here > 0 && used < s.min_domains {
        let left = w.replicas - state.running(work);
        return left > s.min_domains - used;
    }
    true
}

/// Why a replica may not leave its node: somebody needs it there, or a spread would break. `moves` says that it will
/// run elsewhere, so that the number of domains in use is judged there.
pub(crate) fn held_back(
    model: &Model<'_>,
    state: &State,
    work: u32,
    replica: u32,
    moves: bool,
) -> Option<Constraint> {
    let w = &model.works[work as usize];
    let node = state.at[replica as usize];
    if node == NOWHERE {
        return None;
    }
    let machine = &state.machines[node as usize];
    for p in &w.needed_by {
        let d = machine.domains[p.topology as usize];
        if d != NO_DOMAIN && state.count(work, p.topology, d) == 1 && state.count(p.work, p.topology, d) > 0 {
            return Some(Constraint::Needed(model.problem.workloads[p.work as usize].name.clone()));
        }
    }
    for (i, s) in w.spread.iter().enumerate().filter(|(_, s)| s.required) {
        let d = machine.domains[s.topology as usize];
        let (here, fewest, used) = state.spread(work, i, d);
        let most = state.most(work, i);
        let empties = !moves && here == 1 && used <= s.min_domains;
        let skews = (here > 1 || s.eligible.contains_key(&d))
            && here.saturating_sub(1) < fewest
            && most.saturating_sub(here.saturating_sub(1)) > s.max_skew;
        if empties || skews {
            return Some(Constraint::Spread(model.topologies.get(s.topology).cloned().unwrap_or_default()));
        }
    }
    None
}
