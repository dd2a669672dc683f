//! Lepton's lake, in this process.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lepton_api::remote_write::{Limits, Scratch, decode};
use lepton_lake::{Aggregate, AppendError, Batch, Function, Lake, LakeConfig, Matcher, RangeQuery};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::Measured;
use super::replay::Replay;

/// Requests on their way to the disk at once, as a server with as many agents connected has.
const IN_FLIGHT: usize = 64;

pub(super) struct Ingested {
    pub measured: Measured,
    pub phases: String,
}

pub(super) struct Dashboard {
    pub text: String,
    pub metrics: serde_json::Value,
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Time spent on something: by the clock, and by all threads.
#[derive(Default, Clone, Copy)]
struct Spent {
    wall: f64,
    cpu: f64,
}

/// Time since a start, without what this thread spent on making requests.
struct Watch {
    wall: Instant,
    cpu: f64,
    making: Spent,
}

impl Watch {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: seconds(ClockId::ProcessCPUTime), making: Spent::default() }
    }

    fn leave_out<T>(&mut self, make: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), seconds(ClockId::ThreadCPUTime));
        let made = make();
        self.making.wall += wall.elapsed().as_secs_f64();
        self.making.cpu += seconds(ClockId::ThreadCPUTime) - cpu;
        made
    }

    fn stop(&self) -> Spent {
        Spent {
            wall: self.wall.elapsed().as_secs_f64() - self.making.wall,
            cpu: seconds(ClockId::ProcessCPUTime) - self.cpu - self.making.cpu,
        }
    }
}

/// Greatest resident memory of this process so far, in MB; reset by [`reset_peak`].
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    super::peer::status_mb(&status, "VmHWM:")
}

fn reset_peak() {
    // Best effort: without it the peak of an earlier contender is reported, which is never too low.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

pub(super) fn ingest(dir: &Path, replay: &mut Replay<'_>) -> anyhow::Result<Ingested> {
    reset_peak();
    let lake = Lake::open(LakeConfig::new(dir)).context("open lake")?;
    let protocol = replay.protocol();
    let (samples, end) = (replay.samples(), replay.end());
    let (done, finished) = mpsc::sync_channel(IN_FLIGHT);
    let mut scratch = Scratch::default();
    let mut batch = lake.batch();
    let (mut in_flight, mut accepted) = (0, 0);
    let mut watch = Watch::start();
    let mut maintained = 0;
    while let Some(request) = watch.leave_out(|| replay.next()) {
        batch.clear();
        read(protocol, request.body, &mut scratch, &mut batch)?;
        if in_flight == IN_FLIGHT {
            accepted += finished.recv()??;
            in_flight -= 1;
        }
        send(&lake, &batch, request.now, &done)?;
        in_flight += 1;
        if request.now - maintained > 600_000 {
            maintained = request.now;
            lake.maintain(request.now)?;
        }
    }
    for _ in 0..in_flight {
        accepted += finished.recv()??;
    }
    let taken = watch.stop();
    ensure!(accepted == samples, "{accepted} of {samples} samples were accepted");
    let watch = Watch::start();
    lake.maintain(end + 2 * 86_400_000)?;
    let kept = watch.stop();
    let stats = lake.stats();
    ensure!(stats.raw_samples == samples, "{} of {samples} samples are in blocks", stats.raw_samples);
    let per = |bytes: u64| bytes as f64 / samples as f64;
    let spent = Spent { wall: taken.wall + kept.wall, cpu: taken.cpu + kept.cpu };
    let micros = |cpu: f64| cpu / samples as f64 * 1e6;
    let phases = format!(
        "request to synced log {:.3} µs CPU and {:.0} samples/s; cut, merge and tiers {:.3} µs; raw {:.3} B/sample, tiers {:.3}",
        micros(taken.cpu),
        samples as f64 / taken.wall,
        micros(kept.cpu),
        per(stats.raw_bytes),
        per(stats.tier_bytes)
    );
    let name = format!("lepton, remote write {}", protocol.version());
    let measured = Measured {
        name,
        samples,
        wall: spent.wall,
        cpu: spent.cpu,
        bytes_per_sample: per(stats.raw_bytes),
        rss_mb: peak_mb(),
    };
    Ok(Ingested { measured, phases })
}

fn read(
    protocol: lepton_api::remote_write::Protocol,
    body: &[u8],
    scratch: &mut Scratch,
    batch: &mut Batch,
) -> anyhow::Result<()> {
    let mut wrong = None;
    decode(protocol, body, &Limits::default(), scratch, |labels, samples| match batch.series_raw(labels) {
        Ok(()) => samples.iter().for_each(|(time, value)| batch.sample(*time, *value)),
        Err(error) => wrong = Some(error),
    })?;
    wrong.map_or(Ok(()), |error| Err(error.into()))
}

type Outcome = Result<u64, AppendError>;

fn send(lake: &Lake, batch: &Batch, now: i64, done: &mpsc::SyncSender<Outcome>) -> anyhow::Result<()> {
    loop {
        let done = done.clone();
        let sent = lake.append_with(batch, now, move |outcome| {
            // The receiver only goes away when the benchmark has failed already.
            let _ = done.send(outcome.map(|outcome| outcome.accepted));
        });
        match sent {
            Err(AppendError::Busy { .. }) => std::thread::sleep(Duration::from_millis(20)),
            other => return Ok(other?),
        }
    }
}

/// A day of one metric of many nodes, one sample in ten seconds, and the query a dashboard makes of it.
pub(super) fn dashboard(dir: &Path, nodes: u64) -> anyhow::Result<Dashboard> {
    const DAY: i64 = 86_400_000;
    const INTERVAL: i64 = 10_000;
    let lake = Lake::open(LakeConfig::new(dir))?;
    let start = 20_000 * DAY;
    let names: Vec<_> = (0..nodes).map(|node| format!("node-{node:05}")).collect();
    let mut batch = lake.batch();
    for tick in 1..=DAY / INTERVAL {
        let now = start + tick * INTERVAL;
        batch.clear();
        for (node, name) in names.iter().enumerate() {
            batch.series(&[("__name__", "node_load1"), ("node", name)])?;
            let phase = (tick as f64 / 8640.0 + node as f64 / nodes as f64) * std::f64::consts::TAU;
            batch.sample(now, ((1.0 + phase.sin()) * 400.0).round() / 100.0);
        }
        let (done, finished) = mpsc::sync_channel(1);
        send(&lake, &batch, now, &done)?;
        finished.recv()??;
        if tick % 60 == 0 {
            lake.maintain(now)?;
        }
    }
    let query = |aggregate, step: Duration, end| RangeQuery {
        matchers: vec![Matcher::eq("__name__", "node_load1")],
        start: end - DAY + step.as_millis() as i64,
        end,
        step,
        window: None,
        function: Function::Avg,
        aggregate,
    };
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let by_all = Some((Aggregate::Avg, Vec::new()));
    let cases = [
        ("mean of all, 5 min", query(by_all.clone(), minutes(5), start + DAY)),
        ("each node, 5 min", query(None, minutes(5), start + DAY)),
        (
            "95th percentile of nodes, 5 min",
            query(Some((Aggregate::Quantile(0.95), Vec::new())), minutes(5), start + DAY),
        ),
        ("mean of all, 7 min (no tier fits)", query(by_all, minutes(7), start + DAY)),
    ];
    let mut text =
        format!("\nA day of {nodes} nodes, {} samples, as it is kept while it comes:\n", nodes * 8640);
    let mut metrics = serde_json::Map::new();
    for settled in [false, true] {
        if settled {
            lake.maintain(start + 3 * DAY)?;
            text.push_str("and after the day was merged:\n");
        }
        for (name, query) in &cases {
            let (mut walls, mut cpus, mut read) = (Vec::new(), Vec::new(), 0);
            for _ in 0..11 {
                let (began, cpu) = (Instant::now(), seconds(ClockId::ThreadCPUTime));
                read = lake.query(query)?.samples_read;
                walls.push(began.elapsed().as_secs_f64() * 1e3);
                cpus.push((seconds(ClockId::ThreadCPUTime) - cpu) * 1e3);
            }
            let (wall, cpu) = (median(&mut walls), median(&mut cpus));
            text.push_str(&format!("  {name:<36} {wall:>8.1} ms, CPU {cpu:>7.1} ms, {read:>8} rows read\n"));
            let state = if settled { "merged" } else { "fresh" };
            metrics.insert(format!("{name} ({state})"), json!({ "ms": wall, "cpu_ms": cpu, "rows": read }));
        }
    }
    Ok(Dashboard { text, metrics: metrics.into() })
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
