//! Opening the file: pragmas, integrity, migrations.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Step `n` leads from layout `n` to layout `n + 1`. `PRAGMA user_version` holds the layout of a file.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("v1.sql")];

/// `LPTN`: marks a file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x4c50_544e;

/// How long a connection waits for another one's lock. Only checkpoints and backups ever hold one for a moment.
const BUSY: Duration = Duration::from_secs(10);

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// It is damaged; restore a backup.
    #[error("{path} is damaged: {reason}; restore a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the integrity check found.
        reason: String,
    },
    /// It is a database, but not one of Lepton.
    #[error("{0} is not a Lepton store")]
    Foreign(PathBuf),
    /// It was written by a later version of Lepton.
    #[error("{path} has layout {found}, and this version knows up to {known}; use a later version of Lepton")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: usize,
        /// The latest layout that is known.
        known: usize,
    },
    /// The file system refused.
    #[error("{path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("{path}")]
    Database {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }

    fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(code @ (rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)) => {
                Self::Damaged { path: path.into(), reason: format!("{code:?}") }
            }
            _ => Self::Database { path: path.into(), source },
        }
    }
}

/// Creates the file, readable by its owner only, when it is missing. The write-ahead log inherits its mode.
pub(super) fn create_private(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(OpenError::io(path))
}

/// The one connection that writes; checked and brought to the latest layout.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    create_private(path)?;
    let mut connection = Connection::open(path).map_err(OpenError::database(path))?;
    let prepare = |connection: &Connection| -> rusqlite::Result<()> {
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // In WAL mode FULL is what syncs the log at every commit, so that an acknowledged one survives a power cut.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    identify(path, &connection)?;
    prepare(&connection).map_err(OpenError::database(path))?;
    check(path, &connection, "quick_check")?;
    migrate(path, &mut connection, MIGRATIONS)?;
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Refuses files that are somebody else's.
pub(super) fn identify(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let id = number("application_id").map_err(OpenError::database(path))?;
    let pages = number("page_count").map_err(OpenError::database(path))?;
    if id == i64::from(APPLICATION_ID) || (id == 0 && pages == 0) {
        Ok(())
    } else {
        Err(OpenError::Foreign(path.into()))
    }
}

/// Runs SQLite's own `quick_check` or `integrity_check`.
pub(super) fn check(path: &Path, connection: &Connection, pragma: &str) -> Result<(), OpenError> {
    let reason: String =
        connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(OpenError::database(path))?;
    if reason == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.into(), reason }) }
}

/// The layout of a file, if it is not a later one than `known`.
pub(super) fn layout(path: &Path, connection: &Connection, known: usize) -> Result<usize, OpenError> {
    let found: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX))
        .map_err(OpenError::database(path))?;
    if found > known { Err(OpenError::TooNew { path: path.into(), found, known }) } else { Ok(found) }
}

/// Brings a file to the latest layout: every step in a transaction of its own, so that a crash leaves a whole layout.
fn migrate(path: &Path, connection: &mut Connection, steps: &[&str]) -> Result<(), OpenError> {
    let from = layout(path, connection, steps.len())?;
    for (at, step) in steps.iter().enumerate().skip(from) {
        let migrated = (|| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", i64::try_from(at + 1).unwrap_or(i64::MAX))?;
            transaction.commit()
        })();
        migrated.map_err(OpenError::database(path))?;
    }
    Ok(())
}
