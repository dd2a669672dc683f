//! The cheapest fleet of real offers for real pods, against a proven bound and two peers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use lepton_schedule::fleet::{FleetLimits, FleetOffer, FleetPods, Rented, cheapest_fleet, fleet_bound};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Map, json};

use crate::data::{self, Table};
use crate::decisions::cpu_seconds;
use crate::report::Report;

const CPSAT: &str = include_str!("fleet_price/cpsat.py");

/// Options of `fleet-price`.
#[derive(Args)]
pub struct Arguments {
    /// Pods: openb columns, or those of the DLRM trace.
    #[arg(long)]
    pods: Option<PathBuf>,
    /// Offers: cloud, region, instance_type, vcpu, memory_gib, gpu_count, gpu_model, on_demand_hour, currency.
    #[arg(long)]
    offers: Option<PathBuf>,
    /// How many pods: random copies are added or pods left out.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    take_pods: u32,
    /// How many offers, drawn at random.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    take_offers: u32,
    /// Seed of what is drawn.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// US dollars for one yuan.
    #[arg(long, default_value_t = 0.138)]
    cny_usd: f64,
    /// Prove a bound too.
    #[arg(long)]
    bound: bool,
    /// Compare with: first-fit decreasing, or OR-tools CP-SAT through python3.
    #[arg(long, value_enum)]
    peer: Vec<Peer>,
    /// Seconds CP-SAT may take.
    #[arg(long, default_value_t = 60)]
    peer_seconds: u32,
}

/// Other ways to do it.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// First-fit decreasing over the cheapest fitting offer.
    Ffd,
    /// OR-tools CP-SAT.
    Cpsat,
}

/// Runs the benchmark.
pub fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let path = |given: &Option<PathBuf>, default: &str| given.clone().map_or_else(|| data::path(default), Ok);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let mut offers = read_offers(&path(&arguments.offers, "offers/offers.csv")?, arguments.cny_usd)?;
    if offers.len() > arguments.take_offers as usize {
        offers.shuffle(&mut random);
        offers.truncate(arguments.take_offers as usize);
    }
    let models: Vec<String> = offers.iter().map(|o| o.model.clone()).collect();
    let mut list =
        read_pods(&path(&arguments.pods, "scheduling/openb/openb_pod_list_default.csv")?, &models)?;
    anyhow::ensure!(!list.is_empty() && !offers.is_empty(), "no pods or no offers");
    let own = list.len();
    while list.len() < arguments.take_pods as usize {
        list.push(list[random.random_range(0..own)].clone());
    }
    list.shuffle(&mut random);
    list.truncate(arguments.take_pods as usize);
    let pods = grouped(&list);

    let (start, cpu) = (Instant::now(), cpu_seconds());
    let fleet = cheapest_fleet(&offers, &pods, FleetLimits::default())?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    let unplaceable: u32 = fleet.unplaceable.iter().map(|i| pods[*i].count).sum();
    verify(&offers, &pods, &fleet.rented, &fleet.unplaceable)?;
    let machines: u32 = fleet.rented.iter().map(|r| r.count).sum();

    let mut table = format!(
        "{} pods of {} kinds, {} offers; {unplaceable} pods fit no offer\n{:<8} {:>12.4} $/h  {machines} machines  {seconds:.3} s, of processor {cpu:.3} s\n",
        list.len(),
        pods.len(),
        offers.len(),
        "lepton",
        fleet.price
    );
    let mut metrics = Map::new();
    metrics.insert("dollars_per_hour".into(), json!(fleet.price));
    metrics.insert("seconds".into(), json!(seconds));
    metrics.insert("cpu_seconds".into(), json!(cpu));
    metrics.insert("machines".into(), json!(machines));
    if arguments.bound {
        let start = Instant::now();
        let bound = fleet_bound(&offers, &pods, &fleet)?;
        let gap = fleet.price / bound - 1.0;
        let took = start.elapsed().as_secs_f64();
        writeln!(table, "{:<8} {bound:>12.4} $/h  gap {:.3} %  {took:.3} s", "bound", gap * 100.0)?;
        metrics.insert("bound".into(), json!(bound));
        metrics.insert("gap".into(), json!(gap));
    }
    let mut peers = Map::new();
    for peer in &arguments.peer {
        let start = Instant::now();
        let (name, price) = match peer {
            Peer::Ffd => {
                let rented = first_fit_decreasing(&offers, &pods);
                verify(&offers, &pods, &rented, &fleet.unplaceable)?;
                ("ffd", Ok(rented.iter().map(|r| offers[r.offer].price * f64::from(r.count)).sum::<f64>()))
            }
            Peer::Cpsat => ("cpsat", cpsat(&offers, &pods, &fleet.unplaceable, arguments.peer_seconds)),
        };
        let took = start.elapsed().as_secs_f64();
        match price {
            Ok(price) => {
                let more = (price / fleet.price - 1.0) * 100.0;
                writeln!(table, "{name:<8} {price:>12.4} $/h  {more:+.2} % to ours  {took:.3} s")?;
                peers.insert(name.into(), json!({ "dollars_per_hour": price, "seconds": took }));
            }
            Err(error) => {
                writeln!(table, "{name:<8} not measured: {error:#}")?;
                peers.insert(name.into(), json!(null));
            }
        }
    }
    metrics.insert("peers".into(), peers.into());
    Ok(Report { bench: "fleet-price", table, metrics: metrics.into() })
}

fn read_offers(path: &Path, cny_usd: f64) -> anyhow::Result<Vec<FleetOffer>> {
    let table = Table::read(path)?;
    let mut offers = Vec::new();
    for row in table.rows() {
        let rate = match row.text("currency") {
            "USD" => 1.0,
            "CNY" => cny_usd,
            other => bail!("{}: no exchange rate for {other:?}", path.display()),
        };
        let (cpu, memory): (f64, f64) = (row.number("vcpu")?, row.number("memory_gib")?);
        let price = row.number::<f64>("on_demand_hour")? * rate;
        if price <= 0.0 || cpu <= 0.0 {
            continue;
        }
        // A fraction of a device is no device.
        let gpus = row.text("gpu_count").parse::<f64>().unwrap_or(0.0).floor() as u32;
        let model = if gpus == 0 { String::new() } else { row.text("gpu_model").to_owned() };
        offers.push(FleetOffer {
            amounts: vec![(cpu * 1000.0).round() as i64, (memory * 1024.0).round() as i64],
            gpus,
            model,
            price,
        });
    }
    Ok(offers)
}

/// Pods; a model that no offer has (the trace hides some) is read as any.
fn read_pods(path: &Path, known: &[String]) -> anyhow::Result<Vec<FleetPods>> {
    let table = Table::read(path)?;
    let mut pods = Vec::new();
    for row in table.rows() {
        let pod = if table.has("cpu_milli") {
            let gpus: u32 = row.number("num_gpu")?;
            let models: Vec<String> = row
                .text("gpu_spec")
                .split('|')
                .map(|m| m.trim_end_matches("M16").trim_end_matches("M32").to_owned())
                .filter(|m| !m.is_empty())
                .collect();
            FleetPods {
                amounts: vec![row.number("cpu_milli")?, row.number("memory_mib")?],
                gpus,
                milli: if gpus == 0 { 0 } else { row.number("gpu_milli")? },
                models: if models.iter().all(|m| known.contains(m)) { models } else { Vec::new() },
                count: 1,
            }
        } else {
            let gpus = row.number::<f64>("gpu_request")? as u32;
            let memory: f64 = row.number("memory_request")?;
            let cpu: f64 = row.number("cpu_request")?;
            FleetPods {
                amounts: vec![(cpu * 1000.0).round() as i64, (memory * 1024.0).round() as i64],
                gpus,
                milli: if gpus == 0 { 0 } else { 1000 },
                models: Vec::new(),
                count: 1,
            }
        };
        pods.push(pod);
    }
    Ok(pods)
}

fn grouped(list: &[FleetPods]) -> Vec<FleetPods> {
    let mut groups: BTreeMap<(Vec<i64>, u32, i64, Vec<String>), u32> = BTreeMap::new();
    for p in list {
        *groups.entry((p.amounts.clone(), p.gpus, p.milli, p.models.clone())).or_insert(0) += 1;
    }
    let pods = groups.into_iter().map(|((amounts, gpus, milli, models), count)| FleetPods {
        amounts,
        gpus,
        milli,
        models,
        count,
    });
    pods.collect()
}

/// The benchmark's own check that every pod is somewhere and no machine is overfull.
fn verify(
    offers: &[FleetOffer],
    pods: &[FleetPods],
    rented: &[Rented],
    left_out: &[usize],
) -> anyhow::Result<()> {
    let mut placed = vec![0_u32; pods.len()];
    for r in rented {
        let offer = offers.get(r.offer).context("no such offer")?;
        let mut amounts = offer.amounts.clone();
        let (mut shares, mut whole) = (Vec::new(), 0);
        for (i, n) in &r.pods {
            let p = &pods[*i];
            placed[*i] += n * r.count;
            amounts.iter_mut().zip(&p.amounts).for_each(|(left, a)| *left -= a * i64::from(*n));
            anyhow::ensure!(
                p.gpus == 0 || p.models.is_empty() || p.models.contains(&offer.model),
                "wrong model"
            );
            if p.gpus == 1 && p.milli < 1000 {
                shares.extend((0..*n).map(|_| p.milli));
            } else {
                whole += p.gpus * n;
            }
        }
        anyhow::ensure!(amounts.iter().all(|a| *a >= 0), "a machine of offer {} is overfull", r.offer);
        let devices = offer.gpus.checked_sub(whole).context("more devices used than there are")?;
        shares.sort_unstable_by(|a, b| b.cmp(a));
        anyhow::ensure!(packs(&shares, &mut vec![1000; devices as usize]), "shares do not fit their devices");
    }
    for (i, p) in pods.iter().enumerate() {
        let expect = if left_out.contains(&i) { 0 } else { p.count };
        anyhow::ensure!(placed[i] == expect, "{} of {expect} pods of kind {i} are placed", placed[i]);
    }
    Ok(())
}

/// Whether shares, largest first, fit into devices: exact, by trying each different device.
fn packs(shares: &[i64], devices: &mut [i64]) -> bool {
    let Some((first, rest)) = shares.split_first() else { return true };
    let mut tried = Vec::new();
    for d in 0..devices.len() {
        if devices[d] >= *first && !tried.contains(&devices[d]) {
            tried.push(devices[d]);
            devices[d] -= first;
            if packs(rest, devices) {
                return true;
            }
            devices[d] += first;
        }
    }
    false
}

/// Largest pod first into the first open machine with room; otherwise opens the offer that is cheapest for it.
fn first_fit_decreasing(offers: &[FleetOffer], pods: &[FleetPods]) -> Vec<Rented> {
    struct Open {
        offer: usize,
        left: Vec<i64>,
        devices: Vec<i64>,
        pods: BTreeMap<usize, u32>,
    }
    fn put(m: &mut Open, offer: &FleetOffer, i: usize, p: &FleetPods) -> bool {
        let model = p.gpus == 0 || p.models.is_empty() || p.models.contains(&offer.model);
        let free: Vec<usize> = (0..m.devices.len()).filter(|d| m.devices[*d] >= p.milli).collect();
        let room = p.amounts.iter().zip(&m.left).all(|(a, l)| a <= l);
        if !model || !room || free.len() < p.gpus as usize {
            return false;
        }
        m.left.iter_mut().zip(&p.amounts).for_each(|(l, a)| *l -= a);
        for d in free.into_iter().take(p.gpus as usize) {
            m.devices[d] -= p.milli;
        }
        *m.pods.entry(i).or_insert(0) += 1;
        true
    }
    let largest = |r: usize| offers.iter().map(|o| o.amounts[r]).max().unwrap_or(1).max(1) as f64;
    let size = |p: &FleetPods| {
        (0..p.amounts.len()).map(|r| p.amounts[r] as f64 / largest(r)).sum::<f64>()
            + (i64::from(p.gpus) * p.milli) as f64 / 1000.0
    };
    let mut order: Vec<usize> = (0..pods.len()).collect();
    order.sort_by(|a, b| size(&pods[*b]).total_cmp(&size(&pods[*a])).then(a.cmp(b)));
    let empty = |o: usize| Open {
        offer: o,
        left: offers[o].amounts.clone(),
        devices: vec![1000; offers[o].gpus as usize],
        pods: BTreeMap::new(),
    };
    let mut open: Vec<Open> = Vec::new();
    for i in order {
        let p = &pods[i];
        let mut cheapest: Vec<usize> = (0..offers.len()).collect();
        cheapest.sort_by(|a, b| offers[*a].price.total_cmp(&offers[*b].price));
        let fitting = cheapest.into_iter().find(|o| put(&mut empty(*o), &offers[*o], i, p));
        // Machines that had no room for one of a kind have none for the next.
        let mut from = 0;
        for _ in 0..p.count {
            while from < open.len() && !put_at(&mut open, from, offers, i, p) {
                from += 1;
            }
            if from == open.len()
                && let Some(o) = fitting
            {
                let mut machine = empty(o);
                put(&mut machine, &offers[o], i, p);
                open.push(machine);
            }
        }
    }
    fn put_at(open: &mut [Open], at: usize, offers: &[FleetOffer], i: usize, p: &FleetPods) -> bool {
        let m = &mut open[at];
        put(m, &offers[m.offer], i, p)
    }
    open.into_iter()
        .map(|m| Rented { offer: m.offer, count: 1, pods: m.pods.into_iter().collect() })
        .collect()
}

/// CP-SAT chooses how many machines of the cheapest patterns of each offer; see the script for its model.
fn cpsat(offers: &[FleetOffer], pods: &[FleetPods], left_out: &[usize], seconds: u32) -> anyhow::Result<f64> {
    let input = json!({
        "seconds": seconds,
        "offers": offers.iter().map(|o| json!([o.amounts, o.gpus, o.model, o.price])).collect::<Vec<_>>(),
        "pods": pods
            .iter()
            .enumerate()
            .filter(|(i, _)| !left_out.contains(i))
            .map(|(_, p)| json!([p.amounts, p.gpus, p.milli, p.models, p.count]))
            .collect::<Vec<_>>(),
    });
    let mut child = Command::new("python3")
        .args(["-c", CPSAT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("python3 is not installed")?;
    let stdin = child.stdin.take().context("no standard input")?;
    serde_json::to_writer(stdin, &input)?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{}", error.lines().last().unwrap_or("python3 failed without a word"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("CP-SAT answered {text:?}"))
}
