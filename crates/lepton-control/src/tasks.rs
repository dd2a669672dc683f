//! The only place that spawns: every task has a kind, every kind belongs to a stage, and stages end in order.
//!
//! ```text
//! Accept ─► Wait (long polls, streams are told) ─► Request (drained ≤ N s) ─► Background (reconcilers, view)
//! ```

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a task is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskKind {
    /// Takes connections from the listener.
    Accept,
    /// Serves one connection.
    Connection,
    /// Keeps the in-memory view up to the store.
    View,
    /// Keeps this server's lease on the reconcilers.
    Lease,
    /// Runs one reconciler.
    Reconciler,
}

impl TaskKind {
    fn stage(self) -> Stage {
        match self {
            Self::Accept => Stage::Accept,
            Self::Connection => Stage::Request,
            Self::View | Self::Lease | Self::Reconciler => Stage::Background,
        }
    }
}

/// A group of tasks that ends together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Accept,
    Request,
    Background,
}

#[derive(Default)]
struct Group {
    tracker: TaskTracker,
    /// Asks tasks to end.
    ending: CancellationToken,
    /// Drops tasks that did not.
    abort: CancellationToken,
}

#[derive(Default)]
struct Inner {
    accept: Group,
    request: Group,
    background: Group,
    panics: AtomicU64,
}

/// The server's tasks.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Inner>);

impl Tasks {
    fn group(&self, stage: Stage) -> &Group {
        match stage {
            Stage::Accept => &self.0.accept,
            Stage::Request => &self.0.request,
            Stage::Background => &self.0.background,
        }
    }

    /// Cancelled when tasks of a kind should end.
    pub fn ending(&self, kind: TaskKind) -> CancellationToken {
        self.group(kind.stage()).ending.clone()
    }

    /// Starts a task. It should end soon after [`Tasks::ending`] of its kind is cancelled, and is dropped when it does not.
    #[allow(clippy::disallowed_methods)] // this is the one place
    pub fn spawn(&self, kind: TaskKind, task: impl Future<Output = ()> + Send + 'static) {
        let group = self.group(kind.stage());
        let abort = group.abort.clone();
        let inner = Arc::clone(&self.0);
        let work = group.tracker.track_future(async move { abort.run_until_cancelled_owned(task).await });
        let handle = tokio::spawn(work);
        // Only a panic makes a join error here; it is counted, logged, and ends nothing but its own task.
        let watch = async move {
            if handle.await.is_err_and(|error| error.is_panic()) {
                inner.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!(?kind, "task panicked");
            }
        };
        if kind != TaskKind::Connection {
            tokio::spawn(watch);
        }
    }

    /// Asks a stage to end, waits at most `bound`, then drops what is left. Whether all ended by themselves.
    pub async fn end(&self, stage: Stage, bound: Duration) -> bool {
        let group = self.group(stage);
        group.tracker.close();
        group.ending.cancel();
        if tokio::time::timeout(bound, group.tracker.wait()).await.is_ok() {
            return true;
        }
        tracing::warn!(?stage, left = group.tracker.len(), "tasks did not end in time and are dropped");
        group.abort.cancel();
        group.tracker.wait().await;
        false
    }

    /// Tasks that panicked since the start.
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }
}

/// Runs work that computes or waits for the disk on a thread that may be blocked; fails only when it panics.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| format!("work on a blocking thread ended: {error}"))
}
