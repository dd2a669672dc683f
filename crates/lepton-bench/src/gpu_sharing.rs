//! Online placement of shared-GPU pods on the openb cluster, protocol of "Beware of Fragmentation" (USENIX ATC '23).
//!
//! Pods are sorted by name, shuffled by the seed, and uniformly random copies of them appended until they ask for 1.3 times
//! the GPUs there are. Then they are placed one at a time; one that does not fit is dropped. No departures, no migration,
//! no retries, nothing known beforehand.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use lepton_schedule::gpu::{GpuNode, GpuPlacement, GpuPod, Pool};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Map, json};

use crate::data::{self, Table};
use crate::report::Report;

/// Workloads and the allocation the authors published for their policy, in percent.
const PUBLISHED_FGD: [(&str, f64); 17] = [
    ("default", 95.39),
    ("cpu050", 95.21),
    ("cpu100", 95.35),
    ("cpu200", 95.04),
    ("cpu250", 93.41),
    ("gpushare40", 94.15),
    ("gpushare60", 91.40),
    ("gpushare80", 89.30),
    ("gpushare100", 86.90),
    ("gpuspec10", 94.95),
    ("gpuspec20", 94.84),
    ("gpuspec25", 94.74),
    ("gpuspec33", 94.55),
    ("multigpu20", 95.65),
    ("multigpu30", 96.46),
    ("multigpu40", 96.99),
    ("multigpu50", 97.18),
];
/// Demand over capacity at which pods stop arriving.
const DEMAND: f64 = 1.3;
/// The policy draws its typical streams from this seed in every run: it is part of the one fixed configuration.
const POLICY_SEED: u64 = 1;

/// Options of `gpu-sharing`.
#[derive(Args)]
pub struct Arguments {
    /// One workload by name (`default`, `gpushare100`, …) instead of all 17.
    #[arg(long)]
    workload: Option<String>,
    /// Any node list of that format (with --pods).
    #[arg(long, requires = "pods")]
    nodes: Option<PathBuf>,
    /// Any pod list of that format (with --nodes).
    #[arg(long, requires = "nodes")]
    pods: Option<PathBuf>,
    /// Seeds, a number or a range `42..51` that includes its end.
    #[arg(long, default_value = "42..51", value_parser = seeds)]
    seeds: (u64, u64),
    /// Threads; each runs whole seeds.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    let number = |t: &str| t.trim_start_matches('=').parse().map_err(|_| format!("{t:?} is not a number"));
    match (number(low)?, number(high)?) {
        (low, high) if low <= high && high - low < 10_000 => Ok((low, high)),
        _ => Err("expected first..last, the first not above the last, at most 10,000".to_owned()),
    }
}

/// Runs the benchmark.
pub fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let mut jobs: Vec<(String, Option<f64>, PathBuf)> = Vec::new();
    let nodes = match (&arguments.nodes, &arguments.pods) {
        (Some(nodes), Some(pods)) => {
            let name = pods.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            jobs.push((name, None, pods.clone()));
            nodes.clone()
        }
        _ => {
            for (name, fgd) in PUBLISHED_FGD {
                if arguments.workload.as_deref().is_none_or(|w| w == name) {
                    let file = data::path(&format!("scheduling/openb/openb_pod_list_{name}.csv"))?;
                    jobs.push((name.to_owned(), Some(fgd), file));
                }
            }
            if let (Some(name), true) = (&arguments.workload, jobs.is_empty()) {
                jobs.push((
                    name.clone(),
                    None,
                    data::path(&format!("scheduling/openb/openb_pod_list_{name}.csv"))?,
                ));
            }
            data::path("scheduling/openb/openb_node_list_gpu_node.csv")?
        }
    };
    let nodes = read_nodes(&nodes)?;
    let mut table =
        format!("{:<12} {:>7} {:>15} {:>7} {:>7}\n", "workload", "mean %", "range", "FGD %", "above");
    let (mut allocation, mut above) = (Map::new(), 0);
    for (name, fgd, file) in jobs {
        let pods = read_pods(&file)?;
        let shares = run_seeds(&nodes, &pods, arguments)?;
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let low = shares.iter().copied().fold(f64::INFINITY, f64::min);
        let high = shares.iter().copied().fold(0.0, f64::max);
        let peer = fgd.map_or_else(String::new, |f| format!("{f:>7.2} {:>+7.2}", mean - f));
        writeln!(table, "{name:<12} {mean:>7.2} {:>15} {peer}", format!("{low:.2}..{high:.2}"))?;
        above += i32::from(fgd.is_some_and(|f| mean > f));
        allocation.insert(name, json!((mean * 1000.0).round() / 1000.0));
    }
    writeln!(table, "above published FGD: {above} of {}", allocation.len())?;
    Ok(Report {
        bench: "gpu-sharing",
        table,
        metrics: json!({ "allocation": allocation, "above_fgd": above }),
    })
}

fn run_seeds(nodes: &[GpuNode], pods: &[GpuPod], arguments: &Arguments) -> anyhow::Result<Vec<f64>> {
    let (first, last) = arguments.seeds;
    let all: Vec<u64> = (first..=last).collect();
    let chunk = all.len().div_ceil(arguments.threads.max(1));
    std::thread::scope(|scope| {
        let runs: Vec<_> = all
            .chunks(chunk)
            .map(|seeds| {
                scope.spawn(move || {
                    seeds.iter().map(|s| run_seed(nodes, pods, *s)).collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut shares = Vec::new();
        for run in runs {
            shares.extend(run.join().map_err(|_| anyhow::anyhow!("a run ended early"))??);
        }
        Ok(shares)
    })
}

/// Percent of GPU capacity allocated in the end.
fn run_seed(nodes: &[GpuNode], pods: &[GpuPod], seed: u64) -> anyhow::Result<f64> {
    let capacity: i64 = nodes.iter().flat_map(|n| &n.devices).sum();
    let mut pool = Pool::new(nodes.to_vec(), POLICY_SEED);
    let mut left = nodes.to_vec();
    let mut allocated = 0;
    for pod in arrivals(pods, capacity, seed) {
        if let Some(at) = pool.place(pod) {
            book(&mut left, pod, &at).with_context(|| format!("checking {pod:?} at {at:?}"))?;
            allocated += i64::from(pod.devices) * pod.milli;
        }
    }
    Ok(100.0 * allocated as f64 / capacity as f64)
}

fn arrivals(pods: &[GpuPod], capacity: i64, seed: u64) -> Vec<&GpuPod> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut arriving: Vec<&GpuPod> = pods.iter().collect();
    arriving.shuffle(&mut random);
    let asks = |p: &GpuPod| i64::from(p.devices) * p.milli;
    let mut demand: i64 = pods.iter().map(asks).sum();
    // Without any GPU asked for, demand would never be reached.
    while demand > 0 && (demand as f64) < DEMAND * capacity as f64 {
        let copy = &pods[random.random_range(0..pods.len())];
        demand += asks(copy);
        arriving.push(copy);
    }
    arriving
}

/// The benchmark's own books, independent of the pool's: an error if a placement breaks a rule.
fn book(left: &mut [GpuNode], pod: &GpuPod, at: &GpuPlacement) -> anyhow::Result<()> {
    let node = left.get_mut(at.node as usize).context("no such node")?;
    node.cpu -= pod.cpu;
    node.memory -= pod.memory;
    anyhow::ensure!(node.cpu >= 0 && node.memory >= 0, "node overloaded");
    anyhow::ensure!(at.devices.len() == pod.devices as usize, "wrong number of devices");
    anyhow::ensure!(
        pod.devices == 0 || pod.models.is_empty() || pod.models.contains(&node.model),
        "wrong model"
    );
    for (i, d) in at.devices.iter().enumerate() {
        anyhow::ensure!(!at.devices[..i].contains(d), "one device twice");
        let free = node.devices.get_mut(*d as usize).context("no such device")?;
        *free -= pod.milli;
        anyhow::ensure!(*free >= 0, "device overloaded");
    }
    Ok(())
}

fn read_nodes(path: &Path) -> anyhow::Result<Vec<GpuNode>> {
    let table = Table::read(path)?;
    let nodes = table.rows().map(|row| {
        let devices: u16 = row.number("gpu")?;
        Ok(GpuNode {
            cpu: row.number("cpu_milli")?,
            memory: row.number("memory_mib")?,
            model: row.text("model").to_owned(),
            devices: vec![1000; usize::from(devices)],
        })
    });
    nodes.collect()
}

fn read_pods(path: &Path) -> anyhow::Result<Vec<GpuPod>> {
    let table = Table::read(path)?;
    let pods = table.rows().map(|row| {
        let devices: u32 = row.number("num_gpu")?;
        let models = row.text("gpu_spec").split('|').filter(|m| !m.is_empty()).map(str::to_owned).collect();
        let milli = if devices == 0 { 0 } else { row.number("gpu_milli")? };
        let (cpu, memory) = (row.number("cpu_milli")?, row.number("memory_mib")?);
        Ok((row.text("name").to_owned(), GpuPod { cpu, memory, devices, milli, models }))
    });
    let mut pods: Vec<(String, GpuPod)> = pods.collect::<anyhow::Result<_>>()?;
    pods.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(pods.into_iter().map(|(_, pod)| pod).collect())
}
