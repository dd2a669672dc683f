//! Copies: taken while work goes on, and put back only when they are whole.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest as _, Sha256};

use super::schema::{self, MIGRATIONS, OpenError};
use super::{lock_path, read};
use crate::{BackupReport, StoreError};

/// Why a copy was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a store already where the copy should go; move it away first.
    #[error("{0} exists already; move it away first")]
    Exists(PathBuf),
    /// The copy is not the one that was asked for.
    #[error("{path} has SHA-256 {actual}, not {expected}")]
    Checksum {
        /// The copy.
        path: PathBuf,
        /// What it should have.
        expected: String,
        /// What it has.
        actual: String,
    },
    /// The copy is damaged, somebody else's, or of a later version.
    #[error(transparent)]
    Unusable(#[from] OpenError),
}

/// Writes a copy of what `from` holds at this moment to `to`, checks it and syncs it.
pub(super) fn backup(from: &Path, to: &Path) -> Result<BackupReport, StoreError> {
    if to.exists() {
        return Err(StoreError::Invalid(format!("{} exists already", to.display())));
    }
    let partial = beside(to, "partial");
    let result = write_copy(from, &partial, to);
    if result.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    result
}

fn write_copy(from: &Path, partial: &Path, to: &Path) -> Result<BackupReport, StoreError> {
    let failed = |error: &dyn std::error::Error| {
        let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
        StoreError::Backend(format!("backup to {}: {error}{cause}", to.display()))
    };
    // Left behind by a backup that was cut short.
    let _ = std::fs::remove_file(partial);
    schema::create_private(partial).map_err(|e| failed(&e))?;
    // VACUUM INTO reads one snapshot; in WAL mode writers go on meanwhile.
    let source = schema::open_reader(from)?;
    let target = partial.to_str().ok_or_else(|| StoreError::Invalid("the path is not UTF-8".into()))?;
    source.execute("VACUUM INTO ?1", [target])?;
    drop(source);
    let revision = inspect(partial).map_err(|e| failed(&e))?;
    let (bytes, sha256) = digest(partial).map_err(|e| failed(&e))?;
    place(partial, to).map_err(|e| failed(&e))?;
    Ok(BackupReport { revision, bytes, sha256 })
}

/// Puts a copy made by [`crate::Store::backup`] where a store is to be opened from, after checking it: its SHA-256 when
/// `expected` gives one, its integrity, and that this version can read it. Nothing is overwritten.
///
/// # Errors
/// Says what keeps the copy from being used; `to` is then untouched.
pub fn restore(from: &Path, to: &Path, expected: Option<&str>) -> Result<BackupReport, RestoreError> {
    // A write-ahead log left behind by another file would be replayed into this one.
    let remains = [to.to_owned(), beside(to, "wal"), beside(to, "shm")];
    if let Some(found) = remains.into_iter().find(|path| path.exists()) {
        return Err(RestoreError::Exists(found));
    }
    let partial = beside(to, "partial");
    let result = (|| {
        let _ = std::fs::remove_file(&partial);
        schema::create_private(&partial)?;
        std::fs::copy(from, &partial).map_err(OpenError::io(from))?;
        // What is checked is what will be used: the copy, not the source.
        let (bytes, sha256) = digest(&partial).map_err(OpenError::io(&partial))?;
        if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
            return Err(RestoreError::Checksum {
                path: from.into(),
                expected: expected.into(),
                actual: sha256,
            });
        }
        let revision = inspect(&partial)?;
        place(&partial, to).map_err(OpenError::io(to))?;
        Ok(BackupReport { revision, bytes, sha256 })
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    result
}

/// Checks a copy whole; the store revision in it.
fn inspect(path: &Path) -> Result<u64, OpenError> {
    let database = |source| OpenError::Database { path: path.into(), source };
    let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(database)?;
    schema::identify(path, &copy)?;
    schema::check(path, &copy, "integrity_check")?;
    schema::layout(path, &copy, MIGRATIONS.len())?;
    Ok(read::counters(&copy).map_err(database)?.revision)
}

/// Size and SHA-256.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => {
                hash.update(buffer.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
        }
    }
    Ok((bytes, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Syncs a finished file and gives it its name.
fn place(partial: &Path, to: &Path) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(partial)?;
    file.flush()?;
    file.sync_all()?;
    std::fs::rename(partial, to)?;
    match to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    lock_path(path, suffix)
}
