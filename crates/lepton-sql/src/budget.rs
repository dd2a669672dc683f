//! What a running statement may still use, and who may still want it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::SqlError;

/// Shared by a statement, its tables and whoever waits for it.
#[derive(Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    time: Duration,
    memory: usize,
    cancelled: AtomicBool,
    // The first thing that went wrong, kept because SQLite passes on only its text.
    fault: Mutex<Option<SqlError>>,
}

/// Cancels the statement when the caller goes away.
pub(crate) struct CancelOnDrop(pub Arc<Budget>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Budget {
    pub fn new(time: Duration, memory: usize) -> Arc<Self> {
        Arc::new(Self {
            deadline: Instant::now() + time,
            time,
            memory,
            cancelled: AtomicBool::new(false),
            fault: Mutex::new(None),
        })
    }

    /// An error once something is used up.
    pub fn check(&self) -> Result<(), SqlError> {
        let error = if self.cancelled.load(Ordering::Relaxed) {
            SqlError::Cancelled
        } else if Instant::now() >= self.deadline {
            SqlError::Time { limit: self.time }
        } else if sqlite_memory() > self.memory {
            SqlError::Memory { limit: self.memory }
        } else {
            return Ok(());
        };
        Err(self.fail(error))
    }

    /// Keeps the first error; gives it back to be passed on.
    pub fn fail(&self, error: SqlError) -> SqlError {
        self.fault.lock().get_or_insert(error).clone()
    }

    /// The first error, if there was one.
    pub fn fault(&self) -> Option<SqlError> {
        self.fault.lock().clone()
    }

    /// Time that is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Bytes that SQLite holds in this process: every statement's, and the store's page caches, which are small and fixed.
///
/// SQLite's own heap limit would make the store's writer fail along with a greedy statement; counting and stopping the
/// statement does not.
#[allow(unsafe_code)]
fn sqlite_memory() -> usize {
    // SAFETY: `sqlite3_memory_used` takes nothing, reads a counter under SQLite's own mutex, and may be called from any
    // thread at any time.
    let bytes = unsafe { rusqlite::ffi::sqlite3_memory_used() };
    usize::try_from(bytes).unwrap_or(0)
}
