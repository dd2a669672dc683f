//! Functions beyond SQLite's own.

use lepton_model::{Period, Timestamp};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

fn wrong(message: String) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(message.into())
}

/// `now()`, `ago(period)`, `iso(time)`, `millis(text)`, `label(labels, name)`; described in `lepton_functions`.
pub(crate) const FUNCTIONS: &[(&str, &str)] = &[
    ("now()", "the moment of this statement, in Unix milliseconds"),
    ("ago('15m')", "so long before now(), in Unix milliseconds; periods are 500ms, 10s, 1m30s, 2h, 7d"),
    ("iso(time)", "RFC 3339 text of Unix milliseconds, as in columns ending in `at`"),
    ("millis('2026-01-31T09:30:00Z')", "Unix milliseconds of RFC 3339 text"),
    ("label(labels, 'mode')", "the value of a label in a `labels` column, NULL when it is absent"),
];

/// Adds them to a connection.
pub(crate) fn add(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("now", 0, flags, move |_| Ok(now.as_millis()))?;
    connection.create_scalar_function("ago", 1, flags, move |context: &mut Context<'_>| {
        let text: String = context.get(0)?;
        let period: Period = text.parse().map_err(|e| wrong(format!("ago: {e}")))?;
        Ok(now.before(period.duration()).as_millis())
    })?;
    connection.create_scalar_function("iso", 1, flags, |context: &mut Context<'_>| {
        Ok(context.get::<Option<i64>>(0)?.map(|millis| Timestamp::from_millis(millis).to_string()))
    })?;
    connection.create_scalar_function("millis", 1, flags, |context: &mut Context<'_>| {
        let Some(text) = context.get::<Option<String>>(0)? else { return Ok(None) };
        let time: Timestamp = text.parse().map_err(|_| {
            wrong(format!("millis: {text:?} is not a time; write it like 2026-01-31T09:30:00Z"))
        })?;
        Ok(Some(time.as_millis()))
    })?;
    connection.create_scalar_function("label", 2, flags, |context: &mut Context<'_>| {
        let (labels, name) = (context.get::<Option<String>>(0)?, context.get::<String>(1)?);
        let labels: Option<serde_json::Map<String, serde_json::Value>> =
            labels.as_deref().and_then(|labels| serde_json::from_str(labels).ok());
        Ok(labels.and_then(|labels| labels.get(&name).and_then(|value| value.as_str()).map(str::to_owned)))
    })
}
