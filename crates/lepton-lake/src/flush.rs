//! Cutting the head into blocks.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::block::catalog::{BlockMeta, Change};
use crate::block::write::BlockWriter;
use crate::config::millis;
use crate::error::LakeError;
use crate::labels::Labels;
use crate::lake::{Inner, State};

/// Wakes the thread that cuts a head grown too large.
#[derive(Default)]
pub(crate) struct Signal {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Default)]
struct Wanted {
    flush: bool,
    close: bool,
}

impl Signal {
    /// Asks for a cut; asking twice is asking once.
    pub fn flush(&self) {
        self.wanted.lock().flush = true;
        self.changed.notify_one();
    }

    fn close(&self) {
        self.wanted.lock().close = true;
        self.changed.notify_one();
    }

    /// Waits for work; `false` when the lake closes.
    fn wait(&self) -> bool {
        let mut wanted = self.wanted.lock();
        loop {
            if wanted.close {
                return false;
            }
            if std::mem::take(&mut wanted.flush) {
                return true;
            }
            self.changed.wait(&mut wanted);
        }
    }
}

/// The thread that cuts the head when memory, not time, asks for it.
pub(crate) struct Flusher {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub fn start(inner: &Arc<Inner>) -> Result<Self, LakeError> {
        let own = Arc::clone(inner);
        let thread = std::thread::Builder::new()
            .name("lake-flush".into())
            .spawn(move || {
                while own.signal.wait() {
                    let guard = own.maintenance.lock();
                    let full = own.state.lock().head.bytes() >= own.flush_at();
                    if full && let Err(error) = own.flush(&guard) {
                        // Appends answer busy until a later attempt succeeds; nothing is lost, the log has it.
                        tracing::error!(%error, "cannot write blocks");
                    }
                }
            })
            .map_err(LakeError::io("start the flush thread of", &inner.config.dir))?;
        Ok(Self { signal: Arc::clone(&inner.signal), thread: Some(thread) })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.signal.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the flush thread of the lake panicked");
        }
    }
}

/// What a cut did.
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    pub samples: u64,
    pub blocks: u64,
}

impl Inner {
    /// Cuts the head into blocks, one per window, and lets the log segments go that it was in. After a failure the
    /// frozen head stays readable and is what the next attempt writes.
    pub fn flush(&self, _held: &MutexGuard<'_, ()>) -> Result<Flushed, LakeError> {
        let (frozen, catalog, log_floor) = {
            let mut state = self.state.lock();
            let State { head, frozen, catalog, log_floor, .. } = &mut *state;
            let frozen = match frozen {
                Some(left) => Arc::clone(left),
                None if head.span().is_none() => return Ok(Flushed::default()),
                None => {
                    // Under the head's lock, so that a frame is in the old segment exactly if its samples are frozen.
                    *log_floor = self.wal.rotate();
                    Arc::clone(frozen.insert(Arc::new(head.freeze(self.flush_at() / 2))))
                }
            };
            (frozen, Arc::clone(catalog), *log_floor)
        };
        let span = millis(self.config.block_span);
        let mut change = Change { log_floor: Some(log_floor), ..Change::default() };
        for end in frozen.span.windows.iter().copied() {
            if end <= catalog.raw_floor() {
                continue;
            }
            let id = catalog.next_id() + change.add.len() as u64;
            let mut writer = BlockWriter::create(catalog.dir(), BlockMeta::new(id, 0, end - span, end))?;
            let (mut times, mut values) = (Vec::new(), vec![Vec::new()]);
            for series in &frozen.series {
                times.clear();
                let [column] = values.as_mut_slice() else { break };
                column.clear();
                series.collect(end - span + 1, end, &mut times, column);
                if !times.is_empty() {
                    writer.series(&Labels::from_key(Arc::clone(&series.key)), &times, &values)?;
                }
            }
            change.add.extend(writer.finish()?);
        }
        let flushed = Flushed { samples: frozen.samples, blocks: change.add.len() as u64 };
        let next = catalog.apply(&change)?;
        {
            let mut state = self.state.lock();
            state.catalog = Arc::new(next);
            state.frozen = None;
        }
        self.wal.release(log_floor)?;
        Ok(flushed)
    }
}
