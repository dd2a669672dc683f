//! The default store: one SQLite file in WAL mode, one thread that writes, a few connections that read.

mod apply;
mod backup;
mod compact;
mod lease;
mod read;
mod readers;
mod schema;
mod timeline;
mod writer;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lepton_model::{AnyObject, EventId, Key, Kind, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

pub use backup::{RestoreError, restore};
pub use schema::OpenError;

use crate::{
    BackupReport, CommitReport, Lease, ListInput, Page, Recorded, Store, StoreError, TimelineInput,
    Transaction, WatchEvent, WatchInput,
};
use readers::Readers;
use writer::{Keep, Writer};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Backend(error.to_string())
    }
}

/// How a [`SqliteStore`] is opened.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// Connections that read side by side; 4 by default.
    pub readers: usize,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { readers: 4 }
    }
}

/// A store in one SQLite file. Its methods need a tokio runtime.
///
/// Dropping it waits until what was asked of it is on disk.
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    revision: watch::Receiver<u64>,
    // Held until the store is dropped: watchers learn only of what this process writes, so nobody else may.
    _lock: File,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens a file, making it when it is missing: checks its integrity, which takes time with its size, and brings
    /// it to the latest layout.
    ///
    /// # Errors
    /// Another process has it open, it is damaged, it is not ours, a later version wrote it, or the file system refuses.
    pub fn open(path: &Path, config: &SqliteConfig) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let connection = schema::open_writer(path)?;
        let revision = read::counters(&connection)
            .map_err(|source| OpenError::Database { path: path.into(), source })?
            .revision;
        let (publish, revision) = watch::channel(revision);
        let writer = Writer::start(connection, publish).map_err(OpenError::io(path))?;
        let readers = Readers::new(path.into(), config.readers);
        Ok(Self { path: path.into(), writer, readers, revision, _lock: lock })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.writer.stop();
    }
}

/// Takes the lock file beside the database.
fn lock(path: &Path) -> Result<File, OpenError> {
    let beside = lock_path(path, "lock");
    schema::create_private(&beside)?;
    let file = File::options().write(true).open(&beside).map_err(OpenError::io(&beside))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::Locked(path.into())),
        Err(std::fs::TryLockError::Error(source)) => Err(OpenError::Io { path: beside, source }),
    }
}

/// `lepton.db` → `lepton.db-suffix`, as SQLite names its own companions.
fn lock_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-");
    name.push(suffix);
    name.into()
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &Key) -> Result<Option<AnyObject>, StoreError> {
        let key = key.clone();
        self.readers.run(move |db| Ok(read::object(db, &key)?.map(|(_, object)| object))).await
    }

    async fn list(&self, kind: Kind, input: ListInput) -> Result<Page, StoreError> {
        self.readers.run(move |db| read::list(db, kind, &input)).await
    }

    async fn commit(&self, now: Timestamp, transaction: Transaction) -> Result<CommitReport, StoreError> {
        self.writer.run(Keep::Yes, move |db| apply::apply(db, now, transaction)).await
    }

    async fn rehearse(&self, now: Timestamp, transaction: Transaction) -> Result<CommitReport, StoreError> {
        self.writer.run(Keep::No, move |db| apply::apply(db, now, transaction)).await
    }

    async fn watch(
        &self,
        input: &WatchInput,
        limit: usize,
        wait: Duration,
    ) -> Result<(Vec<WatchEvent>, u64), StoreError> {
        let mut revision = self.revision.clone();
        let deadline = Instant::now() + wait;
        let mut input = Arc::new(input.clone());
        loop {
            // Marked as seen before reading: a commit from here on wakes us.
            revision.borrow_and_update();
            let asked = Arc::clone(&input);
            let (events, next) = self.readers.run(move |db| read::changes(db, &asked, limit)).await?;
            Arc::make_mut(&mut input).from = next;
            if !events.is_empty() {
                return Ok((events, next));
            }
            match tokio::time::timeout_at(deadline, revision.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok((events, next)),
            }
        }
    }

    async fn revision(&self) -> Result<u64, StoreError> {
        Ok(*self.revision.borrow())
    }

    async fn timeline(&self, input: &TimelineInput) -> Result<Vec<Recorded>, StoreError> {
        let input = input.clone();
        self.readers.run(move |db| timeline::entries(db, &input)).await
    }

    async fn has_entry(&self, id: EventId) -> Result<bool, StoreError> {
        self.readers.run(move |db| timeline::has_entry(db, id)).await
    }

    async fn acquire(
        &self,
        now: Timestamp,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.writer.run(Keep::Yes, move |db| lease::acquire(db, now, name, holder, length)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.writer.run(Keep::Yes, move |db| lease::release(db, &lease)).await
    }

    async fn compact(&self, before: Timestamp, timeline_before: Timestamp) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let gone = self
                .writer
                .run(Keep::Yes, move |db| {
                    Ok(compact::changes(db, before)? + compact::timeline(db, timeline_before)?)
                })
                .await?;
            total += gone;
            if gone == 0 {
                return Ok(total);
            }
        }
    }

    async fn backup(&self, to: &Path) -> Result<BackupReport, StoreError> {
        let (from, to) = (self.path.clone(), to.to_owned());
        tokio::task::spawn_blocking(move || backup::backup(&from, &to))
            .await
            .unwrap_or_else(|error| Err(StoreError::Backend(error.to_string())))
    }
}
