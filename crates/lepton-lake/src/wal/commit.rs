//! The thread that writes and syncs. Whatever arrives during one sync shares the next: group commit.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::block::files;
use crate::error::{AppendError, LakeError};
use crate::wal::{FrameWriter, MAGIC};

/// Called once, from the log's thread, when a batch is on disk or never will be.
pub(crate) type Ack = Box<dyn FnOnce(Result<(), AppendError>) + Send>;

/// Bytes waiting for the disk past which appends are refused.
const MAX_PENDING: usize = 32 << 20;

/// The log of one lake.
pub(crate) struct Wal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    dir: PathBuf,
    window: Duration,
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
}

#[derive(Default)]
struct State {
    segment: u64,
    /// Bytes not yet taken by the thread, by segment; more than one entry only just after a rotation.
    pending: Vec<(u64, Vec<u8>)>,
    spare: Vec<u8>,
    pending_bytes: usize,
    segment_bytes: u64,
    /// Commits are numbered; all up to `synced` are on disk.
    appended: u64,
    synced: u64,
    acks: Vec<(u64, Ack)>,
    failed: Option<String>,
    closing: bool,
}

impl Wal {
    /// Starts a log in `dir` whose first segment is `segment`, which must not exist.
    pub fn start(dir: PathBuf, segment: u64, window: Duration) -> Result<Self, LakeError> {
        let file = create(&dir, segment)?;
        let state = Mutex::new(State { segment, segment_bytes: MAGIC.len() as u64, ..State::default() });
        let shared = Arc::new(Shared { dir, window, state, work: Condvar::new(), done: Condvar::new() });
        let own = Arc::clone(&shared);
        let path = shared.dir.clone();
        let thread = std::thread::Builder::new()
            .name("lake-log".into())
            .spawn(move || own.run(segment, file))
            .map_err(LakeError::io("start the log thread of", path))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether more may be logged now.
    pub fn admit(&self, retry_after: Duration) -> Result<(), AppendError> {
        let state = self.shared.state.lock();
        match &state.failed {
            Some(reason) => Err(AppendError::Log(reason.clone())),
            None if state.pending_bytes > MAX_PENDING => Err(AppendError::Busy { retry_after }),
            None => Ok(()),
        }
    }

    /// Adds one frame, filled by `fill`, and returns its number. Call it under the head's lock, so that the log has
    /// the head's order.
    pub fn append<T>(&self, frame: &mut FrameWriter, fill: impl FnOnce(&mut FrameWriter) -> T) -> (u64, T) {
        let mut state = self.shared.state.lock();
        let segment = state.segment;
        let buffer = match state.pending.pop_if(|(of, _)| *of == segment) {
            Some((_, buffer)) => buffer,
            None => std::mem::take(&mut state.spare),
        };
        let before = buffer.len();
        frame.begin(buffer);
        let result = fill(frame);
        let buffer = frame.finish();
        let grown = buffer.len() - before;
        state.pending_bytes += grown;
        state.segment_bytes += grown as u64;
        state.pending.push((segment, buffer));
        if grown > 0 {
            state.appended += 1;
            self.shared.work.notify_one();
        }
        // A batch that brought nothing new still waits for what it repeats: that may be in flight.
        (state.appended, result)
    }

    /// Waits until frame `number` is on disk.
    pub fn wait(&self, number: u64) -> Result<(), AppendError> {
        let mut state = self.shared.state.lock();
        loop {
            if let Some(reason) = &state.failed {
                return Err(AppendError::Log(reason.clone()));
            }
            if state.synced >= number {
                return Ok(());
            }
            self.shared.done.wait(&mut state);
        }
    }

    /// Calls `ack` when frame `number` is on disk; at once, on this thread, if it already is.
    pub fn notify(&self, number: u64, ack: Ack) {
        let mut state = self.shared.state.lock();
        let result = match &state.failed {
            Some(reason) => Err(AppendError::Log(reason.clone())),
            None if state.synced >= number => Ok(()),
            None => {
                state.acks.push((number, ack));
                return;
            }
        };
        drop(state);
        ack(result);
    }

    /// Later frames go to a new segment, whose number is returned.
    pub fn rotate(&self) -> u64 {
        let mut state = self.shared.state.lock();
        state.segment += 1;
        state.segment_bytes = MAGIC.len() as u64;
        state.segment
    }

    /// Size of the current segment, waiting bytes included.
    pub fn segment_bytes(&self) -> u64 {
        self.shared.state.lock().segment_bytes
    }

    /// Deletes the segments before `floor`.
    pub fn release(&self, floor: u64) -> Result<(), LakeError> {
        for (number, path) in segments(&self.shared.dir)? {
            if number < floor {
                std::fs::remove_file(&path).map_err(LakeError::io("delete", path))?;
            }
        }
        Ok(())
    }
}

impl Drop for Wal {
    /// Writes what waits, then ends the thread.
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log thread of the lake panicked");
        }
    }
}

impl Shared {
    fn run(&self, mut segment: u64, mut file: File) {
        let mut writing = Vec::new();
        loop {
            let mut state = self.state.lock();
            while state.appended == state.synced && !state.closing {
                self.work.wait(&mut state);
            }
            if state.appended == state.synced {
                return;
            }
            if !self.window.is_zero() && !state.closing {
                drop(state);
                std::thread::sleep(self.window);
                state = self.state.lock();
            }
            std::mem::swap(&mut writing, &mut state.pending);
            state.pending_bytes = 0;
            let number = state.appended;
            drop(state);

            let result = self.write(&writing, &mut segment, &mut file);

            let mut state = self.state.lock();
            if let Some((_, mut buffer)) = writing.pop()
                && state.spare.capacity() == 0
            {
                buffer.clear();
                state.spare = buffer;
            }
            writing.clear();
            let (acks, result) = match result {
                Ok(()) => {
                    state.synced = number;
                    let (ready, later) =
                        std::mem::take(&mut state.acks).into_iter().partition(|(at, _)| *at <= number);
                    state.acks = later;
                    (ready, Ok(()))
                }
                Err(error) => {
                    // What a failed sync left on disk is unknown, so nothing more may be acknowledged.
                    let reason = with_sources(&error);
                    tracing::error!(%reason, "write-ahead log failed");
                    state.failed = Some(reason.clone());
                    (std::mem::take(&mut state.acks), Err(AppendError::Log(reason)))
                }
            };
            let stop = state.failed.is_some();
            self.done.notify_all();
            drop(state);
            for (_, ack) in acks {
                ack(result.clone());
            }
            if stop {
                return;
            }
        }
    }

    fn write(&self, writing: &[(u64, Vec<u8>)], segment: &mut u64, file: &mut File) -> Result<(), LakeError> {
        for (number, bytes) in writing.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            if number != segment {
                file.sync_data().map_err(LakeError::io("sync", path(&self.dir, *segment)))?;
                *file = create(&self.dir, *number)?;
                *segment = *number;
            }
            file.write_all(bytes).map_err(LakeError::io("write", path(&self.dir, *segment)))?;
        }
        file.sync_data().map_err(LakeError::io("sync", path(&self.dir, *segment)))
    }
}

fn with_sources(error: &LakeError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

fn create(dir: &Path, number: u64) -> Result<File, LakeError> {
    let path = path(dir, number);
    let mut file = File::create_new(&path).map_err(LakeError::io("create", &path))?;
    file.write_all(MAGIC).map_err(LakeError::io("write", &path))?;
    file.sync_all().map_err(LakeError::io("sync", &path))?;
    files::sync_dir(dir)?;
    Ok(file)
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.wal"))
}

/// The segments of a folder in the order they were written.
pub(crate) fn segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, LakeError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(LakeError::io("list", dir))? {
        let path = entry.map_err(LakeError::io("list", dir))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == "wal"))
        {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}
