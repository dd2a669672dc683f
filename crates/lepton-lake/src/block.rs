//! Blocks: immutable, sorted by series and time, one Parquet file each with a small index beside it.
//!
//! ```text
//! 42.parquet   raw:  metric node labels timestamp value
//!              tier: metric node labels timestamp min max sum count first last increase
//! 42.index     per metric: its series, and where their rows lie
//! ```
//!
//! Any Parquet tool reads the first; the second is only there so that a query touches the pages of the series it
//! wants. A block covers one window of time, open on the left and closed on the right: `(start, end]`.

pub(crate) mod catalog;
pub(crate) mod files;
pub(crate) mod index;
pub(crate) mod labels_column;
pub(crate) mod read;
pub(crate) mod write;

/// Columns after the timestamp.
pub(crate) const RAW_COLUMNS: &[&str] = &["value"];
/// Columns of a downsampled block after the timestamp, which is the end of the bucket.
pub(crate) const TIER_COLUMNS: &[&str] = &["min", "max", "sum", "count", "first", "last", "increase"];

/// The end of the window of width `span` that an instant belongs to. Windows are open on the left, closed on the
/// right, and lie on the grid of the Unix epoch.
pub(crate) fn window_end(timestamp: i64, span: i64) -> i64 {
    timestamp.saturating_add(span - 1).div_euclid(span).saturating_mul(span)
}
