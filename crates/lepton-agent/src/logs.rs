//! The output of one replica: a file the process appends to by itself, kept small by rotation, read by people.
//!
//! **Why a file and not a pipe.** A pipe ends at the agent: when the agent restarts, its services get SIGPIPE or, worse, block
//! on a full pipe. A process that holds an append-only file writes on, whether an agent lives or not, and no copy of its
//! output goes through the agent. A small process per replica that holds a pipe would be the other way; it costs memory on
//! every host and can itself be killed.
//!
//! **How such a file is rotated.** The process keeps writing to the same file, so renaming it does not help. Its front is copied to
//! `1.log` and then cut out with `FALLOC_FL_COLLAPSE_RANGE`, which loses nothing that is appended meanwhile (ext4, XFS). Other file systems
//! get copy-and-truncate, where a line written in the microseconds between both is lost. An agent that dies between copy and
//! cut leaves lines twice, never none.
//!
//! Positions that readers hold count from the first byte this [`LogFile`] saw, so they survive a rotation.

mod read;
mod rotate;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

pub use read::{LogStream, stream};

/// One replica's output on disk: `current.log`, and rotated `1.log` (newest) to `keep.log`.
#[derive(Debug)]
pub struct LogFile {
    dir: PathBuf,
    cut: Mutex<Cut>,
}

/// What rotation has taken away so far.
#[derive(Debug, Clone, Copy, Default)]
struct Cut {
    /// Position of the first byte of `current.log`.
    base: u64,
    /// Position of the first byte of `1.log`, when this object made it.
    previous: Option<u64>,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    bytes: Vec<u8>,
    /// Where to read on.
    next: u64,
    /// Bytes before it that were rotated away before they could be read.
    skipped: u64,
}

impl LogFile {
    /// The log kept in `dir`, which is made when missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, cut: Mutex::new(Cut::default()) })
    }

    /// A handle for a process's stdout and stderr.
    ///
    /// # Errors
    /// When the file cannot be opened or made.
    pub fn appender(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).mode(0o640).open(self.current())
    }

    fn current(&self) -> PathBuf {
        self.dir.join("current.log")
    }

    fn rotated(&self, age: u32) -> PathBuf {
        self.dir.join(format!("{age}.log"))
    }

    /// The position after the last byte.
    fn end(&self) -> u64 {
        let cut = self.cut.lock();
        cut.base.saturating_add(size(&self.current()))
    }

    /// Up to `most` bytes from `position` on; empty at the end.
    fn read(&self, position: u64, most: usize) -> io::Result<Piece> {
        let cut = self.cut.lock();
        let (path, start, skipped) = match (position.checked_sub(cut.base), cut.previous) {
            (Some(offset), _) => (self.current(), offset, 0),
            (None, Some(previous)) if position >= previous => (self.rotated(1), position - previous, 0),
            (None, _) => (self.current(), 0, cut.base - position),
        };
        let position = position.saturating_add(skipped);
        let mut bytes = vec![0; most];
        let read = match File::open(path) {
            Ok(file) => file.read_at(&mut bytes, start)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        bytes.truncate(read);
        // At the end of the rotated file the current one follows.
        let next = if read == 0 && position < cut.base { cut.base } else { position + read as u64 };
        Ok(Piece { bytes, next, skipped })
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}
