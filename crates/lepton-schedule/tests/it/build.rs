//! Short ways to state a problem.

use lepton_schedule::problem::{Condition, Peer, Selector, Spread};
use lepton_schedule::{
    Assignment, Budget, Node, Offer, Placement, Price, Problem, Solution, Workload, solve,
};

pub fn node(name: &str, cpu: i64, zone: &str) -> Node {
    Node {
        name: name.into(),
        capacity: [("cpu".into(), cpu), ("memory".into(), cpu << 20)].into(),
        labels: [("zone".into(), zone.into()), ("region".into(), zone[..zone.len() - 1].into())].into(),
        ..Node::default()
    }
}

pub fn rented(name: &str, cpu: i64, zone: &str, cents: i64) -> Node {
    Node { price_hour: Some(usd(cents)), removable: true, ..node(name, cpu, zone) }
}

pub fn offer(name: &str, cpu: i64, zone: &str, cents: i64) -> Offer {
    let like = node(name, cpu, zone);
    Offer {
        name: name.into(),
        capacity: like.capacity,
        labels: like.labels,
        price_hour: usd(cents),
        ..Offer::default()
    }
}

pub fn work(name: &str, replicas: u32, cpu: i64) -> Workload {
    Workload {
        name: name.into(),
        replicas,
        requests: [("cpu".into(), cpu), ("memory".into(), cpu << 20)].into(),
        ..Workload::default()
    }
}

pub fn usd(cents: i64) -> Price {
    Price::new(rust_decimal::Decimal::new(cents, 2), "USD")
}

pub fn peer(workload: &str, topology: &str) -> Peer {
    Peer { workload: workload.into(), topology: topology.into() }
}

pub fn within(key: &str, values: &[&str]) -> Selector {
    Selector { key: key.into(), is: Condition::In(values.iter().map(|v| (*v).into()).collect()) }
}

pub fn skew(topology: &str, max: u32) -> Spread {
    Spread { topology: topology.into(), max_skew: Some(max), min_domains: None, required: true }
}

pub fn problem(nodes: impl Into<Vec<Node>>, workloads: impl Into<Vec<Workload>>) -> Problem {
    Problem { nodes: nodes.into(), workloads: workloads.into(), ..Problem::default() }
}

pub fn at(workload: &str, ordinal: u32, node: &str) -> Placement {
    Placement { workload: workload.into(), ordinal, node: node.into(), gpus: Vec::new() }
}

pub fn running(placements: &[(&str, u32, &str)]) -> Assignment {
    Assignment { placements: placements.iter().map(|(w, o, n)| at(w, *o, n)).collect() }
}

pub fn solved(problem: &Problem, previous: &Assignment) -> Solution {
    solve(problem, previous, &Budget::default()).unwrap()
}

/// Nodes of a workload's replicas, by ordinal.
pub fn nodes_of<'a>(solution: &'a Solution, workload: &str) -> Vec<&'a str> {
    let mine = solution.assignment.placements.iter().filter(|p| p.workload == workload);
    mine.map(|p| p.node.as_str()).collect()
}
