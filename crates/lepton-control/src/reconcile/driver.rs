//! Runs the reconcilers, keeps the lease they need, and remembers how each fared.

use std::time::{Duration, Instant};

use lepton_api::v1::{ReconcilerReport, ReconcilerState};
use lepton_model::Timestamp;
use lepton_store::{Fence, Lease};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{ALL, Memory, Outcome, Reconciler};
use crate::app::App;
use crate::clock;
use crate::tasks::TaskKind;

const LEASE: &str = "reconcilers";
/// Another server takes over after this long without a renewal.
const LEASE_LENGTH: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Changes that come together are handled together.
const GATHER: Duration = Duration::from_millis(10);
/// After a failed run.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
struct Record {
    runs: u64,
    failures: u64,
    started: Option<Timestamp>,
    took: Option<Duration>,
    failed: bool,
    message: String,
}

/// The state of all reconcilers.
pub(crate) struct Reconcilers {
    holder: String,
    lease: Mutex<Option<(Lease, Instant)>>,
    /// Wakes those who wait for the lease.
    held: watch::Sender<bool>,
    wakes: watch::Sender<u64>,
    records: Vec<Mutex<Record>>,
    /// What they remember.
    pub memory: Memory,
}

impl Reconcilers {
    /// `holder` names this server to the lease; the same after a restart, so that a restart waits for nobody.
    pub fn new(holder: String) -> Self {
        Self {
            holder,
            lease: Mutex::default(),
            held: watch::Sender::new(false),
            wakes: watch::Sender::new(0),
            records: ALL.iter().map(|_| Mutex::default()).collect(),
            memory: Memory::default(),
        }
    }

    /// Something happened that is no change of an object.
    pub fn wake(&self) {
        self.wakes.send_modify(|count| *count += 1);
    }

    /// Whether the lease was written lately: the store takes writes.
    pub fn lease_is_fresh(&self) -> bool {
        self.lease.lock().as_ref().is_some_and(|(_, at)| at.elapsed() < LEASE_LENGTH)
    }

    fn fence(&self) -> Option<Fence> {
        let lease = self.lease.lock();
        let (lease, at) = lease.as_ref()?;
        (at.elapsed() < LEASE_LENGTH).then(|| Fence { lease: lease.name.clone(), token: lease.token })
    }

    /// How each fared.
    pub fn reports(&self) -> Vec<ReconcilerReport> {
        let holds = self.fence().is_some();
        ALL.iter()
            .zip(&self.records)
            .map(|(reconciler, record)| {
                let record = record.lock().clone();
                ReconcilerReport {
                    name: reconciler.name.to_owned(),
                    description: reconciler.description.to_owned(),
                    state: match (holds, record.runs, record.failed) {
                        (false, ..) => ReconcilerState::Standby,
                        (true, 0, _) => ReconcilerState::Waiting,
                        (true, _, true) => ReconcilerState::Failing,
                        (true, _, false) => ReconcilerState::Ok,
                    },
                    runs: record.runs,
                    failures: record.failures,
                    last_run: record.started,
                    last_duration_ms: record.took.map(|took| took.as_secs_f64() * 1_000.0),
                    last_message: record.message,
                }
            })
            .collect()
    }
}

/// Starts the lease's keeper and every reconciler.
pub(crate) fn start(app: &App) {
    app.tasks.spawn(TaskKind::Lease, keep_lease(app.clone()));
    for (at, reconciler) in ALL.iter().enumerate() {
        app.tasks.spawn(TaskKind::Reconciler, drive(app.clone(), at, reconciler));
    }
}

async fn keep_lease(app: App) {
    let ending = app.tasks.ending(TaskKind::Lease);
    while !ending.is_cancelled() {
        let parts = &app.reconcilers;
        let asked = Instant::now();
        match app.store.acquire(clock::now(), LEASE, &parts.holder, LEASE_LENGTH).await {
            Ok(Some(lease)) => {
                *parts.lease.lock() = Some((lease, asked));
                parts.held.send_replace(true);
            }
            Ok(None) => {
                *parts.lease.lock() = None;
                parts.held.send_replace(false);
            }
            Err(error) => tracing::error!(%error, "the reconcilers' lease cannot be renewed"),
        }
        ending.run_until_cancelled(tokio::time::sleep(RENEW_EVERY)).await;
    }
    let lease = app.reconcilers.lease.lock().take();
    if let Some((lease, _)) = lease
        && let Err(error) = app.store.release(&lease).await
    {
        tracing::warn!(%error, "the reconcilers' lease was not given back; it runs out by itself");
    }
}

async fn drive(app: App, at: usize, reconciler: &'static Reconciler) {
    let ending = app.tasks.ending(TaskKind::Reconciler);
    let mut changes = app.view.changes();
    let mut reports = app.agents.reports();
    let mut wakes = app.reconcilers.wakes.subscribe();
    let mut held = app.reconcilers.held.subscribe();
    while !ending.is_cancelled() {
        if ending.run_until_cancelled(held.wait_for(|held| *held)).await.is_none() {
            return;
        }
        // Seen before the run, so that what changes during it starts another.
        changes.mark_unchanged();
        reports.mark_unchanged();
        wakes.mark_unchanged();
        let ran = match app.reconcilers.fence() {
            // A run is never cut in the middle: it ends by itself, or is dropped with its stage.
            Some(fence) => run(&app, at, reconciler, fence).await,
            None => true,
        };
        let pause = match (ran, reconciler.every.unwrap_or(app.config.history.every.duration())) {
            (true, every) => every,
            (false, every) => every.min(RETRY),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = changes.changed(), if reconciler.wakes && ran => {}
            Ok(()) = reports.changed(), if reconciler.wakes && ran => {}
            Ok(()) = wakes.changed(), if reconciler.wakes && ran => {}
            () = ending.cancelled() => return,
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Whether it went well.
async fn run(app: &App, at: usize, reconciler: &Reconciler, fence: Fence) -> bool {
    let (started, clock) = (clock::now(), Instant::now());
    let outcome: Outcome = (reconciler.run)(app.clone(), fence).await;
    let took = clock.elapsed();
    let Some(record) = app.reconcilers.records.get(at) else { return true };
    let mut record = record.lock();
    record.runs += 1;
    (record.started, record.took) = (Some(started), Some(took));
    match outcome {
        Ok(message) => {
            record.failed = false;
            if let Some(message) = message {
                tracing::info!(reconciler = reconciler.name, message);
                record.message = message;
            }
            true
        }
        Err(error) => {
            tracing::warn!(reconciler = reconciler.name, %error, "run failed; it runs again");
            record.failures += 1;
            record.failed = true;
            record.message = error.to_string();
            false
        }
    }
}
