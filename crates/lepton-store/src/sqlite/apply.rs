//! Applying one transaction inside the writer's savepoint.

use lepton_model::{AnyObject, Key, Labels, Meta, TimelineEntry, Timestamp, Uid};
use rusqlite::{Connection, params};
use serde_json::Value;

use super::{lease, read};
use crate::store::{MAX_CHANGES, MAX_ENTRY_BYTES, MAX_OBJECT_BYTES};
use crate::{Change, CommitReport, Expect, StoreError, Transaction};

/// Applies everything in order, or leaves an error for the caller to roll back.
pub(super) fn apply(
    connection: &Connection,
    now: Timestamp,
    transaction: Transaction,
) -> Result<CommitReport, StoreError> {
    let Transaction { changes, timeline, fence } = transaction;
    if changes.len() > MAX_CHANGES || timeline.len() > MAX_CHANGES {
        return Err(StoreError::Invalid(format!(
            "{} changes and {} timeline entries in one transaction; at most {MAX_CHANGES} of each",
            changes.len(),
            timeline.len()
        )));
    }
    if let Some(fence) = fence {
        lease::check(connection, now, &fence)?;
    }
    let mut objects = Vec::with_capacity(changes.len());
    let mut changed = Vec::with_capacity(changes.len());
    for change in changes {
        let (object, did) = apply_change(connection, now, change)?;
        objects.push(object);
        changed.push(did);
    }
    let mut appended = 0;
    for entry in &timeline {
        appended += append(connection, entry)?;
    }
    let revision = read::counters(connection)?.revision;
    Ok(CommitReport { revision, objects, changed, appended })
}

fn apply_change(
    connection: &Connection,
    now: Timestamp,
    change: Change,
) -> Result<(Option<AnyObject>, bool), StoreError> {
    match change {
        Change::PutSpec { key, uid, labels, spec, expect } => match meet(connection, &key, expect)? {
            Some((_, found)) if found.spec == spec && found.meta.labels == labels => Ok((Some(found), false)),
            Some((id, found)) => {
                let relabel = found.meta.labels != labels;
                let mut object = AnyObject { spec, ..found };
                object.meta.labels = labels;
                object.meta.generation += 1;
                touch(connection, now, &mut object)?;
                update(connection, id, &object)?;
                if relabel {
                    write_labels(connection, id, &object.meta.labels)?;
                }
                Ok((Some(object), true))
            }
            None => create(connection, now, key, uid, labels, spec).map(|object| (Some(object), true)),
        },
        Change::PutStatus { key, status, expect } => {
            if expect == Expect::Absent {
                return Err(StoreError::Invalid(format!("a status of {key} cannot expect it to be absent")));
            }
            match meet(connection, &key, expect)? {
                None => Ok((None, false)),
                Some((_, found)) if found.status == status => Ok((Some(found), false)),
                Some((id, found)) => {
                    let mut object = AnyObject { status, ..found };
                    touch(connection, now, &mut object)?;
                    update(connection, id, &object)?;
                    Ok((Some(object), true))
                }
            }
        }
        Change::Delete { key, expect } => match meet(connection, &key, expect)? {
            None => Ok((None, false)),
            Some((id, _)) => {
                let revision = next_revision(connection)?;
                let mut delete = connection.prepare_cached("DELETE FROM objects WHERE id = ?1")?;
                delete.execute([id])?;
                log_change(connection, now, revision, &key, None)?;
                Ok((None, true))
            }
        },
    }
}

/// Reads the object and checks what the writer expects of it.
fn meet(connection: &Connection, key: &Key, expect: Expect) -> Result<Option<(i64, AnyObject)>, StoreError> {
    let found = read::object(connection, key)?;
    match (expect, &found) {
        (Expect::Any, _) | (Expect::Absent, None) | (Expect::Present, Some(_)) => Ok(found),
        (Expect::Absent, Some(_)) => Err(StoreError::AlreadyExists(key.clone())),
        (Expect::Present | Expect::Revision(_), None) => Err(StoreError::NotFound(key.clone())),
        (Expect::Revision(expected), Some((_, object))) if object.meta.revision == expected => Ok(found),
        (Expect::Revision(expected), Some((_, object))) => {
            Err(StoreError::Conflict { key: key.clone(), expected, actual: object.meta.revision })
        }
    }
}

fn create(
    connection: &Connection,
    now: Timestamp,
    key: Key,
    uid: Uid,
    labels: Labels,
    spec: Value,
) -> Result<AnyObject, StoreError> {
    let meta = Meta {
        project: key.project,
        name: key.name,
        uid,
        labels,
        generation: 1,
        revision: 0,
        created_at: now,
        updated_at: now,
    };
    let mut object = AnyObject { kind: key.kind, meta, spec, status: Value::Null };
    touch(connection, now, &mut object)?;
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO objects (kind, project, name, uid, labels, spec, status, generation, revision, created_at, \
             updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
        )
        ?;
    let meta = &object.meta;
    insert.execute(params![
        object.kind.as_str(),
        meta.project.as_str(),
        meta.name.as_str(),
        meta.uid.to_string(),
        json(&meta.labels)?,
        json(&object.spec)?,
        json(&object.status)?,
        integer(meta.generation),
        integer(meta.revision),
        now.as_millis(),
    ])?;
    write_labels(connection, connection.last_insert_rowid(), &meta.labels)?;
    Ok(object)
}

/// Gives the object its new revision and writes the change down for watchers.
fn touch(connection: &Connection, now: Timestamp, object: &mut AnyObject) -> Result<(), StoreError> {
    object.meta.revision = next_revision(connection)?;
    object.meta.updated_at = now;
    let text = json(&*object)?;
    if text.len() > MAX_OBJECT_BYTES {
        return Err(StoreError::Invalid(format!(
            "{} has {} bytes; at most {MAX_OBJECT_BYTES} are stored",
            object.key(),
            text.len()
        )));
    }
    log_change(connection, now, object.meta.revision, &object.key(), Some(&text))
}

fn update(connection: &Connection, id: i64, object: &AnyObject) -> Result<(), StoreError> {
    let mut update = connection
        .prepare_cached(
            "UPDATE objects SET labels = ?2, spec = ?3, status = ?4, generation = ?5, revision = ?6, updated_at = ?7 \
             WHERE id = ?1",
        )
        ?;
    let meta = &object.meta;
    update.execute(params![
        id,
        json(&meta.labels)?,
        json(&object.spec)?,
        json(&object.status)?,
        integer(meta.generation),
        integer(meta.revision),
        meta.updated_at.as_millis(),
    ])?;
    Ok(())
}

fn write_labels(connection: &Connection, id: i64, labels: &Labels) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM labels WHERE object = ?1")?.execute([id])?;
    let mut insert =
        connection.prepare_cached("INSERT INTO labels (object, key, value) VALUES (?1, ?2, ?3)")?;
    for (key, value) in labels {
        insert.execute(params![id, key, value])?;
    }
    Ok(())
}

fn next_revision(connection: &Connection) -> Result<u64, StoreError> {
    let mut next =
        connection.prepare_cached("UPDATE counters SET revision = revision + 1 RETURNING revision")?;
    Ok(next.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

fn log_change(
    connection: &Connection,
    now: Timestamp,
    revision: u64,
    key: &Key,
    object: Option<&str>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO changes (revision, at, kind, project, name, object) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            integer(revision),
            now.as_millis(),
            key.kind.as_str(),
            key.project.as_str(),
            key.name.as_str(),
            object
        ])?;
    Ok(())
}

/// Appends an entry; 0 when it was known already.
fn append(connection: &Connection, entry: &TimelineEntry) -> Result<usize, StoreError> {
    let before = entry.before.as_ref().map(json).transpose()?;
    let after = entry.after.as_ref().map(json).transpose()?;
    let text = |part: &Option<String>| part.as_ref().map_or(0, String::len);
    let bytes = entry.reason.len() + entry.actor.0.len() + text(&before) + text(&after);
    if bytes > MAX_ENTRY_BYTES {
        return Err(StoreError::Invalid(format!(
            "timeline entry {} has {bytes} bytes; at most {MAX_ENTRY_BYTES} are stored",
            entry.id
        )));
    }
    let outcome = serde_json::to_value(entry.outcome).map_err(|e| StoreError::Invalid(e.to_string()))?;
    let subject = &entry.subject;
    let appended = connection
        .prepare_cached(
            "INSERT INTO timeline (id, at, actor, act, kind, project, name, replica, node, plan, reason, outcome, \
             before, after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            entry.id.0.as_bytes().as_slice(),
            entry.at.as_millis(),
            entry.actor.0,
            entry.act.as_str(),
            subject.kind.as_str(),
            subject.project.as_str(),
            subject.name.as_str(),
            subject.replica,
            entry.node.as_ref().map(lepton_model::Name::as_str),
            entry.plan.as_ref().map(|plan| plan.0.as_bytes().as_slice()),
            entry.reason,
            outcome.as_str(),
            before,
            after,
        ])?;
    Ok(appended)
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Invalid(e.to_string()))
}

/// SQLite's integers are signed; counters never come near the sign.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
