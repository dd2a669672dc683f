//! The one thread that writes: it takes whatever has queued up and commits it with one sync.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::StoreError;

/// Pieces of work that wait at most; further callers wait in line.
const QUEUE: usize = 256;

/// Pieces of work in one database transaction at most.
const GROUP: usize = 128;

/// Whether what a piece of work wrote is kept when it succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Yes,
    /// It was a rehearsal.
    No,
}

/// Work that waits for the writer. Each piece has its own savepoint: one that fails leaves no trace and harms no other.
trait Work: Send {
    /// Does it; whether its writes are to be kept.
    fn run(&mut self, connection: &Connection) -> Keep;
    /// Tells who waits, once everything is on disk or is not.
    fn reply(self: Box<Self>, group: Result<(), StoreError>);
}

struct Piece<T, F> {
    keep: Keep,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Piece<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Keep {
        self.result = self.work.take().map(|work| work(connection));
        if matches!(self.result, Some(Ok(_))) { self.keep } else { Keep::No }
    }

    fn reply(self: Box<Self>, group: Result<(), StoreError>) {
        // A refusal, too, holds only if what it was judged against was committed.
        let Self { result, reply, .. } = *self;
        // Nobody may be waiting any more: that is their choice.
        let _ = reply.send(group.and_then(|()| result.unwrap_or_else(|| Err(closed()))));
    }
}

/// The way to the writer thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Work>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; it publishes each revision that is on disk.
    pub fn start(connection: Connection, revision: watch::Sender<u64>) -> std::io::Result<Self> {
        let (queue, work) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || serve(&connection, work, &revision))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Has the thread do something, and waits until it is on disk.
    pub async fn run<T: Send + 'static>(
        &self,
        keep: Keep,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let piece = Piece { keep, work: Some(work), result: None, reply };
        self.queue.send(Box::new(piece)).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Ends the thread after what has queued up.
    pub fn stop(&mut self) {
        self.queue = mpsc::channel(1).0;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread had died");
        }
    }
}

fn closed() -> StoreError {
    StoreError::Backend("the store is closed".into())
}

fn serve(connection: &Connection, mut queue: mpsc::Receiver<Box<dyn Work>>, revision: &watch::Sender<u64>) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let outcome = commit(connection, &mut group);
        if let Ok(committed) = outcome {
            revision.send_if_modified(|known| std::mem::replace(known, committed) != committed);
        }
        for piece in group.drain(..) {
            piece.reply(outcome.clone().map(drop));
        }
    }
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(%error, "closing the store: the write-ahead log stays as it is");
    }
}

/// Runs a group in one database transaction; the store's revision after it.
fn commit(connection: &Connection, group: &mut [Box<dyn Work>]) -> Result<u64, StoreError> {
    let outcome = (|| {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for piece in group {
            connection.execute_batch("SAVEPOINT piece")?;
            let end = match piece.run(connection) {
                Keep::Yes => "RELEASE piece",
                Keep::No => "ROLLBACK TO piece; RELEASE piece",
            };
            // A full disk makes SQLite end the whole transaction; then this fails too, and with it the group.
            connection.execute_batch(end)?;
        }
        let revision = super::read::counters(connection)?.revision;
        connection.execute_batch("COMMIT")?;
        Ok(revision)
    })();
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    outcome.map_err(|error: rusqlite::Error| error.into())
}
