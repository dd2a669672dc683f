//! What a server that is killed with -9 under load still has: everything it had acknowledged, nothing twice.
//!
//! A real server process takes batches of samples (remote write 2.0) and objects (`POST /v1/apply`) from two writers.
//! Again and again it is killed at a random moment and started on what is on disk. A writer that got no answer sends the
//! same again, as agents do. In the end every acknowledged sample, object and timeline entry is looked for by SQL.

mod server;
mod writer;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;

use crate::report::Report;
pub use server::Server;
use writer::Acknowledged;

/// Flags of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// How often the server is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Longest life of a server, in milliseconds; each life is a random part of it.
    #[arg(long, default_value_t = 1_500)]
    longest_life: u64,
    /// Seed of the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The `lepton` binary; the one beside this one when absent.
    #[arg(long)]
    server: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let mut server = Server::start(arguments.server.clone(), folder.path())?;
    let (done, mut restarts) = (AtomicBool::new(false), Vec::new());
    let reach = server.reach();
    let (samples, objects) = std::thread::scope(|scope| -> anyhow::Result<_> {
        let samples = scope.spawn(|| writer::samples(&reach, &done));
        let objects = scope.spawn(|| writer::objects(&reach, &done));
        let killing = (|| -> anyhow::Result<()> {
            for kill in 1..=arguments.kills {
                std::thread::sleep(Duration::from_millis(
                    chance.random_range(100..=arguments.longest_life.max(101)),
                ));
                server.kill();
                let start = Instant::now();
                server.restart()?;
                restarts.push(start.elapsed().as_secs_f64() * 1e3);
                if kill % 10 == 0 {
                    eprintln!("killed {kill} times");
                }
            }
            Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        killing?;
        let ended = |_| anyhow::anyhow!("a writer panicked");
        Ok((samples.join().map_err(ended)?, objects.join().map_err(ended)?))
    })?;
    let found = server.found(samples.batches.as_slice())?;
    Ok(report(arguments.kills, &samples, &objects, &found, restarts))
}

fn report(
    kills: u32,
    samples: &Acknowledged,
    objects: &Acknowledged,
    found: &server::Found,
    mut restarts: Vec<f64>,
) -> Report {
    restarts.sort_by(f64::total_cmp);
    let median = restarts.get(restarts.len() / 2).copied().unwrap_or_default();
    let sent = samples.batches.len() as u64 * writer::BATCH as u64;
    let lost_objects = objects.batches.iter().filter(|n| !found.objects.contains(n)).count() as u64;
    let lost_entries = objects.batches.iter().filter(|n| !found.entries.contains(n)).count() as u64;
    let lost = found.lost_samples + lost_objects + lost_entries;
    let duplicated = found.double_samples + found.double_entries;
    let acknowledged = sent + 2 * objects.batches.len() as u64;
    let mut table = String::new();
    let _ = writeln!(table, "{kills} kills, server ready again after {median:.0} ms (median)");
    for (what, acked, missing, double) in [
        ("samples", sent, found.lost_samples, found.double_samples),
        ("objects", objects.batches.len() as u64, lost_objects, 0),
        ("timeline entries", objects.batches.len() as u64, lost_entries, found.double_entries),
    ] {
        let _ = writeln!(table, "{what:<17} {acked:>10} acknowledged {missing:>4} lost {double:>4} twice");
    }
    let metrics = json!({
        "kills": kills,
        "acknowledged": acknowledged,
        "lost": lost,
        "duplicated": duplicated,
        "restart_ms_median": median,
    });
    Report { bench: "survival", table, metrics }
}
