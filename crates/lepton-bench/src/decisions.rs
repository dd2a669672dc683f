//! How many placement decisions a second one core takes, on an estate of any size.
//!
//! Nodes of eight types in thirty zones, three quarters full. Workloads of six manners: plain, spread over zones, kept apart node
//! by node, near another workload, holding a fixed port, and important ones on a pool that is full of unimportant work, where
//! nearly every placement preempts. A step removes a random replica and places it again, now and then after somebody who waits for
//! room has taken its place; what it preempts tries elsewhere and otherwise waits. Only replicas
//! placed count as decisions, but the time of removals and of refusals is in the rate.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use lepton_schedule::problem::{Condition, Peer, Selector, Spread};
use lepton_schedule::{Assignment, Node, Online, PlaceError, Problem, Strategy, Workload};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;

use crate::report::Report;

const ZONES: usize = 30;
/// Types of node: processors and memory.
const TYPES: [(i64, i64); 8] =
    [(4, 16), (8, 32), (8, 16), (16, 64), (16, 32), (32, 128), (32, 64), (64, 256)];
/// Replicas of one workload.
const REPLICAS: u32 = 60;
/// Time between two words on how far filling has come.
const TELL: Duration = Duration::from_secs(5);
const GIB: i64 = 1 << 30;

/// Options of `decisions`.
#[derive(Args)]
pub struct Arguments {
    /// Nodes; a tenth and a hundredth of them are measured too, to show growth.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..=2_000_000))]
    nodes: u32,
    /// Seconds to measure each size.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Seed of everything drawn.
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// Figures of one size.
struct Measured {
    nodes: u32,
    replicas: usize,
    per_second: f64,
    per_cpu_second: f64,
    quantiles: [f64; 4],
    preempted: u64,
    refused: u64,
    /// Seconds to place everything at first.
    filled_in: f64,
}

/// Runs the benchmark.
pub fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let mut table = format!(
        "{:>8} {:>9} {:>12} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}\n",
        "nodes",
        "replicas",
        "decisions/s",
        "per cpu s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "preempted",
        "refused"
    );
    let mut sizes = Vec::new();
    for nodes in [arguments.nodes / 100, arguments.nodes / 10, arguments.nodes] {
        let m = measure(nodes, arguments)?;
        let [p50, p99, p999, max] = m.quantiles;
        writeln!(
            table,
            "{:>8} {:>9} {:>12.0} {:>12.0} {p50:>9.1} {p99:>9.1} {p999:>9.1} {max:>9.1} {:>9} {:>8}",
            m.nodes, m.replicas, m.per_second, m.per_cpu_second, m.preempted, m.refused
        )?;
        eprintln!("{nodes} nodes: {:.0} decisions/s, filled in {:.1} s", m.per_second, m.filled_in);
        sizes.push(m);
    }
    let last = sizes.last().context("no size measured")?;
    let metrics = json!({
        "per_second": last.per_second.round(),
        "per_cpu_second": last.per_cpu_second.round(),
        "p50_us": last.quantiles[0],
        "p99_us": last.quantiles[1],
        "max_us": last.quantiles[3],
        "nodes": last.nodes,
        "preempted": last.preempted,
        "by_nodes": sizes.iter().map(|m| json!([m.nodes, m.per_second.round(), m.per_cpu_second.round()])).collect::<Vec<_>>(),
    });
    Ok(Report { bench: "decisions", table, metrics })
}

fn measure(nodes: u32, arguments: &Arguments) -> anyhow::Result<Measured> {
    let problem = estate(nodes);
    let mut online = Online::new(&problem, &Assignment::default())?;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let mut running: Vec<(u32, u32)> = Vec::new();
    let filling = Instant::now();
    let mut told = filling;
    for (w, workload) in problem.workloads.iter().enumerate() {
        if told.elapsed() > TELL {
            told = Instant::now();
            let part = 100 * w / problem.workloads.len();
            eprintln!(
                "filling {nodes} nodes: {part} % of workloads after {:.0} s",
                filling.elapsed().as_secs_f64()
            );
        }
        for ordinal in 0..workload.replicas {
            if online.place(&workload.name, ordinal).is_ok() {
                running.push((w as u32, ordinal));
            }
        }
    }
    let filled_in = filling.elapsed().as_secs_f64();
    // Whoever was preempted while filling waits.
    let (running, gone): (Vec<_>, Vec<_>) = running
        .into_iter()
        .partition(|(w, o)| online.node_of(&problem.workloads[*w as usize].name, *o).is_some());
    let replicas = running.len();
    anyhow::ensure!(replicas > 0, "nothing could be placed");
    let name = |w: u32| problem.workloads[w as usize].name.as_str();
    let mut waiting: Vec<(String, u32)> =
        gone.iter().take(100).map(|(w, o)| (name(*w).to_owned(), *o)).collect();
    let mut taken: Vec<Duration> = Vec::new();
    let (mut preempted, mut refused) = (0, 0);
    let limit = Duration::from_secs(u64::from(arguments.seconds));
    let cpu = cpu_seconds();
    let start = Instant::now();
    while start.elapsed() < limit {
        let (w, ordinal) = running[random.random_range(0..running.len())];
        online.remove(name(w), ordinal);
        let mut again = vec![(name(w).to_owned(), ordinal)];
        if random.random_ratio(1, 10) {
            again.extend(waiting.pop());
        }
        while let Some((workload, ordinal)) = again.pop() {
            let before = Instant::now();
            let decision = online.place(&workload, ordinal);
            let latency = before.elapsed();
            match decision {
                Ok(decision) => {
                    taken.push(latency);
                    preempted += decision.preempted.len() as u64;
                    again.extend(decision.preempted.iter().map(|(w, o)| ((*w).to_owned(), *o)));
                }
                Err(PlaceError::Nowhere) => {
                    refused += 1;
                    waiting.insert(0, (workload, ordinal));
                    waiting.truncate(100);
                }
                // Drawn although it gave way earlier and found no place: it has been placed now or stays out.
                Err(PlaceError::Placed) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    let decisions = taken.len();
    taken.sort_unstable();
    let at = |q: f64| {
        let i = ((decisions as f64 * q) as usize).min(decisions.saturating_sub(1));
        taken.get(i).map_or(0.0, |t| t.as_secs_f64() * 1e6)
    };
    let quantiles = [at(0.5), at(0.99), at(0.999), at(1.0)];
    Ok(Measured {
        nodes,
        replicas,
        per_second: decisions as f64 / elapsed,
        per_cpu_second: decisions as f64 / cpu,
        quantiles,
        preempted,
        refused,
        filled_in,
    })
}

/// Processor time this thread has used: what is left of the machine's noise when others use it too.
pub(crate) fn cpu_seconds() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// The estate described above.
fn estate(count: u32) -> Problem {
    let nodes: Vec<Node> = (0..count)
        .map(|i| {
            let (cpu, memory) = TYPES[i as usize % TYPES.len()];
            let zone = i as usize / TYPES.len() % ZONES;
            let pool = if i % 50 == 0 { "tight" } else { "shared" };
            Node {
                name: format!("n{i}"),
                capacity: [("cpu".into(), cpu * 1000), ("memory".into(), memory * GIB)].into(),
                labels: [
                    ("zone".into(), format!("z{zone}")),
                    ("region".into(), format!("r{}", zone / 3)),
                    ("pool".into(), pool.into()),
                ]
                .into(),
                headroom: 0.1,
                ..Node::default()
            }
        })
        .collect();
    let total = |pool: &str| -> i64 {
        let of_pool = nodes.iter().filter(|n| n.labels.get("pool").is_some_and(|p| p == pool));
        of_pool.filter_map(|n| n.capacity.get("cpu")).sum()
    };
    let mut workloads = Vec::new();
    let mut left = total("shared") * 3 / 4;
    let mut i = 0;
    while left > 0 {
        let w = shared_workload(i);
        left -= w.requests.get("cpu").copied().unwrap_or(1000) * i64::from(w.replicas);
        workloads.push(w);
        i += 1;
    }
    let tight = total("tight");
    for (name, priority, share) in [("batch", 0, tight), ("urgent", 10, tight / 10)] {
        let cpu = 1000;
        let replicas = u32::try_from(share / cpu).unwrap_or(u32::MAX);
        for (part, start) in (0..replicas).step_by(REPLICAS as usize).enumerate() {
            workloads.push(Workload {
                name: format!("{name}{part}"),
                replicas: REPLICAS.min(replicas - start),
                priority,
                requests: [("cpu".into(), cpu), ("memory".into(), GIB)].into(),
                selectors: vec![selector("tight")],
                ..Workload::default()
            });
        }
    }
    let strategy = Strategy { balance: 1.0, ..Strategy::default() };
    Problem { nodes, workloads, strategy, ..Problem::default() }
}

fn selector(pool: &str) -> Selector {
    Selector { key: "pool".into(), is: Condition::In([pool.to_owned()].into()) }
}

fn shared_workload(i: usize) -> Workload {
    let cpu = [250, 500, 500, 1000, 2000, 3000][i / 5 % 6];
    let mut w = Workload {
        name: format!("w{i}"),
        replicas: REPLICAS,
        priority: (i % 5) as i32,
        requests: [("cpu".into(), cpu), ("memory".into(), cpu * (1 + i as i64 % 4) * GIB / 1000)].into(),
        selectors: vec![selector("shared")],
        ..Workload::default()
    };
    let peer = |workload: String, topology: &str| Peer { workload, topology: topology.into() };
    match i % 5 {
        1 => {
            let zone = "zone".to_owned();
            w.spread = vec![Spread { topology: zone, max_skew: Some(1), min_domains: None, required: true }];
        }
        2 => w.apart = vec![peer(w.name.clone(), "node")],
        3 => w.near = vec![peer(format!("w{}", i - 2), "zone")],
        4 => w.exclusive = vec![format!("port{}", 8000 + i % 40)],
        _ => {}
    }
    w
}
