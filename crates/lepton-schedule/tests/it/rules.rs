//! Rules no answer may break, checked from the outside with nothing of the solver's own.

use std::collections::{BTreeMap, BTreeSet};

use lepton_schedule::problem::{Labels, NodeState};
use lepton_schedule::{Assignment, Placement, Problem, Solution, Workload};

/// Capacity and labels of a node or a launched machine.
fn machine<'a>(p: &'a Problem, s: &Solution, name: &str) -> (&'a BTreeMap<String, i64>, &'a Labels) {
    if let Some(n) = p.nodes.iter().find(|n| n.name == name) {
        return (&n.capacity, &n.labels);
    }
    let launch = s.launches.iter().find(|l| l.node == name).unwrap_or_else(|| panic!("no node {name}"));
    let offer = p.offers.iter().find(|o| o.name == launch.offer).unwrap();
    (&offer.capacity, &offer.labels)
}

fn workload<'a>(p: &'a Problem, name: &str) -> &'a Workload {
    p.workloads.iter().find(|w| w.name == name).unwrap()
}

fn domain(p: &Problem, s: &Solution, node: &str, topology: &str) -> Option<String> {
    if topology == "node" { Some(node.to_owned()) } else { machine(p, s, node).1.get(topology).cloned() }
}

type Used = BTreeMap<String, BTreeMap<String, i64>>;

fn add(used: &mut Used, p: &Problem, placement: &Placement, node: &str, sign: i64) {
    for (r, a) in &workload(p, &placement.workload).requests {
        *used.entry(node.to_owned()).or_default().entry(r.clone()).or_default() += sign * a;
    }
}

fn within(p: &Problem, s: &Solution, used: &Used) {
    for (node, amounts) in used {
        for (r, a) in amounts {
            let cap = machine(p, s, node).0.get(r).copied().unwrap_or(0);
            assert!(*a <= cap, "{node} has {cap} {r}, {a} used");
        }
    }
}

/// All rules, of an answer that started from nothing.
pub fn hold(p: &Problem, s: &Solution) {
    let placements = &s.assignment.placements;
    let mut used = Used::new();
    let mut once = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for at in placements {
        assert!(once.insert((&at.workload, at.ordinal)), "{at:?} twice");
        add(&mut used, p, at, &at.node, 1);
        for k in &workload(p, &at.workload).exclusive {
            assert!(keys.insert((&at.node, k)), "{k} twice on {}", at.node);
        }
    }
    within(p, s, &used);
    assert_eq!(once.len() + s.unplaced.len(), p.workloads.iter().map(|w| w.replicas as usize).sum::<usize>());
    for at in placements {
        let w = workload(p, &at.workload);
        let others = |name: &str, topology: &str| {
            let here = domain(p, s, &at.node, topology);
            let same = placements
                .iter()
                .filter(|o| o.workload == name && !(o.ordinal == at.ordinal && name == w.name));
            same.filter(|o| here.is_some() && domain(p, s, &o.node, topology) == here).count()
        };
        for peer in &w.near {
            assert!(others(&peer.workload, &peer.topology) > 0, "{at:?} is not near {}", peer.workload);
        }
        for peer in &w.apart {
            assert_eq!(
                others(&peer.workload, &peer.topology),
                0,
                "{at:?} is not apart from {}",
                peer.workload
            );
        }
    }
    for w in &p.workloads {
        for spread in w.spread.iter().filter(|s| s.required) {
            let open = p.nodes.iter().filter(|n| n.state == NodeState::Open);
            let mut counts: BTreeMap<String, u32> =
                open.filter_map(|n| n.labels.get(&spread.topology).cloned()).map(|d| (d, 0)).collect();
            for at in placements.iter().filter(|at| at.workload == w.name) {
                *counts.entry(domain(p, s, &at.node, &spread.topology).unwrap()).or_default() += 1;
            }
            let skew = counts.values().max().unwrap_or(&0) - counts.values().min().unwrap_or(&0);
            assert!(skew <= spread.max_skew.unwrap(), "{} is spread {counts:?}", w.name);
        }
    }
}

/// The actions lead from what ran to the answer, one by one, without overload.
pub fn executable(p: &Problem, before: &Assignment, s: &Solution) {
    let mut running: BTreeMap<(String, u32), String> = before
        .placements
        .iter()
        .filter(|at| p.nodes.iter().any(|n| n.name == at.node))
        .filter(|at| p.workloads.iter().any(|w| w.name == at.workload && at.ordinal < w.replicas))
        .map(|at| ((at.workload.clone(), at.ordinal), at.node.clone()))
        .collect();
    let mut used = Used::new();
    let of = |w: &str, o: u32| Placement { workload: w.into(), ordinal: o, ..Placement::default() };
    for ((w, o), node) in &running {
        add(&mut used, p, &of(w, *o), node, 1);
    }
    for v in &s.preemptions {
        assert_eq!(running.remove(&(v.workload.clone(), v.ordinal)).as_ref(), Some(&v.node));
        add(&mut used, p, &of(&v.workload, v.ordinal), &v.node, -1);
        assert!(workload(p, &v.by).priority > workload(p, &v.workload).priority);
    }
    for m in &s.moves {
        assert_eq!(running.insert((m.workload.clone(), m.ordinal), m.to.clone()).as_ref(), Some(&m.from));
        let at = of(&m.workload, m.ordinal);
        if m.stop_first {
            add(&mut used, p, &at, &m.from, -1);
        }
        add(&mut used, p, &at, &m.to, 1);
        within(p, s, &used);
        if !m.stop_first {
            add(&mut used, p, &at, &m.from, -1);
        }
    }
    for at in &s.assignment.placements {
        let ran = running.remove(&(at.workload.clone(), at.ordinal));
        match ran {
            Some(node) => assert_eq!(node, at.node, "{at:?} changed place without a move"),
            None => add(&mut used, p, at, &at.node, 1),
        }
    }
    within(p, s, &used);
    assert!(running.is_empty(), "stopped without a word: {running:?}");
    for t in &s.terminations {
        assert!(s.assignment.placements.iter().all(|at| at.node != t.node));
    }
}
