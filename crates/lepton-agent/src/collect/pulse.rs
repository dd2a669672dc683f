//! The collector's thread: wait for the tick, sample, put it into the queue.
//!
//! A thread of its own, so that a slow disk or a long list of processes never delays a restart of a service, and a
//! busy runtime never delays a sample.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use lepton_model::{Act, Outcome};

use super::{Collector, Ticker};
use crate::report::Reporter;
use crate::series::SeriesTable;
use crate::ship::{ShipCounters, TickEncoder};
use crate::spool::Writer;
use crate::supervise::Clock;

/// How long unacknowledged samples may be unsynced.
const SYNC: Duration = Duration::from_secs(10);

/// Drops are put on the record no more often than this.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What the thread works with.
pub struct Pulse {
    /// What is sampled.
    pub collector: Collector,
    /// When.
    pub ticker: Ticker,
    /// Where to.
    pub writer: Writer,
    /// By which clock.
    pub clock: Arc<dyn Clock>,
    /// Where to say what is not as it should be.
    pub reporter: Reporter,
    /// Where drops are counted.
    pub counters: Arc<ShipCounters>,
}

impl Pulse {
    /// Samples until `stop` is dropped.
    pub fn run(mut self, stop: &Receiver<()>) {
        let mut encoder = TickEncoder::default();
        let mut payload = Vec::new();
        let mut drops = Drops::default();
        let mut synced = Instant::now();
        // One that failed left series undefined on disk: the next begins a segment.
        let mut broken = false;
        loop {
            let wait = self.ticker.wait(self.clock.wall());
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let Some(tick) = self.ticker.tick(self.clock.monotonic(), self.clock.wall()) else { continue };
            if let Some(step) = tick.step {
                let (before, after) = (step.before.to_string(), step.after.to_string());
                let reason = format!("the clock of this machine jumped from {before} to {after}");
                self.reporter.say(Act::ClockStep, Outcome::Ok, reason, Some((before.into(), after.into())));
            }
            self.collector.sample(Instant::now());
            let table = self.collector.table();
            match append(&mut self.writer, &mut encoder, table, tick.stamp, broken, &mut payload) {
                Ok(lost) => {
                    broken = false;
                    drops.lost += lost;
                }
                Err(error) => {
                    broken = true;
                    drops.lost += 1;
                    if drops.problem.is_empty() {
                        drops.problem = crate::ship::chain(&error);
                    }
                }
            }
            table.end();
            self.counters.dropped.fetch_add(drops.lost - drops.counted, Ordering::Relaxed);
            drops.counted = drops.lost;
            drops.say(&self.reporter);
            if synced.elapsed() >= SYNC && !self.writer.is_read() {
                synced = Instant::now();
                if let Err(error) = self.writer.syncer().sync() {
                    tracing::warn!(
                        error = crate::ship::chain(&error),
                        "queued samples would not survive power loss"
                    );
                }
            }
        }
    }
}

fn append(
    writer: &mut Writer,
    encoder: &mut TickEncoder,
    table: &SeriesTable,
    stamp: lepton_model::Timestamp,
    anew: bool,
    payload: &mut Vec<u8>,
) -> Result<u64, crate::spool::SpoolError> {
    let first = if anew { writer.roll().map(|()| true)? } else { writer.roll_if_due()? };
    encoder.encode(table, stamp, first, payload);
    writer.append(payload)
}

/// Ticks that were lost, and when it was last said.
#[derive(Default)]
struct Drops {
    lost: u64,
    counted: u64,
    said: u64,
    at: Option<Instant>,
    problem: String,
}

impl Drops {
    fn say(&mut self, reporter: &Reporter) {
        let fresh = self.lost - self.said;
        if fresh == 0 || self.at.is_some_and(|at| at.elapsed() < SAY_AGAIN) {
            return;
        }
        let why = match self.problem.as_str() {
            "" => "the disk queue is full; its oldest samples went".to_owned(),
            problem => format!("the disk queue takes nothing ({problem})"),
        };
        let reason = format!("{fresh} ticks of samples were dropped before they were shipped: {why}");
        reporter.say(Act::SpoolDrop, Outcome::Failed, reason, None);
        self.said = self.lost;
        self.at = Some(Instant::now());
        self.problem.clear();
    }
}
