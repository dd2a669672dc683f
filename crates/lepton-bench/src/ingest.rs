//! Measurements in and out: how fast, how dear, how small.
//!
//! Data are this machine's own: a recording of what `/proc` says every ten seconds (`--record FILE --seconds N` makes
//! one, any other run reads it). It is replayed as many nodes: node `k` starts at tick `37·k` of the recording, so that
//! nodes do not move in step; its counters are raised by a constant of its own and go on rising when the recording
//! starts over; its clock is shifted by a fraction of the interval. No noise is added and no value is invented. Each
//! request is one node's tick, as an agent sends it.
//!
//! Lepton is measured in this process, from the bytes of remote-write requests to synced log, cut and merged blocks
//! and tiers; the work of making the requests is left out. CPU is that of all threads. Peers get the 1.0 requests over
//! loopback HTTP; their CPU is what the kernel counts for their process, HTTP included.

mod capture;
mod ours;
mod peer;
mod replay;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::report::Report;
use capture::Capture;
use lepton_api::remote_write::Protocol;
use replay::Replay;

/// Options of `ingest`.
#[derive(Args)]
pub struct Arguments {
    /// Samples to replay, about.
    #[arg(long, default_value_t = 10_000_000)]
    samples: u64,
    /// Recording to replay.
    #[arg(long, default_value = "target/ingest-recording.txt")]
    recording: PathBuf,
    /// Record this machine into the file given by --recording for so many seconds first.
    #[arg(long)]
    record: Option<u64>,
    /// Samples of each series; the number of nodes follows from it. The default is an hour.
    #[arg(long, default_value_t = 360)]
    ticks: u64,
    /// Servers to give the same requests; the program is looked up in PATH.
    #[arg(long, value_enum)]
    peer: Vec<Peer>,
    /// Nodes of the dashboard query over a day of one metric; 0 leaves it out.
    #[arg(long, default_value_t = 1000)]
    dashboard_nodes: u64,
    /// Folder for the data written; a temporary one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// A server to compare with.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    VictoriaMetrics,
    Prometheus,
}

/// Figures of one contender.
struct Measured {
    name: String,
    samples: u64,
    wall: f64,
    cpu: f64,
    bytes_per_sample: f64,
    rss_mb: f64,
}

/// Runs the benchmark.
pub fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    if let Some(seconds) = arguments.record {
        capture::record(&arguments.recording, seconds)?;
    }
    let capture = Capture::read(&arguments.recording).with_context(|| {
        format!("{}: make a recording with `ingest --record 600`", arguments.recording.display())
    })?;
    let temporary = tempfile::tempdir()?;
    let dir = arguments.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let series = capture.series.len() as u64;
    let nodes = arguments.samples.div_ceil(series * arguments.ticks).max(1);
    let mut table = format!(
        "{} ticks of {series} series recorded ({:.0} % constant), replayed as {nodes} nodes × {} ticks = {} samples\n\n",
        capture.ticks.len(),
        capture.constant_share() * 100.0,
        arguments.ticks,
        nodes * series * arguments.ticks
    );
    let _ = writeln!(
        table,
        "{:<28} {:>12} {:>12} {:>9} {:>9} {:>8}",
        "", "samples/s", "/s and core", "µs CPU", "B/sample", "RSS MB"
    );
    let mut line = |measured: &Measured| {
        let (samples, cpu) = (measured.samples as f64, measured.cpu);
        let _ = writeln!(
            table,
            "{:<28} {:>12.0} {:>12.0} {:>9.3} {:>9.3} {:>8.0}",
            measured.name,
            samples / measured.wall,
            samples / cpu,
            cpu / samples * 1e6,
            measured.bytes_per_sample,
            measured.rss_mb
        );
        json!({
            "name": measured.name, "samples_per_second": samples / measured.wall,
            "samples_per_second_per_core": samples / cpu, "cpu_us_per_sample": cpu / samples * 1e6,
            "bytes_per_sample": measured.bytes_per_sample, "rss_mb": measured.rss_mb,
        })
    };
    let replay = |protocol| Replay::new(&capture, nodes, arguments.ticks, protocol);
    let mut own = Vec::new();
    let mut notes = String::new();
    for (protocol, name) in [(Protocol::V2, "v2"), (Protocol::V1, "v1")] {
        let found = ours::ingest(&dir.join(name), &mut replay(protocol))?;
        own.push(line(&found.measured));
        let _ = writeln!(notes, "lepton {name}: {}", found.phases);
    }
    let mut peers = Vec::new();
    for peer in &arguments.peer {
        peers.push(line(&peer::ingest(*peer, &dir, &mut replay(Protocol::V1))?));
    }
    let _ = write!(table, "\n{notes}");
    let mut dashboard = json!(null);
    if arguments.dashboard_nodes > 0 {
        let found = ours::dashboard(&dir.join("day"), arguments.dashboard_nodes)?;
        let _ = writeln!(table, "{}", found.text);
        dashboard = found.metrics;
    }
    let first = own.first().cloned().unwrap_or_default();
    let metrics = json!({
        "samples_per_second_per_core": first["samples_per_second_per_core"],
        "bytes_per_sample": first["bytes_per_sample"], "rss_mb": first["rss_mb"],
        "lepton": own, "peers": peers, "dashboard": dashboard,
    });
    Ok(Report { bench: "ingest", table, metrics })
}
