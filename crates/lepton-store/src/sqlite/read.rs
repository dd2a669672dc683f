//! Queries: one object, pages of objects, changes for watchers.

use lepton_model::{AnyObject, Key, Kind, Meta, Name, Requirement, Selector, Timestamp};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use serde::de::DeserializeOwned;

use super::apply::integer;
use crate::store::page_size;
use crate::{ListInput, Page, StoreError, WatchEvent, WatchInput};

/// An answer ends early rather than hold more than this.
pub(super) const ANSWER_BYTES: usize = 16 << 20;

pub(super) struct Counters {
    pub revision: u64,
    pub compacted: u64,
}

pub(super) fn counters(connection: &Connection) -> rusqlite::Result<Counters> {
    connection.prepare_cached("SELECT revision, compacted FROM counters")?.query_row([], |row| {
        Ok(Counters {
            revision: row.get::<_, i64>(0)?.cast_unsigned(),
            compacted: row.get::<_, i64>(1)?.cast_unsigned(),
        })
    })
}

const OBJECT: &str =
    "id, kind, project, name, uid, labels, spec, status, generation, revision, created_at, updated_at";

/// Reads a row of [`OBJECT`]; its id, the object, and how large its JSON is.
fn object_row(row: &Row<'_>) -> Result<(i64, AnyObject, usize), StoreError> {
    let text = |at: usize| -> rusqlite::Result<&str> { Ok(row.get_ref(at)?.as_str()?) };
    let number = |at: usize| row.get::<_, i64>(at);
    let (labels, spec, status) = (text(5)?, text(6)?, text(7)?);
    let meta = Meta {
        project: name(text(2)?)?,
        name: name(text(3)?)?,
        uid: text(4)?.parse().map_err(damaged)?,
        labels: json(labels)?,
        generation: number(8)?.cast_unsigned(),
        revision: number(9)?.cast_unsigned(),
        created_at: Timestamp::from_millis(number(10)?),
        updated_at: Timestamp::from_millis(number(11)?),
    };
    let object = AnyObject { kind: kind(text(1)?)?, meta, spec: json(spec)?, status: json(status)? };
    Ok((number(0)?, object, labels.len() + spec.len() + status.len()))
}

/// The object and its row id.
pub(super) fn object(connection: &Connection, key: &Key) -> Result<Option<(i64, AnyObject)>, StoreError> {
    let sql = format!("SELECT {OBJECT} FROM objects WHERE kind = ?1 AND project = ?2 AND name = ?3");
    let mut query = connection.prepare_cached(&sql)?;
    let found = query
        .query_row(params![key.kind.as_str(), key.project.as_str(), key.name.as_str()], |row| {
            Ok(object_row(row))
        })
        .optional()?;
    found.transpose().map(|found| found.map(|(id, object, _)| (id, object)))
}

/// A `WHERE` clause in the making: conditions, and the values of their parameters in order.
#[derive(Default)]
pub(super) struct Where {
    conditions: Vec<String>,
    pub values: Vec<Sql>,
}

impl Where {
    /// Adds a condition; each `?` in it takes one of `values`.
    pub fn and(&mut self, condition: impl Into<String>, values: impl IntoIterator<Item = Sql>) {
        self.conditions.push(condition.into());
        self.values.extend(values);
    }

    /// `column IN (…)`.
    pub fn and_in(&mut self, column: &str, values: impl IntoIterator<Item = String>) {
        let values: Vec<Sql> = values.into_iter().map(Sql::Text).collect();
        self.and(format!("{column} IN ({})", marks(values.len())), values);
    }

    pub fn sql(&self) -> String {
        if self.conditions.is_empty() { "1".into() } else { self.conditions.join(" AND ") }
    }
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(",")
}

fn select_labels(selector: &Selector, r#where: &mut Where) {
    const LABEL: &str = "EXISTS (SELECT 1 FROM labels WHERE object = objects.id AND key = ?";
    for requirement in &selector.0 {
        let key = Sql::Text(requirement.key().to_owned());
        match requirement {
            Requirement::Exists(_) => r#where.and(format!("{LABEL})"), [key]),
            Requirement::Absent(_) => r#where.and(format!("NOT {LABEL})"), [key]),
            Requirement::In(_, values) | Requirement::NotIn(_, values) => {
                let not = if matches!(requirement, Requirement::NotIn(..)) { "NOT " } else { "" };
                let condition = format!("{not}{LABEL} AND value IN ({}))", marks(values.len()));
                r#where.and(condition, std::iter::once(key).chain(values.iter().cloned().map(Sql::Text)));
            }
        }
    }
}

pub(super) fn list(connection: &Connection, kind: Kind, input: &ListInput) -> Result<Page, StoreError> {
    let limit = page_size(input.limit);
    let mut r#where = Where::default();
    r#where.and("kind = ?", [Sql::Text(kind.as_str().into())]);
    if let Some(project) = &input.project {
        r#where.and("project = ?", [Sql::Text(project.as_str().into())]);
    }
    if let Some(token) = &input.after {
        let (project, name) = read_token(token)?;
        r#where.and("(project, name) > (?, ?)", [project, name].map(|part| Sql::Text(part.as_str().into())));
    }
    select_labels(&input.selector, &mut r#where);
    let sql = format!(
        "SELECT {OBJECT} FROM objects WHERE {} ORDER BY project, name LIMIT {}",
        r#where.sql(),
        limit.saturating_add(1)
    );
    let revision = counters(connection)?.revision;
    let mut query = connection.prepare_cached(&sql)?;
    let mut rows = query.query(params_from_iter(&r#where.values))?;
    let (mut items, mut bytes, mut next) = (Vec::<AnyObject>::new(), 0, None);
    while let Some(row) = rows.next()? {
        if items.len() == limit || bytes > ANSWER_BYTES {
            next = items.last().map(|last| format!("{}/{}", last.meta.project, last.meta.name));
            break;
        }
        let (_, object, size) = object_row(row)?;
        bytes += size;
        items.push(object);
    }
    Ok(Page { items, next, revision })
}

fn read_token(token: &str) -> Result<(Name, Name), StoreError> {
    token
        .split_once('/')
        .and_then(|(project, name)| Some((Name::new(project).ok()?, Name::new(name).ok()?)))
        .ok_or_else(|| StoreError::Invalid(format!("{token:?} is no continuation of a list")))
}

/// Changes after `input.from`, and the revision up to which nothing else matches.
pub(super) fn changes(
    connection: &Connection,
    input: &WatchInput,
    limit: usize,
) -> Result<(Vec<WatchEvent>, u64), StoreError> {
    let Counters { revision, compacted } = counters(connection)?;
    // A revision from the future is one of a store that was since restored from a backup.
    if input.from < compacted || input.from > revision {
        return Err(StoreError::Compacted {
            from: input.from,
            compacted: if input.from < compacted { compacted } else { revision },
        });
    }
    let limit = page_size(limit);
    let mut r#where = Where::default();
    r#where.and("revision > ?", [Sql::Integer(integer(input.from))]);
    if !input.kinds.is_empty() {
        r#where.and_in("kind", input.kinds.iter().map(|kind| kind.as_str().to_owned()));
    }
    if let Some(project) = &input.project {
        r#where.and("project = ?", [Sql::Text(project.as_str().into())]);
    }
    let sql = format!(
        "SELECT revision, kind, project, name, object FROM changes WHERE {} ORDER BY revision LIMIT {limit}",
        r#where.sql()
    );
    let mut query = connection.prepare_cached(&sql)?;
    let mut rows = query.query(params_from_iter(&r#where.values))?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let text = |at: usize| -> rusqlite::Result<&str> { Ok(row.get_ref(at)?.as_str()?) };
        let object = row.get_ref(4)?.as_str_or_null().map_err(damaged)?;
        let event = WatchEvent {
            revision: row.get::<_, i64>(0)?.cast_unsigned(),
            key: Key { kind: kind(text(1)?)?, project: name(text(2)?)?, name: name(text(3)?)? },
            object: object.map(json).transpose()?,
        };
        bytes += object.map_or(0, str::len);
        events.push(event);
        if bytes > ANSWER_BYTES {
            break;
        }
    }
    let whole = events.len() < limit && bytes <= ANSWER_BYTES;
    let next = events.last().filter(|_| !whole).map_or(revision, |last| last.revision);
    Ok((events, next))
}

pub(super) fn name(text: &str) -> Result<Name, StoreError> {
    Name::new(text).map_err(damaged)
}

pub(super) fn kind(text: &str) -> Result<Kind, StoreError> {
    text.parse().map_err(damaged)
}

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(damaged)
}

/// What was stored does not read.
pub(super) fn damaged(error: impl std::fmt::Display) -> StoreError {
    StoreError::Backend(format!("damaged row: {error}"))
}
