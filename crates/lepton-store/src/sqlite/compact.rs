//! Forgetting what is old, a little at a time so that commits are never held up for long.

use lepton_model::Timestamp;
use rusqlite::Connection;

use crate::StoreError;

/// Rows deleted in one piece of work.
pub(super) const STEP: u64 = 2_000;

/// Forgets the oldest changes made before `before`, at most [`STEP`]; how many rows went.
pub(super) fn changes(connection: &Connection, before: Timestamp) -> Result<u64, StoreError> {
    // Revisions must go in order, and a clock that was set back must not make later ones look old: stop at the first
    // change that is to be kept.
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT max(revision) FROM (SELECT revision FROM changes WHERE revision < \
             coalesce((SELECT min(revision) FROM changes WHERE at >= ?1), 9223372036854775807) \
             ORDER BY revision LIMIT ?2)",
        )?
        .query_row([before.as_millis(), STEP.cast_signed()], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    let gone = connection.prepare_cached("DELETE FROM changes WHERE revision <= ?1")?.execute([last])?;
    connection.prepare_cached("UPDATE counters SET compacted = ?1")?.execute([last])?;
    Ok(gone as u64)
}

/// Forgets timeline entries older than `before`, at most [`STEP`]; how many rows went.
pub(super) fn timeline(connection: &Connection, before: Timestamp) -> Result<u64, StoreError> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM timeline WHERE sequence IN (SELECT sequence FROM timeline WHERE at < ?1 LIMIT ?2)",
        )?
        .execute([before.as_millis(), STEP.cast_signed()])?;
    Ok(gone as u64)
}
