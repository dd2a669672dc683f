//! A file of /proc or /sys, opened once and re-read in place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// More than any file that is read here should hold (`/proc/interrupts` of 512 cores has about 1 MiB); a longer one is
/// cut at its last whole line.
const MAX_BYTES: usize = 4 << 20;

/// How many reads a file that is not there is left alone before it is looked for again.
const ABSENT_FOR: u8 = 60;

/// A kernel file that stays open: re-reading is one `pread` instead of open, read and close.
#[derive(Debug)]
pub struct KernelFile {
    path: Box<Path>,
    file: Option<File>,
    skip: u8,
}

impl KernelFile {
    /// Nothing is opened before the first read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into_boxed_path(), file: None, skip: 0 }
    }

    /// Reads it whole into `buffer`; `None` when this kernel does not have it.
    ///
    /// # Errors
    /// Any other failure to open or read.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<Option<&'b [u8]>> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(None);
        }
        let result = self.fill(buffer);
        match result {
            Ok(length) => Ok(buffer.get(..length)),
            Err(error) => {
                self.file = None;
                // ENODEV/EOPNOTSUPP: PSI that is compiled in but switched off; ENODEV: a device that went away.
                let gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported)
                    || error.raw_os_error() == Some(libc::ENODEV);
                if gone {
                    self.skip = ABSENT_FOR;
                    return Ok(None);
                }
                Err(error)
            }
        }
    }

    fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        if buffer.is_empty() {
            buffer.resize(16 << 10, 0);
        }
        let mut length = 0;
        loop {
            if length == buffer.len() {
                if length >= MAX_BYTES {
                    return Ok(memchr::memrchr(b'\n', buffer).map_or(0, |at| at + 1));
                }
                buffer.resize(length * 2, 0);
            }
            let Some(space) = buffer.get_mut(length..) else { return Ok(length) };
            let offset = u64::try_from(length).unwrap_or(u64::MAX);
            match file.read_at(space, offset) {
                Ok(0) => return Ok(length),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_anew_each_time_and_may_be_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat");
        let mut buffer = Vec::new();
        assert!(KernelFile::new(&path).read(&mut buffer).unwrap().is_none());
        std::fs::write(&path, "x".repeat(40_000)).unwrap();
        let mut file = KernelFile::new(&path);
        assert_eq!(file.read(&mut buffer).unwrap().unwrap().len(), 40_000);
        std::fs::write(&path, "y").unwrap();
        assert_eq!(file.read(&mut buffer).unwrap().unwrap(), b"y");
    }
}
