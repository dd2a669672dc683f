//! One decision: the best node for one replica, launching one when none will do.

use foldhash::{HashMap, HashMapExt};

use crate::compile::{Model, Work};
use crate::fit::{kind_refused, node_refused, pick_devices, refusal, share, static_refusal};
use crate::index::Limit;
use crate::problem::NodeState;
use crate::score::{KindScore, adds, tie};
use crate::solution::{Constraint, NearMiss, Refusal};
use crate::state::{NOWHERE, State};

/// Differences below this, in base currency, are none.
const SAME: f64 = 1e-12;

/// Puts a replica that runs nowhere on the node where it adds least, or on a launched one when no node will do.
pub(crate) fn place(model: &Model<'_>, state: &mut State, work: u32, replica: u32) -> Option<u32> {
    let found = best(model, state, work, replica, NOWHERE).map(|(n, _)| n);
    let node = found.or_else(|| launch(model, state, work, replica))?;
    enter(model, state, work, replica, node);
    Some(node)
}

/// Puts a replica on a node that [`refusal`] has admitted.
pub(crate) fn enter(model: &Model<'_>, state: &mut State, work: u32, replica: u32, node: u32) {
    let w = &model.works[work as usize];
    let devices = if w.devices == 0 {
        Vec::new()
    } else {
        let machine = &state.machines[node as usize];
        pick_devices(w, machine, &state.gpu_free[node as usize]).unwrap_or_default()
    };
    state.enter(model, replica, work, node, devices);
}

/// Vertices of the index opened after which the best node found so far is good enough.
const LOOKS: u32 = 256;

/// The node where a replica adds least, and how much; `but` is not considered. Exact unless the index is still promising after [`LOOKS`]
/// vertices.
pub(crate) fn best(
    model: &Model<'_>,
    state: &State,
    work: u32,
    replica: u32,
    but: u32,
) -> Option<(u32, f64)> {
    let w = &model.works[work as usize];
    let home = state.home[replica as usize];
    let value = |node: u32| {
        let added = adds(model, state, work, replica, node).total();
        added + tie(model, &state.machines[node as usize], w, state.free(node))
    };
    let mut found = None;
    let mut limit = f64::INFINITY;
    if home != NOWHERE && home != but && refusal(model, state, work, replica, home).is_none() {
        limit = value(home) - SAME;
        found = Some((home, limit));
    }
    let admitted = &state.admitted[w.profile as usize];
    let mut kinds: Vec<(f64, usize, KindScore<'_>)> = Vec::with_capacity(admitted.len());
    let mut first = 0;
    for &k in admitted {
        let Some(&example) = state.index.kinds[k as usize].nodes.first() else { continue };
        if kind_refused(model, state, work, example) {
            continue;
        }
        let score = KindScore::new(model, state, work, example, home != NOWHERE);
        if let Some(bound) = score.bound(state.index.whole(k as usize)).filter(|b| *b < limit) {
            if kinds.get(first).is_some_and(|(b, ..)| bound < *b) {
                first = kinds.len();
            }
            kinds.push((bound, k as usize, score));
        }
    }
    // The most promising kind first: what it gives rules out most others unseen.
    if first > 0 {
        kinds.swap(0, first);
    }
    let mut looks = LOOKS;
    for (bound, k, score) in kinds {
        if bound >= limit {
            continue;
        }
        let start = limit;
        let mut visit = |node: u32| {
            if node != but && node != home && !node_refused(model, state, work, replica, node) {
                let added = value(node);
                if added < limit {
                    limit = added - SAME;
                    found = Some((node, added));
                }
            }
            Limit::Below(limit)
        };
        state.index.search(k, &|below| score.bound(below), &mut visit, start, &mut looks);
    }
    found
}

/// Launches the offer that is cheapest for each replica of this workload it would take.
fn launch(model: &Model<'_>, state: &mut State, work: u32, replica: u32) -> Option<u32> {
    for offer in offers_by_price(model, state, work, f64::INFINITY) {
        let existing = state.machines.len();
        let node = state.launch(model, offer);
        if refusal(model, state, work, replica, node).is_none() {
            return Some(node);
        }
        state.drop_idle_tail(existing);
    }
    None
}

/// Offers below a price that would take a replica of a workload, cheapest for each replica first.
pub(crate) fn offers_by_price(model: &Model<'_>, state: &State, work: u32, below: f64) -> Vec<usize> {
    let w = &model.works[work as usize];
    let waiting = f64::from(w.replicas - state.running(work)).max(1.0);
    let offers = model.offers.iter().enumerate();
    let mut ranked: Vec<(f64, usize)> = offers
        .filter(|(i, m)| m.price < below && offer_refusal(model, state, w, *i).is_none())
        .map(|(i, m)| {
            let takes = (1.0 / share(w, m).max(1e-9)).floor().clamp(1.0, waiting);
            (m.price / takes, i)
        })
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, i)| i).collect()
}

/// Why a machine of an offer, empty, would not do.
fn offer_refusal(model: &Model<'_>, state: &State, w: &Work, offer: usize) -> Option<Constraint> {
    let m = &model.offers[offer];
    if model.problem.offers[offer].quota.is_some_and(|q| state.launched[offer] >= q) {
        return Some(Constraint::Quota);
    }
    if let Some(c) = static_refusal(model, w, m) {
        return Some(c);
    }
    if let Some((c, _)) = w.requests.iter().find(|(c, amount)| m.capacity[*c as usize] < *amount) {
        return Some(Constraint::Resource(model.column(*c).to_owned()));
    }
    let whole: Vec<i64> = m.gpus.iter().map(|g| g.milli).collect();
    (w.devices > 0 && pick_devices(w, m, &whole).is_none()).then_some(Constraint::Gpu)
}

/// Counts why each node and offer was refused and finds the one that came closest.
pub(crate) fn explain_refusal(model: &Model<'_>, state: &State, work: u32, replica: u32) -> Refusal {
    let w = &model.works[work as usize];
    let mut counts: HashMap<Constraint, u32> = HashMap::new();
    let mut nearest: Option<(f64, NearMiss)> = None;
    let mut looked_at = 0;
    for node in 0..state.machines.len() as u32 {
        looked_at += 1;
        let Some(why) = refusal(model, state, work, replica, node) else { continue };
        let machine = &state.machines[node as usize];
        let short: Vec<(u32, i64)> = w
            .requests
            .iter()
            .map(|&(c, amount)| (c, amount - state.free(node)[c as usize]))
            .filter(|(_, lack)| *lack > 0)
            .collect();
        let lacking = short.iter().map(|&(c, lack)| lack as f64 / machine.capacity[c as usize].max(1) as f64);
        // What no room would heal counts as far away.
        let far = match &why {
            Constraint::Resource(_) => lacking.sum(),
            Constraint::Gpu | Constraint::Spread(_) | Constraint::Exclusive(_) => 2.0,
            Constraint::Apart(_) | Constraint::Near(_) => 3.0,
            Constraint::Closed => 5.0,
            _ => 10.0,
        };
        if machine.state == NodeState::Open && nearest.as_ref().is_none_or(|(f, _)| far < *f) {
            let lacks = if short.is_empty() || !matches!(why, Constraint::Resource(_)) {
                words(&why)
            } else {
                let parts: Vec<String> =
                    short.iter().map(|&(c, lack)| amount(lack, model.column(c))).collect();
                parts.join(" and ")
            };
            nearest = Some((far, NearMiss { node: machine.name.clone(), lacks }));
        }
        *counts.entry(why).or_insert(0) += 1;
    }
    for offer in 0..model.offers.len() {
        looked_at += 1;
        // An offer that would do alone is refused by where the other replicas are.
        let why = offer_refusal(model, state, w, offer).unwrap_or_else(|| dynamic(model, w));
        *counts.entry(why).or_insert(0) += 1;
    }
    let mut counts: Vec<(Constraint, u32)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Refusal { looked_at, counts, nearest: nearest.map(|(_, near)| near) }
}

fn dynamic(model: &Model<'_>, w: &Work) -> Constraint {
    let name = |work: u32| model.problem.workloads[work as usize].name.clone();
    if let Some(s) = w.spread.iter().find(|s| s.required) {
        return Constraint::Spread(model.topologies.get(s.topology).cloned().unwrap_or_default());
    }
    match (w.near.first(), w.apart.first()) {
        (Some(p), _) => Constraint::Near(name(p.work)),
        (None, Some(p)) => Constraint::Apart(name(p.work)),
        (None, None) => Constraint::Quota,
    }
}

fn words(why: &Constraint) -> String {
    match why {
        Constraint::Label(key) => format!("the right {key}"),
        Constraint::Gpu => "a free device".to_owned(),
        Constraint::Exclusive(key) => format!("{key}, which is taken"),
        Constraint::Spread(topology) => format!("room in its spread over {topology}"),
        Constraint::Near(peer) => format!("a replica of {peer}"),
        Constraint::Apart(peer) => format!("distance from {peer}"),
        other => format!("admission: {other}"),
    }
}

/// An amount with its resource, as Kubernetes writes it.
pub(crate) fn amount(amount: i64, resource: &str) -> String {
    const UNITS: [(i64, &str); 4] = [(1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    match resource {
        "cpu" if amount % 1000 == 0 => format!("{} cpu", amount / 1000),
        "cpu" => format!("{amount}m cpu"),
        "memory" | "disk" => match UNITS.iter().find(|(unit, _)| amount >= *unit) {
            Some((unit, suffix)) if amount % unit == 0 => format!("{}{suffix} {resource}", amount / unit),
            Some((unit, suffix)) => format!("{:.1}{suffix} {resource}", amount as f64 / *unit as f64),
            None => format!("{amount} {resource}"),
        },
        _ => format!("{amount} {resource}"),
    }
}
