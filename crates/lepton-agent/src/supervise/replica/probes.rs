//! The checks of one running process, each probing at its own pace.

use std::time::Duration;

use lepton_model::Check;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::check::{Probed, Target, probe};

/// First pause between the probes of a process that starts; doubled each time, up to the check's interval, so that a quick start is
/// seen quickly.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Probes that run until this is dropped.
pub(super) struct Probes {
    _tasks: JoinSet<()>,
    results: mpsc::Receiver<(usize, Probed)>,
}

impl Probes {
    /// Starts probing at once. `eager` while a process starts: often, until a check succeeds.
    pub(super) fn start(checks: &[Check], target: &Target, eager: Duration) -> Self {
        let (sender, results) = mpsc::channel(checks.len().max(1));
        let mut tasks = JoinSet::new();
        for (index, check) in checks.iter().enumerate() {
            tasks.spawn(keep_probing(index, check.clone(), target.clone(), eager, sender.clone()));
        }
        Self { _tasks: tasks, results }
    }

    /// The next result; never, when there are no checks.
    pub(super) async fn next(&mut self) -> (usize, Probed) {
        match self.results.recv().await {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }
}

async fn keep_probing(
    index: usize,
    check: Check,
    target: Target,
    eager: Duration,
    results: mpsc::Sender<(usize, Probed)>,
) {
    let begun = Instant::now();
    let interval = check.effective_interval();
    let mut pause = FIRST_PAUSE;
    let mut succeeded = false;
    loop {
        let started = Instant::now();
        let probed = probe(&check, &target).await;
        succeeded |= probed.result.is_ok();
        if results.send((index, probed)).await.is_err() {
            return;
        }
        let wait = if !succeeded && begun.elapsed() < eager { pause.min(interval) } else { interval };
        pause = pause.saturating_mul(2);
        tokio::time::sleep_until(started + wait).await;
    }
}
