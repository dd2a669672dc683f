//! The handle: open, append, read.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::batch::{Batch, Sample};
use crate::block::catalog::Catalog;
use crate::block::files;
use crate::config::{LakeConfig, millis};
use crate::error::{AppendError, Appended, LakeError};
use crate::flush::{Flusher, Signal};
use crate::head::{Bounds, Frozen, Head};
use crate::labels::Labels;
use crate::scan::{Scan, Source};
use crate::select::Selection;
use crate::wal::{self, FrameWriter, MAX_FRAME, Wal, segments};

/// Measurements on disk and in memory. Cheap to clone; every method may be called from any thread.
///
/// The last clone to go writes what the log still holds in memory and ends the lake's threads.
#[derive(Clone)]
pub struct Lake {
    handle: Arc<Handle>,
}

// Two layers, so that the flush thread can share the inside without keeping the lake open.
struct Handle {
    inner: Arc<Inner>,
    _flusher: Flusher,
}

pub(crate) struct Inner {
    pub config: LakeConfig,
    hasher: foldhash::fast::FixedState,
    pub state: Mutex<State>,
    pub wal: Wal,
    pub signal: Arc<Signal>,
    /// Held by whatever rewrites blocks: flush, compaction, retention, snapshot.
    pub maintenance: Mutex<()>,
    recovery: Recovery,
    totals: Totals,
    _lock: File,
}

/// What readers must see as one: what is in memory and what is in blocks.
pub(crate) struct State {
    pub head: Head,
    pub frozen: Option<Arc<Frozen>>,
    pub catalog: Arc<Catalog>,
    /// The log segment that starts after the frozen head.
    pub log_floor: u64,
    frame: FrameWriter,
}

#[derive(Default)]
struct Totals {
    accepted: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
    busy: AtomicU64,
}

/// What opening a lake found in its log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Log segments read.
    pub segments: u64,
    /// Whole frames in them: acknowledged batches.
    pub frames: u64,
    /// Samples brought back to memory.
    pub samples: u64,
    /// Bytes after the last whole frame that were cut off: batches never acknowledged.
    pub torn_bytes: u64,
    /// Files that were no part of the lake, left by an interrupted write, and deleted.
    pub orphans: u64,
}

/// Size and traffic of a lake since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LakeStats {
    /// Series in memory.
    pub head_series: u64,
    /// Samples in memory, those being written to blocks included.
    pub head_samples: u64,
    /// Bytes of memory they take.
    pub head_bytes: u64,
    /// Blocks of raw samples.
    pub raw_blocks: u64,
    /// Samples in them.
    pub raw_samples: u64,
    /// Their bytes on disk, index included.
    pub raw_bytes: u64,
    /// Downsampled blocks.
    pub tier_blocks: u64,
    /// Their bytes on disk, index included.
    pub tier_bytes: u64,
    /// Bytes of the current log segment.
    pub log_bytes: u64,
    /// Samples accepted.
    pub accepted: u64,
    /// Samples known already.
    pub duplicates: u64,
    /// Samples refused for good.
    pub refused: u64,
    /// Batches refused for now.
    pub busy: u64,
}

const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A sample in the log takes at most its time difference and its value.
const LOGGED_SAMPLE: usize = 18;

impl Lake {
    /// Opens the lake in `config.dir`, creating it when missing, and reads back what its log holds.
    pub fn open(config: LakeConfig) -> Result<Self, LakeError> {
        config.check().map_err(LakeError::Config)?;
        let dir = &config.dir;
        let (log_dir, block_dir) = (dir.join("wal"), dir.join("blocks"));
        for dir in [dir, &log_dir, &block_dir] {
            std::fs::create_dir_all(dir).map_err(LakeError::io("create", dir))?;
        }
        files::sync_dir(dir)?;
        let lock_path = dir.join("lock");
        let lock = File::create(&lock_path).map_err(LakeError::io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LakeError::Locked(dir.clone())),
            Err(std::fs::TryLockError::Error(error)) => return Err(LakeError::io("lock", lock_path)(error)),
        }
        let mut recovery = Recovery::default();
        let catalog = Catalog::open(&block_dir, &mut recovery.orphans)?;
        let hasher = foldhash::fast::FixedState::with_seed(random_seed());
        let mut head = Head::new(hasher.clone(), millis(config.block_span));
        let mut segment = catalog.log_floor();
        for (number, path) in segments(&log_dir)? {
            if number < catalog.log_floor() {
                std::fs::remove_file(&path).map_err(LakeError::io("delete", path))?;
                continue;
            }
            segment = segment.max(number + 1);
            let file = File::options().read(true).write(true).open(&path);
            let file = file.map_err(LakeError::io("open", &path))?;
            let reader = std::io::BufReader::with_capacity(1 << 18, &file);
            let found = wal::recover(reader, |key, samples| head.restore(key, samples));
            let found = found.map_err(LakeError::io("read", &path))?;
            recovery.segments += 1;
            recovery.frames += found.frames;
            recovery.samples += found.samples;
            if found.torn {
                let size = file.metadata().map_err(LakeError::io("inspect", &path))?.len();
                recovery.torn_bytes += size - found.valid_bytes;
                tracing::warn!(path = %path.display(), bytes = size - found.valid_bytes, "log ends in a torn frame");
                file.set_len(found.valid_bytes)
                    .and_then(|()| file.sync_all())
                    .map_err(LakeError::io("cut", &path))?;
            }
        }
        let wal = Wal::start(log_dir, segment, config.commit_window)?;
        let catalog = Arc::new(catalog);
        let inner = Arc::new(Inner {
            config,
            hasher,
            state: Mutex::new(State {
                head,
                frozen: None,
                catalog,
                log_floor: 0,
                frame: FrameWriter::default(),
            }),
            wal,
            signal: Arc::default(),
            maintenance: Mutex::new(()),
            recovery,
            totals: Totals::default(),
            _lock: lock,
        });
        let flusher = Flusher::start(&inner)?;
        Ok(Self { handle: Arc::new(Handle { inner, _flusher: flusher }) })
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.handle.inner
    }

    /// What opening found in the log.
    pub fn recovery(&self) -> &Recovery {
        &self.inner().recovery
    }

    /// An empty batch for this lake; keep it and [`Batch::clear`] it.
    pub fn batch(&self) -> Batch {
        Batch::new(self.inner().hasher.clone())
    }

    /// Takes a batch and returns when it is on disk. `now`, in Unix milliseconds, is what too old and too new are
    /// measured from.
    ///
    /// On an error nothing was acknowledged, and the same batch may be sent again: what had been taken of it counts
    /// as duplicates then.
    pub fn append(&self, batch: &Batch, now: i64) -> Result<Appended, AppendError> {
        let (number, outcome) = self.apply(batch, now)?;
        self.inner().wal.wait(number)?;
        Ok(outcome)
    }

    /// Takes a batch and returns at once; `done` is called with the outcome when it is on disk, on a thread of the
    /// lake's, and should do no more than wake the caller up.
    ///
    /// An error returned here means `done` is never called.
    pub fn append_with(
        &self,
        batch: &Batch,
        now: i64,
        done: impl FnOnce(Result<Appended, AppendError>) + Send + 'static,
    ) -> Result<(), AppendError> {
        let (number, outcome) = self.apply(batch, now)?;
        self.inner().wal.notify(number, Box::new(move |result| done(result.map(|()| outcome))));
        Ok(())
    }

    fn apply(&self, batch: &Batch, now: i64) -> Result<(u64, Appended), AppendError> {
        let inner = self.inner();
        if !batch.seeded_as(&inner.hasher) {
            return Err(AppendError::ForeignBatch);
        }
        let bytes = batch.size(LOGGED_SAMPLE);
        if bytes > MAX_FRAME {
            return Err(AppendError::TooLarge { bytes, limit: MAX_FRAME });
        }
        let oldest = now.saturating_sub(millis(inner.config.retention));
        let newest = now.saturating_add(millis(inner.config.future_limit));
        let mut state = inner.state.lock();
        // Windows whose raw samples are gone cannot be added to.
        let bounds = Bounds { oldest: oldest.max(state.catalog.raw_floor().saturating_add(1)), newest };
        let frozen = state.frozen.as_ref().map_or(0, |frozen| frozen.bytes);
        let busy = match state.head.bytes() + frozen >= inner.config.head_limit {
            true => Err(AppendError::Busy { retry_after: RETRY_AFTER }),
            false => inner.wal.admit(RETRY_AFTER),
        };
        if let Err(error) = busy {
            inner.totals.busy.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        let mut outcome = Appended::default();
        let State { head, frame, .. } = &mut *state;
        let (number, ()) = inner.wal.append(frame, |frame| {
            for entry in batch.entries() {
                head.append(&entry, bounds, frame, &mut outcome);
            }
        });
        let full = state.head.bytes() >= inner.flush_at();
        drop(state);
        if full {
            inner.signal.flush();
        }
        inner.totals.accepted.fetch_add(outcome.accepted, Ordering::Relaxed);
        inner.totals.duplicates.fetch_add(outcome.duplicates, Ordering::Relaxed);
        inner.totals.refused.fetch_add(outcome.refused(), Ordering::Relaxed);
        Ok((number, outcome))
    }

    /// The samples of a selection, series by series in order of metric, node and the other labels, each in order of
    /// time without repeats. Reads as it goes: stop early and the rest is never read.
    pub fn scan(&self, selection: &Selection) -> Result<Scan, LakeError> {
        self.inner().scan(selection)
    }

    /// The newest sample between the selection's times of each of its series, sorted by labels.
    pub fn latest(&self, selection: &Selection) -> Result<Vec<(Labels, Sample)>, LakeError> {
        // Memory knows the newest sample of every series written since the last cut but one, without decoding.
        let inner = self.inner();
        let mut found: std::collections::BTreeMap<_, _> = {
            let state = inner.state.lock();
            state.head.latest(selection).into_iter().collect()
        };
        let known: BTreeSet<Arc<[u8]>> = found.keys().cloned().collect();
        let mut scan = inner.scan(selection)?;
        scan.skip_keys(known);
        for series in scan {
            let series = series?;
            if let (Some(timestamp), Some(value)) = (series.timestamps.last(), series.values.last()) {
                found.insert(series.labels.into_key(), Sample { timestamp: *timestamp, value: *value });
            }
        }
        Ok(found.into_iter().map(|(key, sample)| (Labels::from_key(key), sample)).collect())
    }

    /// The labels of a selection's series that may have samples in its time, sorted. A series whose chunk or block
    /// overlaps the time counts.
    pub fn series(&self, selection: &Selection) -> Result<Vec<Labels>, LakeError> {
        let mut scan = self.inner().scan(selection)?;
        let mut found = Vec::new();
        while let Some(labels) = scan.next_labels() {
            found.push(labels);
        }
        Ok(found)
    }

    /// The values a label has among a selection's series, sorted. `__name__` lists metrics.
    pub fn label_values(&self, name: &str, selection: &Selection) -> Result<Vec<String>, LakeError> {
        let mut values = BTreeSet::new();
        for labels in self.series(selection)? {
            if let Some(value) = labels.get(name).filter(|value| !values.contains(*value)) {
                values.insert(value.to_owned());
            }
        }
        Ok(values.into_iter().collect())
    }

    /// Size and traffic.
    pub fn stats(&self) -> LakeStats {
        let inner = self.inner();
        let mut stats = LakeStats {
            log_bytes: inner.wal.segment_bytes(),
            accepted: inner.totals.accepted.load(Ordering::Relaxed),
            duplicates: inner.totals.duplicates.load(Ordering::Relaxed),
            refused: inner.totals.refused.load(Ordering::Relaxed),
            busy: inner.totals.busy.load(Ordering::Relaxed),
            ..LakeStats::default()
        };
        let state = inner.state.lock();
        stats.head_series = state.head.series_count() as u64;
        stats.head_samples =
            state.head.sample_count() + state.frozen.as_ref().map_or(0, |frozen| frozen.samples);
        stats.head_bytes =
            (state.head.bytes() + state.frozen.as_ref().map_or(0, |frozen| frozen.bytes)) as u64;
        for block in state.catalog.blocks() {
            let meta = &block.meta;
            if meta.is_raw() {
                stats.raw_blocks += 1;
                stats.raw_samples += meta.rows;
                stats.raw_bytes += meta.size();
            } else {
                stats.tier_blocks += 1;
                stats.tier_bytes += meta.size();
            }
        }
        stats
    }
}

impl Inner {
    /// Size of the live head at which it is cut without waiting for its window to end: half of the limit, so that
    /// there is room to go on while the other half is written.
    pub fn flush_at(&self) -> usize {
        self.config.head_limit / 2
    }

    pub fn scan(&self, selection: &Selection) -> Result<Scan, LakeError> {
        let (live, frozen, catalog) = {
            let state = self.state.lock();
            (state.head.read(selection), state.frozen.clone(), Arc::clone(&state.catalog))
        };
        let mut sources = Vec::new();
        for block in catalog.raw_for(selection) {
            sources.push(Source::block(block, selection)?);
        }
        if let Some(frozen) = frozen {
            sources.push(Source::memory(frozen.read(selection)));
        }
        sources.push(Source::memory(live));
        Ok(Scan::new(sources, selection, self.config.query_samples))
    }
}

// A per-process seed keeps senders from choosing labels that collide. Not a secret, and nothing on disk depends on it.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}
