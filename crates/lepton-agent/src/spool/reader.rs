//! The end of the queue that records leave by, with its own cursor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::cursor::{CursorFile, Position};
use super::{ReaderState, Shared, SpoolError, frame, segment};

/// A record that was read; its payload is in the buffer that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Where it begins.
    pub begin: Position,
    /// Where it ends: what to acknowledge once it is safe elsewhere.
    pub end: Position,
}

/// Reads records in order and remembers, on disk, up to where they are acknowledged.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Mutex<Shared>>,
    folder: PathBuf,
    index: usize,
    wake: Arc<Notify>,
    cursor: CursorFile,
    next: Position,
    file: Option<(u64, File)>,
}

impl Reader {
    pub(super) fn new(
        folder: &Path,
        cursor: CursorFile,
        found: Option<Position>,
        shared: &Arc<Mutex<Shared>>,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let mut locked = shared.lock();
        let ends = (locked.segments.front().map(|s| s.id), locked.segments.back().map(|s| s.id));
        let position = match (found, ends) {
            (Some(found), (Some(first), Some(last))) if (first..=last).contains(&found.segment) => found,
            // Later than all there is: the cursor survived a power loss that its segments did not.
            (_, (Some(first), _)) => Position::start(first),
            (_, (None, _)) => Position::start(1),
        };
        locked.readers.push(ReaderState { position, wake: Arc::clone(&wake) });
        let index = locked.readers.len() - 1;
        locked.advance(index);
        let next = locked.readers.last().map_or(position, |reader| reader.position);
        drop(locked);
        let shared = Arc::clone(shared);
        Self { shared, folder: folder.to_path_buf(), index, wake, cursor, next, file: None }
    }

    /// The next record, its payload into `payload`; `None` when there is none yet. Goes over what is corrupt.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn read(&mut self, payload: &mut Vec<u8>) -> Result<Option<Record>, SpoolError> {
        loop {
            let Some((segment, is_head)) = self.place() else { return Ok(None) };
            if self.next.offset >= segment.bytes {
                if is_head {
                    return Ok(None);
                }
                self.next = Position::start(segment.id + 1);
                continue;
            }
            let path = segment::path(&self.folder, segment.id);
            match self.read_at(&path, payload) {
                Ok(true) => {
                    let begin = self.next;
                    self.next.offset += (frame::HEADER + payload.len()) as u64;
                    self.next.record += 1;
                    return Ok(Some(Record { begin, end: self.next }));
                }
                Ok(false) => {
                    let left = segment.records.saturating_sub(self.next.record);
                    tracing::warn!(path = %path.display(), left, "the queue is corrupt here; the rest of this segment is lost");
                    self.next.offset = segment.bytes;
                    self.next.record = segment.records;
                    if is_head {
                        return Ok(None);
                    }
                }
                // Dropped by the writer this moment, to make room: go on with the next segment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.file = None,
                Err(source) => return Err(SpoolError::file(&path, source)),
            }
        }
    }

    /// The segment to read from, and whether it is the one that is written to.
    fn place(&mut self) -> Option<(super::Segment, bool)> {
        let shared = self.shared.lock();
        let segment = *shared.segments.iter().find(|segment| segment.id >= self.next.segment)?;
        if segment.id > self.next.segment {
            self.next = Position::start(segment.id);
        }
        Some((segment, shared.segments.back().is_some_and(|head| head.id == segment.id)))
    }

    /// False when what is there is no whole record.
    fn read_at(&mut self, path: &Path, payload: &mut Vec<u8>) -> io::Result<bool> {
        let file = match self.file.take() {
            Some((id, file)) if id == self.next.segment => file,
            _ => File::open(path)?,
        };
        let (_, file) = self.file.insert((self.next.segment, file));
        let mut header = [0; frame::HEADER];
        if !read_exact(file, &mut header, self.next.offset)? {
            return Ok(false);
        }
        let Some((length, checksum)) = frame::header(&header) else { return Ok(false) };
        payload.resize(length, 0);
        let whole = read_exact(file, payload, self.next.offset + frame::HEADER as u64)?;
        Ok(whole && frame::is_intact(payload, checksum))
    }

    /// Everything before `end` is safe elsewhere: it is never read again, and deleted once all readers say so.
    ///
    /// # Errors
    /// The cursor cannot be written: after a restart the same records will be read again.
    pub fn acknowledge(&mut self, end: Position) -> Result<(), SpoolError> {
        let mut shared = self.shared.lock();
        if let Some(state) = shared.readers.get_mut(self.index)
            && end > state.position
        {
            state.position = end;
        }
        shared.delete_read();
        drop(shared);
        self.cursor.write(end).map_err(|source| SpoolError::file(&self.folder, source))
    }

    /// Goes back to the start of the segment that holds the first unacknowledged record, and returns where that
    /// record begins: for readers whose records build on one another.
    pub fn rewind(&mut self) -> Position {
        let shared = self.shared.lock();
        let acknowledged = shared.readers.get(self.index).map_or(self.next, |reader| reader.position);
        self.next = Position::start(acknowledged.segment);
        acknowledged
    }

    /// Waits until a record may have come.
    pub async fn wait(&self) {
        self.wake.notified().await;
    }

    /// Records and bytes that are not acknowledged.
    pub fn backlog(&self) -> (u64, u64) {
        let shared = self.shared.lock();
        let Some(position) = shared.readers.get(self.index).map(|reader| reader.position) else {
            return (0, 0);
        };
        let later = shared.segments.iter().filter(|segment| segment.id >= position.segment);
        later.fold((0, 0), |(records, bytes), segment| {
            let (read, before) = if segment.id == position.segment {
                (position.record, position.offset)
            } else {
                (0, segment::FIRST)
            };
            (records + segment.records.saturating_sub(read), bytes + segment.bytes.saturating_sub(before))
        })
    }
}

/// False when the file ends before the buffer is full.
fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
