//! The end of the queue that records come in by.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{MAX_RECORD, Segment, Shared, SpoolConfig, SpoolError, frame, segment};

/// A segment that everyone has read is left behind, and deleted, from this size on.
const READ_SEGMENT: u64 = 64 << 10;

/// Appends records. There is one per queue.
#[derive(Debug)]
pub struct Writer {
    config: SpoolConfig,
    shared: Arc<Mutex<Shared>>,
    head: Arc<File>,
    frame: Vec<u8>,
}

impl Writer {
    pub(super) fn new(
        folder: &Path,
        id: u64,
        config: SpoolConfig,
        shared: Arc<Mutex<Shared>>,
    ) -> Result<Self, SpoolError> {
        let head = create(folder, id)?;
        shared.lock().segments.push_back(Segment { id, bytes: segment::FIRST, records: 0 });
        Ok(Self { config, shared, head: Arc::new(head), frame: Vec::new() })
    }

    /// Begins a new segment if it is time to; true when the next record is the first of its segment.
    ///
    /// # Errors
    /// The new file cannot be made.
    pub fn roll_if_due(&mut self) -> Result<bool, SpoolError> {
        let shared = self.shared.lock();
        let Some(head) = shared.segments.back().copied() else { return Ok(true) };
        let due =
            head.bytes >= self.config.segment_bytes || (head.bytes >= READ_SEGMENT && shared.all_read());
        drop(shared);
        if due {
            self.roll()?;
        }
        Ok(due || head.records == 0)
    }

    /// Begins a new segment, unless the present one is empty.
    ///
    /// # Errors
    /// The new file cannot be made; the old one goes on.
    pub fn roll(&mut self) -> Result<(), SpoolError> {
        let mut shared = self.shared.lock();
        if shared.segments.back().is_some_and(|head| head.records == 0) {
            return Ok(());
        }
        let id = shared.segments.back().map_or(1, |head| head.id + 1);
        self.head = Arc::new(create(&shared.folder, id)?);
        shared.segments.push_back(Segment { id, bytes: segment::FIRST, records: 0 });
        shared.delete_read();
        Ok(())
    }

    /// Appends one record and wakes the readers. Returns how many older, unread records were dropped to make room.
    ///
    /// # Errors
    /// The record is larger than a record may be, or the disk takes nothing more: this record is not in the queue.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64, SpoolError> {
        if payload.is_empty() || payload.len() > MAX_RECORD {
            return Err(SpoolError::TooLarge(payload.len()));
        }
        self.frame.clear();
        frame::write(payload, &mut self.frame);
        let size = self.frame.len() as u64;
        let mut shared = self.shared.lock();
        let mut lost = 0;
        while shared.bytes() + size > self.config.max_bytes && shared.segments.len() > 1 {
            lost += shared.drop_oldest();
        }
        let Some(mut head) = shared.segments.back().copied() else {
            return Err(SpoolError::TooLarge(payload.len()));
        };
        // At the end of the last whole record: what an earlier, failed write left there is written over.
        while let Err(error) = self.head.write_all_at(&self.frame, head.bytes) {
            if !is_full(&error) {
                return Err(SpoolError::file(&segment::path(&shared.folder, head.id), error));
            }
            if shared.segments.len() == 1 {
                return Err(SpoolError::DiskFull(error));
            }
            lost += shared.drop_oldest();
        }
        head.bytes += size;
        head.records += 1;
        if let Some(place) = shared.segments.back_mut() {
            *place = head;
        }
        for reader in &shared.readers {
            reader.wake.notify_one();
        }
        Ok(lost)
    }

    /// Makes what was appended so far survive power loss; taken out so that appending need not wait for it.
    pub fn syncer(&self) -> Syncer {
        Syncer { head: Arc::clone(&self.head), folder: self.shared.lock().folder.clone() }
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.shared.lock().bytes()
    }

    /// Whether every reader has acknowledged everything.
    pub fn is_read(&self) -> bool {
        self.shared.lock().all_read()
    }
}

/// Writes to the disk itself what the queue holds.
#[derive(Debug)]
pub struct Syncer {
    head: Arc<File>,
    folder: PathBuf,
}

impl Syncer {
    /// Waits until it is there.
    ///
    /// # Errors
    /// What the file system said.
    pub fn sync(&self) -> Result<(), SpoolError> {
        let fail = |source| SpoolError::file(&self.folder, source);
        self.head.sync_data().map_err(fail)?;
        // The file's name must survive too, else the records in it do not.
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(fail)
    }
}

fn create(folder: &Path, id: u64) -> Result<File, SpoolError> {
    let path = segment::path(folder, id);
    let make = || {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        file.write_all_at(frame::MAGIC, 0)?;
        Ok(file)
    };
    make().map_err(
        |error| if is_full(&error) { SpoolError::DiskFull(error) } else { SpoolError::file(&path, error) },
    )
}

/// No space, no quota, or no more in one file.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
