//! What can go wrong, one variant per thing a caller can do about it.

use std::path::PathBuf;
use std::time::Duration;

use crate::labels::LabelError;

/// A failed operation of the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// A field of the configuration is wrong.
    #[error("lake configuration: {0}")]
    Config(String),
    /// Another process has the folder open.
    #[error("lake folder {0} is in use by another process")]
    Locked(PathBuf),
    /// The disk refused.
    #[error("{action} {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what was written.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not add up.
        reason: String,
    },
    /// The query would read or hold more than allowed.
    #[error("query needs more than {limit} {unit}; narrow its labels or time, or widen its step")]
    OverBudget {
        /// The limit.
        limit: u64,
        /// Of what: `samples` or `bytes`.
        unit: &'static str,
    },
    /// The query contradicts itself.
    #[error("query {field}: {reason}")]
    Query {
        /// The field at fault.
        field: &'static str,
        /// What would be right.
        reason: String,
    },
}

impl LakeError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), reason: reason.into() }
    }
}

/// Why nothing of a batch was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Memory or the log is full; the same batch can be sent again later.
    #[error("lake is busy; retry in {} ms", retry_after.as_millis())]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The write-ahead log cannot be written; the batch was not made durable, and the lake takes no more.
    #[error("write-ahead log failed: {0}")]
    Log(String),
    /// The batch was made by another lake.
    #[error("batch was made by another lake")]
    ForeignBatch,
    /// More than one acknowledged step may hold.
    #[error("batch of {bytes} bytes; at most {limit} are taken at once")]
    TooLarge {
        /// Its size in the log.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// What became of the samples of an acknowledged batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// Samples now on disk.
    pub accepted: u64,
    /// Samples the lake already had with the same value: a request sent twice.
    pub duplicates: u64,
    /// Samples older than raw samples are kept.
    pub too_old: u64,
    /// Samples too far in the future.
    pub too_new: u64,
    /// Samples of series with unusable labels.
    pub invalid: u64,
    /// The first unusable series, for the answer to the sender.
    pub first_invalid: Option<LabelError>,
}

impl Appended {
    /// Samples that were refused for good: sending them again would not help.
    pub fn refused(&self) -> u64 {
        self.too_old + self.too_new + self.invalid
    }
}
