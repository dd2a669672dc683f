//! Reading the timeline.

use lepton_model::{Actor, EventId, PlanId, Subject, TimelineEntry, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};
use serde_json::Value;
use uuid::Uuid;

use super::apply::integer;
use super::read::{ANSWER_BYTES, Where, damaged, json, kind, name};
use crate::store::page_size;
use crate::{Recorded, StoreError, TimelineInput};

fn conditions(input: &TimelineInput) -> Where {
    let mut r#where = Where::default();
    let text = |text: &str| Sql::Text(text.to_owned());
    if let Some(subject) = &input.subject {
        let key = [subject.kind.as_str(), subject.project.as_str(), subject.name.as_str()];
        r#where.and("kind = ? AND project = ? AND name = ?", key.map(text));
        if let Some(replica) = subject.replica {
            r#where.and("replica = ?", [Sql::Integer(replica.into())]);
        }
    }
    if let Some(kind) = input.kind {
        r#where.and("kind = ?", [text(kind.as_str())]);
    }
    if let Some(project) = &input.project {
        r#where.and("project = ?", [text(project.as_str())]);
    }
    if let Some(node) = &input.node {
        r#where.and("node = ?", [text(node.as_str())]);
    }
    if !input.acts.is_empty() {
        r#where.and_in("act", input.acts.iter().map(|act| act.as_str()));
    }
    if let Some(plan) = &input.plan {
        r#where.and("plan = ?", [Sql::Blob(plan.0.as_bytes().to_vec())]);
    }
    if let Some(since) = input.since {
        r#where.and("at >= ?", [Sql::Integer(since.as_millis())]);
    }
    if let Some(until) = input.until {
        r#where.and("at < ?", [Sql::Integer(until.as_millis())]);
    }
    if let Some(after) = input.after {
        r#where.and("sequence > ?", [Sql::Integer(integer(after))]);
    }
    if let Some(before) = input.before {
        r#where.and("sequence < ?", [Sql::Integer(integer(before))]);
    }
    r#where
}

pub(super) fn entries(connection: &Connection, input: &TimelineInput) -> Result<Vec<Recorded>, StoreError> {
    let r#where = conditions(input);
    let order = if input.after.is_some() { "ASC" } else { "DESC" };
    let sql = format!(
        "SELECT sequence, id, at, actor, act, kind, project, name, replica, node, plan, reason, outcome, before, after \
         FROM timeline WHERE {} ORDER BY sequence {order} LIMIT {}",
        r#where.sql(),
        page_size(input.limit)
    );
    let mut query = connection.prepare_cached(&sql)?;
    let mut rows = query.query(params_from_iter(&r#where.values))?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()?
        && bytes <= ANSWER_BYTES
    {
        let recorded = entry(row)?;
        bytes += [13, 14]
            .map(|at| row.get_ref(at).map_or(0, |v| v.as_str().map_or(0, str::len)))
            .iter()
            .sum::<usize>();
        entries.push(recorded);
    }
    if input.after.is_none() {
        entries.reverse();
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> Result<Recorded, StoreError> {
    let text = |at: usize| -> rusqlite::Result<String> { row.get(at) };
    let word = |at: usize| -> rusqlite::Result<Value> { Ok(Value::String(row.get(at)?)) };
    let value = |at: usize| -> Result<Option<Value>, StoreError> {
        row.get::<_, Option<String>>(at)?.as_deref().map(json).transpose()
    };
    let id = |at: usize| -> Result<Option<Uuid>, StoreError> {
        row.get::<_, Option<Vec<u8>>>(at)?.map(|bytes| Uuid::from_slice(&bytes).map_err(damaged)).transpose()
    };
    let entry = TimelineEntry {
        id: EventId(id(1)?.unwrap_or_default()),
        at: Timestamp::from_millis(row.get(2)?),
        actor: Actor(text(3)?),
        act: serde_json::from_value(word(4)?).map_err(damaged)?,
        subject: Subject {
            kind: kind(&text(5)?)?,
            project: name(&text(6)?)?,
            name: name(&text(7)?)?,
            replica: row.get(8)?,
        },
        node: row.get::<_, Option<String>>(9)?.as_deref().map(name).transpose()?,
        plan: id(10)?.map(PlanId),
        reason: text(11)?,
        outcome: serde_json::from_value(word(12)?).map_err(damaged)?,
        before: value(13)?,
        after: value(14)?,
    };
    Ok(Recorded { sequence: row.get::<_, i64>(0)?.cast_unsigned(), entry })
}

pub(super) fn has_entry(connection: &Connection, id: EventId) -> Result<bool, StoreError> {
    let found = connection
        .prepare_cached("SELECT 1 FROM timeline WHERE id = ?1")?
        .query_row([id.0.as_bytes().as_slice()], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}
