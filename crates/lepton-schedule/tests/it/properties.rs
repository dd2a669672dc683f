//! What holds for every problem.

use lepton_schedule::problem::NodeState;
use lepton_schedule::{Assignment, Node, Problem, Strategy, Workload};
use proptest::prelude::*;

use crate::build::{node, offer, peer, problem, rented, skew, solved, work};
use crate::rules::{executable, hold};

fn a_node() -> impl proptest::strategy::Strategy<Value = (i64, usize, Option<i64>)> {
    (1_i64..9, 0_usize..3, prop::option::of(5_i64..50))
}

/// Replicas, size, priority, spread, apart, near an earlier one, port.
type Shape = (u32, i64, i32, bool, bool, bool, bool);

fn a_workload() -> impl proptest::strategy::Strategy<Value = Shape> {
    let rarely = || prop::bool::weighted(0.25);
    (0_u32..6, 1_i64..12, 0_i32..3, rarely(), rarely(), rarely(), rarely())
}

fn build(nodes: &[(i64, usize, Option<i64>)], works: &[Shape], offers: bool) -> Problem {
    let zone = |z: usize| ["az", "bz", "cz"][z];
    let nodes: Vec<Node> = nodes
        .iter()
        .enumerate()
        .map(|(i, (cpu, z, cents))| match cents {
            Some(c) => rented(&format!("n{i}"), cpu * 1000, zone(*z), *c),
            None => node(&format!("n{i}"), cpu * 1000, zone(*z)),
        })
        .collect();
    let works: Vec<Workload> = works
        .iter()
        .enumerate()
        .map(|(i, &(replicas, size, priority, spread, apart, near, port))| {
            let name = format!("w{i}");
            let mut w = Workload { priority, ..work(&name, replicas, size * 250) };
            if spread {
                w.spread = vec![skew("zone", 1)];
            }
            if apart {
                w.apart = vec![peer(&name, "node")];
            }
            if near && i > 0 {
                w.near = vec![peer(&format!("w{}", i - 1), "zone")];
            }
            if port {
                w.exclusive = vec!["port/80".into()];
            }
            w
        })
        .collect();
    let mut p = problem(nodes, works);
    if offers {
        p.offers = vec![offer("small", 2000, "az", 10), offer("large", 8000, "bz", 30)];
    }
    p
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_rule_is_ever_broken(
        nodes in prop::collection::vec(a_node(), 1..8),
        works in prop::collection::vec(a_workload(), 1..7),
        offers: bool,
        balance: bool,
    ) {
        let mut p = build(&nodes, &works, offers);
        p.strategy = if balance { Strategy::balance() } else { Strategy::cost() };
        let s = solved(&p, &Assignment::default());
        hold(&p, &s);
        executable(&p, &Assignment::default(), &s);
        prop_assert!(s.lower_bound <= s.objective.total() + 1e-9);
    }

    #[test]
    fn from_any_estate_every_step_can_be_done(
        nodes in prop::collection::vec(a_node(), 2..8),
        before in prop::collection::vec(a_workload(), 1..6),
        after in prop::collection::vec(a_workload(), 1..6),
        lost in 0_usize..8,
        drained in 0_usize..8,
    ) {
        let then = build(&nodes, &before, false);
        let running = solved(&then, &Assignment::default()).assignment;
        let mut now = build(&nodes, &after, true);
        if let Some(n) = now.nodes.get_mut(drained) {
            n.state = NodeState::Draining;
        }
        if lost < now.nodes.len() {
            now.nodes.remove(lost);
        }
        let s = solved(&now, &running);
        // What no longer has room on its node is stopped, which is no action of the solver's.
        let kept = fitting(&now, &running);
        executable(&now, &kept, &s);
    }

    #[test]
    fn asked_again_it_moves_nothing(
        nodes in prop::collection::vec(a_node(), 1..8),
        works in prop::collection::vec(a_workload(), 1..7),
    ) {
        let p = build(&nodes, &works, false);
        let first = solved(&p, &Assignment::default());
        let again = solved(&p, &first.assignment);
        prop_assert!(again.moves.is_empty(), "{:?}", again.moves);
        prop_assert!(again.preemptions.is_empty());
        if first.unplaced.is_empty() {
            prop_assert_eq!(&again.assignment, &first.assignment);
        }
    }

    #[test]
    fn another_node_never_makes_an_estate_dearer(
        nodes in prop::collection::vec(a_node(), 1..8),
        works in prop::collection::vec(a_workload(), 1..6),
        extra in a_node(),
    ) {
        let mut p = build(&nodes, &works, false);
        p.strategy = Strategy::cost();
        let first = solved(&p, &Assignment::default());
        prop_assume!(first.unplaced.is_empty());
        let name = format!("n{}", nodes.len());
        p.nodes.push(match extra.2 {
            Some(cents) => rented(&name, extra.0 * 1000, "az", cents),
            None => node(&name, extra.0 * 1000, "az"),
        });
        // A new zone could make a required spread impossible; the extra node is in one that exists.
        p.nodes[nodes.len()].labels = p.nodes[0].labels.clone();
        let second = solved(&p, &first.assignment);
        prop_assert!(second.objective.total() <= first.objective.total() + 1e-9);
    }

    #[test]
    fn names_do_not_matter(
        nodes in prop::collection::vec(a_node(), 1..8),
        works in prop::collection::vec(a_workload(), 1..7),
    ) {
        let p = build(&nodes, &works, true);
        let mut q = p.clone();
        let rename = |name: &str| format!("{}-{}", u32::MAX - name[1..].parse::<u32>().unwrap(), &name[..1]);
        q.nodes.iter_mut().for_each(|n| n.name = rename(&n.name));
        for w in &mut q.workloads {
            w.name = rename(&w.name);
            for peer in w.near.iter_mut().chain(&mut w.apart) {
                peer.workload = rename(&peer.workload);
            }
        }
        let mut s = solved(&p, &Assignment::default()).assignment;
        for at in &mut s.placements {
            at.workload = rename(&at.workload);
            if at.node.starts_with('n') {
                at.node = rename(&at.node);
            }
        }
        prop_assert_eq!(s, solved(&q, &Assignment::default()).assignment);
    }
}

/// The part of an assignment that its nodes still have room for, higher priorities first, as the solver takes it over.
fn fitting(p: &Problem, running: &Assignment) -> Assignment {
    let mut list: Vec<_> = running.placements.clone();
    let index = |name: &str| p.workloads.iter().position(|w| w.name == name);
    list.retain(|at| {
        let w = index(&at.workload).map(|i| &p.workloads[i]);
        w.is_some_and(|w| at.ordinal < w.replicas) && p.nodes.iter().any(|n| n.name == at.node)
    });
    list.sort_by_key(|at| {
        let i = index(&at.workload).unwrap();
        (-p.workloads[i].priority, i, at.ordinal)
    });
    let mut left: std::collections::BTreeMap<String, i64> =
        p.nodes.iter().map(|n| (n.name.clone(), n.capacity["cpu"])).collect();
    list.retain(|at| {
        let cpu = p.workloads[index(&at.workload).unwrap()].requests["cpu"];
        let room = left.get_mut(&at.node).unwrap();
        let fits = *room >= cpu;
        *room -= if fits { cpu } else { 0 };
        fits
    });
    Assignment { placements: list }
}
