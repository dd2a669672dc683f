//! Leases: who may act, with a token that only grows.

use std::time::Duration;

use lepton_model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::apply::integer;
use crate::{Fence, Lease, StoreError};

struct Row {
    holder: Option<String>,
    token: u64,
    expires_at: Timestamp,
}

impl Row {
    /// Who has it at `now`.
    fn held(&self, now: Timestamp) -> Option<&str> {
        self.holder.as_deref().filter(|_| self.expires_at > now)
    }
}

fn find(connection: &Connection, name: &str) -> Result<Option<Row>, StoreError> {
    let row = connection
        .prepare_cached("SELECT holder, token, expires_at FROM leases WHERE name = ?1")?
        .query_row([name], |row| {
            Ok(Row {
                holder: row.get(0)?,
                token: row.get::<_, i64>(1)?.cast_unsigned(),
                expires_at: Timestamp::from_millis(row.get(2)?),
            })
        })
        .optional()?;
    Ok(row)
}

pub(super) fn acquire(
    connection: &Connection,
    now: Timestamp,
    name: String,
    holder: String,
    length: Duration,
) -> Result<Option<Lease>, StoreError> {
    if name.is_empty() || holder.is_empty() {
        return Err(StoreError::Invalid("a lease and its holder need names".into()));
    }
    let found = find(connection, &name)?;
    let token = match &found {
        None => 1,
        Some(row) if row.holder.as_deref() == Some(&holder) => row.token,
        Some(row) if row.held(now).is_some() => return Ok(None),
        Some(row) => row.token + 1,
    };
    let lease = Lease { name, holder, token, expires_at: now.after(length) };
    connection
        .prepare_cached(
            "INSERT INTO leases (name, holder, token, expires_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) \
             DO UPDATE SET holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at",
        )?
        .execute(params![lease.name, lease.holder, integer(lease.token), lease.expires_at.as_millis()])?;
    Ok(Some(lease))
}

/// Gives it up. The row stays, so that the next token is a higher one.
pub(super) fn release(connection: &Connection, lease: &Lease) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE leases SET holder = NULL WHERE name = ?1 AND holder = ?2 AND token = ?3")?
        .execute(params![lease.name, lease.holder, integer(lease.token)])?;
    Ok(())
}

/// Refuses a writer whose lease is not its own any more.
pub(super) fn check(connection: &Connection, now: Timestamp, fence: &Fence) -> Result<(), StoreError> {
    match find(connection, &fence.lease)? {
        Some(row) if row.token == fence.token && row.held(now).is_some() => Ok(()),
        _ => Err(StoreError::Fenced(fence.lease.clone())),
    }
}
