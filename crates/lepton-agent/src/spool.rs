//! The disk queue between measuring and shipping: what the server has not acknowledged survives crash and outage.
//!
//! ```text
//!   Writer ──append──► 0001.seg  0002.seg  0003.seg ──read──► Reader "server"  (own cursor file)
//!                      oldest dropped first when full    └──► Reader "victoria" (own cursor file)
//! ```
//!
//! - A segment is a file of records, each `length, crc32, payload`. A torn or corrupt record ends its segment; what was
//!   before it is read. After a restart the writer begins a new segment, so nothing torn is ever continued.
//! - A reader's cursor moves only when what it read was acknowledged. After a crash between the two it reads, and
//!   sends, the same records again; samples and event ids make that harmless at the receiver.
//! - Bounded in bytes: the oldest segment goes first, also when the disk itself is full. How many unread records each
//!   drop cost is returned to the caller, who puts it on the record.
//!
//! When it reaches the disk: an append is one `write`, so a crash of the agent loses nothing. Power loss is another
//! matter. Events are synced batch by batch ([`Writer::syncer`]). Samples are not synced one by
//! one: at one second's interval that would wear a flash card out. They are synced every ten seconds while they pile up,
//! and not at all while the server takes them: a segment that everyone has read is deleted within seconds, and the
//! kernel then never writes it.

mod cursor;
mod frame;
mod reader;
mod segment;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use cursor::Position;
pub use reader::{Reader, Record};
pub use writer::{Syncer, Writer};

/// Largest record.
pub const MAX_RECORD: usize = 1 << 20;

/// How much a queue may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Bytes on disk; the oldest records go when more come.
    pub max_bytes: u64,
    /// Bytes of one segment: the step in which space is given back. At most a quarter of `max_bytes`.
    pub segment_bytes: u64,
}

/// Why the queue could not take or give a record.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Larger than [`MAX_RECORD`] or a segment.
    #[error("a record of {0} bytes is larger than the queue takes")]
    TooLarge(usize),
    /// The disk is full, and nothing of the queue is left to drop.
    #[error("the disk is full")]
    DiskFull(#[source] io::Error),
    /// Anything else the file system said.
    #[error("{path}")]
    File {
        /// Of which file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl SpoolError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_path_buf(), source }
    }
}

/// A segment on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    id: u64,
    /// End of its last whole record.
    bytes: u64,
    records: u64,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    segments: VecDeque<Segment>,
    readers: Vec<ReaderState>,
}

#[derive(Debug)]
struct ReaderState {
    /// Everything before is acknowledged.
    position: Position,
    wake: Arc<Notify>,
}

impl Shared {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Deletes what every reader has acknowledged; never the segment that is written to.
    fn delete_read(&mut self) {
        for at in 0..self.readers.len() {
            self.advance(at);
        }
        let Some(needed) = self.readers.iter().map(|reader| reader.position.segment).min() else { return };
        while self.segments.len() > 1 && self.segments.front().is_some_and(|segment| segment.id < needed) {
            self.delete_oldest();
        }
    }

    /// Moves a reader from the end of a segment to the start of the next.
    fn advance(&mut self, reader: usize) {
        let Some(state) = self.readers.get_mut(reader) else { return };
        let position = state.position;
        let mut later = self.segments.iter().skip_while(|segment| segment.id < position.segment);
        match later.next() {
            Some(segment) if segment.id == position.segment => {
                if position.offset >= segment.bytes
                    && let Some(next) = later.next()
                {
                    state.position = Position::start(next.id);
                }
            }
            Some(segment) => state.position = Position::start(segment.id),
            None => {}
        }
    }

    fn delete_oldest(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            let path = segment::path(&self.folder, segment.id);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot delete a segment of the queue");
            }
        }
    }

    /// Drops the oldest segment though it may be unread. Returns the most records that any reader lost by it.
    fn drop_oldest(&mut self) -> u64 {
        let Some(oldest) = self.segments.front().copied() else { return 0 };
        let unread = |reader: &ReaderState| match reader.position.segment.cmp(&oldest.id) {
            std::cmp::Ordering::Less => oldest.records,
            std::cmp::Ordering::Equal => oldest.records.saturating_sub(reader.position.record),
            std::cmp::Ordering::Greater => 0,
        };
        let lost = self.readers.iter().map(unread).max().unwrap_or(0);
        self.delete_oldest();
        for at in 0..self.readers.len() {
            self.advance(at);
        }
        lost
    }

    fn all_read(&self) -> bool {
        self.segments.back().is_some_and(|head| {
            self.readers
                .iter()
                .all(|reader| reader.position.segment == head.id && reader.position.offset >= head.bytes)
        })
    }
}

/// Opens the queue in `folder`, made when absent, with one reader per name. Cursors of readers that are no longer named
/// are deleted, so that they hold nothing back.
///
/// # Errors
/// What the file system said.
pub fn open(
    folder: &Path,
    config: SpoolConfig,
    readers: &[&str],
) -> Result<(Writer, Vec<Reader>), SpoolError> {
    std::fs::create_dir_all(folder).map_err(|source| SpoolError::file(folder, source))?;
    let segments = segment::scan(folder)?;
    cursor::delete_others(folder, readers)?;
    let cursors =
        readers.iter().map(|name| cursor::CursorFile::open(folder, name)).collect::<Result<Vec<_>, _>>()?;
    // Above every id ever used: an old cursor must never point into a new segment.
    let used = cursors.iter().filter_map(|(_, found)| found.map(|position| position.segment));
    let id = used.chain(segments.back().map(|last| last.id)).max().unwrap_or(0) + 1;
    let shared = Arc::new(Mutex::new(Shared { folder: folder.to_path_buf(), segments, readers: Vec::new() }));
    let writer = Writer::new(folder, id, config, Arc::clone(&shared))?;
    let readers =
        cursors.into_iter().map(|(cursor, found)| Reader::new(folder, cursor, found, &shared)).collect();
    shared.lock().delete_read();
    Ok((writer, readers))
}
