//! The only place that touches block files: written beside, synced, renamed into place; read by range.
//!
//! An object store would be another implementation of these few functions.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::LakeError;

/// Makes renames and deletions in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), LakeError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LakeError::io("sync", dir))
}

/// A file that appears whole or not at all.
pub(crate) struct AtomicFile {
    file: File,
    path: PathBuf,
    beside: PathBuf,
}

impl AtomicFile {
    /// Starts writing; a leftover of an earlier attempt is overwritten.
    pub fn create(path: PathBuf) -> Result<Self, LakeError> {
        let mut beside = path.clone().into_os_string();
        beside.push(".tmp");
        let beside = PathBuf::from(beside);
        let file = File::create(&beside).map_err(LakeError::io("create", &beside))?;
        Ok(Self { file, path, beside })
    }

    /// Makes it appear; durable once the folder is synced too. Returns its size.
    pub fn commit(self) -> Result<u64, LakeError> {
        self.file.sync_all().map_err(LakeError::io("sync", &self.beside))?;
        let size = self.file.metadata().map_err(LakeError::io("inspect", &self.beside))?.len();
        std::fs::rename(&self.beside, &self.path).map_err(LakeError::io("rename into place", &self.path))?;
        Ok(size)
    }

    /// Deletes what was written.
    pub fn discard(self) -> Result<(), LakeError> {
        remove(&self.beside)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes a small file whole, durably.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LakeError> {
    let mut file = AtomicFile::create(path.to_owned())?;
    file.write_all(bytes).map_err(LakeError::io("write", path))?;
    file.commit()?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Reads `length` bytes from `offset`; the caller has checked both against the file's size.
pub(crate) fn read_range(file: &File, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, LakeError> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset).map_err(LakeError::io("read", path))?;
    Ok(bytes)
}

/// Deletes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<(), LakeError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LakeError::io("delete", path)(error))
        }
        _ => Ok(()),
    }
}
