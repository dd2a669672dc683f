//! Weight of the agent: series, memory and processor time of the real binary, beside its peers.
//!
//! The agent is started as an owner would start it, joins a small server of this process, and ships to it by remote
//! write 2.0 for the whole time; nothing of it is switched off. Memory is the resident memory of its process tree at
//! the end (and its peak); processor time is that of the tree over the measured time, after a warm-up.

mod peer;
mod receiver;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::process;
use crate::report::Report;

/// Slow sources have been read and buffers have their size.
const WARM_UP: Duration = Duration::from_secs(15);

#[derive(clap::Args)]
pub struct Arguments {
    /// Seconds to measure, after a warm-up of 15.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Interval of the agent and of its peers.
    #[arg(long, default_value = "1s")]
    interval: String,
    /// The agent's binary; beside this one when absent.
    #[arg(long)]
    agent: Option<PathBuf>,
    /// Also measure prometheus-node-exporter, collectd and netdata, where installed.
    #[arg(long)]
    peers: bool,
}

/// What one program weighs.
#[derive(Debug, Clone)]
struct Weight {
    /// Distinct series over the whole run.
    series: usize,
    /// Samples a second while measured, where they are counted.
    samples_per_second: Option<f64>,
    rss_mb: f64,
    peak_mb: f64,
    cpu_percent: f64,
}

/// A started program; ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::TERM,
        );
        let _ = self.0.wait();
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let seconds = Duration::from_secs(arguments.seconds);
    let ours = agent(arguments, seconds).context("the agent")?;
    let peers = if arguments.peers { peer::measure_all(&arguments.interval, seconds)? } else { Vec::new() };
    let cores = std::thread::available_parallelism()?;
    let mut table = format!(
        "{} s at {} after {} s of warm-up, {cores} cores\n{:<26}{:>8}{:>11}{:>10}{:>10}{:>10}\n",
        arguments.seconds,
        arguments.interval,
        WARM_UP.as_secs(),
        "",
        "series",
        "samples/s",
        "RSS MB",
        "peak MB",
        "CPU %"
    );
    let named =
        std::iter::once(("lepton-agent", &ours)).chain(peers.iter().map(|(name, weight)| (*name, weight)));
    for (name, weight) in named {
        let Weight { series, samples_per_second, rss_mb, peak_mb, cpu_percent } = weight;
        let rate = samples_per_second.map_or_else(String::new, |rate| format!("{rate:.0}"));
        writeln!(table, "{name:<26}{series:>8}{rate:>11}{rss_mb:>10.2}{peak_mb:>10.2}{cpu_percent:>10.3}")?;
    }
    let peers: serde_json::Map<_, _> =
        peers.iter().map(|(name, weight)| ((*name).to_owned(), object(weight))).collect();
    let mut metrics = object(&ours);
    metrics["peers"] = peers.into();
    Ok(Report { bench: "agent-weight", table, metrics })
}

fn object(weight: &Weight) -> serde_json::Value {
    json!({
        "series": weight.series,
        "samples_per_second": weight.samples_per_second,
        "rss_mb": weight.rss_mb,
        "peak_mb": weight.peak_mb,
        "cpu_percent": weight.cpu_percent,
    })
}

fn agent(arguments: &Arguments, seconds: Duration) -> anyhow::Result<Weight> {
    let binary = match &arguments.agent {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("lepton-agent"),
    };
    ensure!(binary.exists(), "{} is missing; run: cargo build --release -p lepton-agent", binary.display());
    let receiver = receiver::Receiver::start()?;
    let state = tempfile::tempdir()?;
    let child = Command::new(&binary)
        .args(["--server", &receiver.url(), "--interval", &arguments.interval, "--log", "warn"])
        .arg("--state-dir")
        .arg(state.path())
        .env("LEPTON_JOIN_TOKEN", "lpt_bench")
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| binary.display().to_string())?;
    let running = Running(child);
    let mut before = 0;
    let weight = weigh(running.0.id(), WARM_UP, seconds, || {
        before = receiver.counted().1;
        std::thread::sleep(seconds);
        Ok(())
    })?;
    let (series, samples) = receiver.counted();
    ensure!(samples > before, "the agent shipped nothing");
    let samples_per_second = Some((samples - before) as f64 / seconds.as_secs_f64());
    Ok(Weight { series, samples_per_second, ..weight })
}

/// Weighs the tree of `pid` while `work` runs.
fn weigh(
    pid: u32,
    warm_up: Duration,
    seconds: Duration,
    work: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Weight> {
    std::thread::sleep(warm_up);
    let (before, began) = (process::tree(pid)?, Instant::now());
    work()?;
    let (after, took) = (process::tree(pid)?, began.elapsed().max(seconds));
    let cpu_percent = 100.0 * (after.cpu_seconds - before.cpu_seconds) / took.as_secs_f64();
    Ok(Weight {
        series: 0,
        samples_per_second: None,
        rss_mb: after.rss_mb,
        peak_mb: after.peak_mb,
        cpu_percent,
    })
}
