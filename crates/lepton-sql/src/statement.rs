//! Running one statement from text to rows.

use std::sync::Arc;
use std::time::Instant;

use lepton_api::v1::{SqlColumn, SqlInput, SqlReport};
use lepton_lake::Lake;
use lepton_model::Timestamp;
use lepton_store::{Store, StoreError};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Statement};
use serde_json::Value;

use crate::budget::Budget;
use crate::door::{SqlConfig, SqlScope};
use crate::error::Place;
use crate::table::Table;
use crate::tables::Objects;
use crate::vtab::{Mount, mount};
use crate::{SqlError, functions};

/// What the tables of one statement share.
pub(crate) struct Context {
    pub store: Arc<dyn Store>,
    pub lake: Lake,
    pub scope: SqlScope,
    pub now: Timestamp,
    pub budget: Arc<Budget>,
    pub tables: Arc<[Arc<dyn Table>]>,
    pub runtime: tokio::runtime::Handle,
    /// Objects this statement has read already.
    pub objects: Objects,
}

impl Context {
    /// Waits for the store, at most as long as the statement may take.
    pub fn wait<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, SqlError> {
        self.budget.check()?;
        self.runtime.block_on(async {
            match tokio::time::timeout(self.budget.left(), answer).await {
                Ok(answer) => answer.map_err(SqlError::from),
                Err(_) => Err(self.budget.check().err().unwrap_or(SqlError::Busy)),
            }
        })
    }
}

/// Steps of SQLite's machine between two looks at the budget.
const STEPS: i32 = 200;

/// Longest text or blob a statement may build, in bytes: any object fits.
const VALUE_BYTES: i32 = 4 << 20;

/// Runs a statement on this thread.
pub(crate) fn run(
    context: &Arc<Context>,
    config: &SqlConfig,
    input: &SqlInput,
) -> Result<SqlReport, SqlError> {
    let started = Instant::now();
    if input.query.len() > config.statement_bytes {
        return Err(SqlError::TooLong { bytes: input.query.len(), limit: config.statement_bytes });
    }
    let rows = input.max_rows.unwrap_or(config.rows).min(config.rows);
    let connection = connect(context).map_err(|error| SqlError::Backend(error.to_string()))?;
    let answer = answer(&connection, input, rows, config.result_bytes);
    // What a table or the budget said is more precise than what SQLite made of it.
    let mut report = match (answer, context.budget.fault()) {
        (Err(_), Some(fault)) => Err(fault),
        (answer, _) => answer,
    }?;
    report.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// An empty database in memory, with our tables and nothing else.
fn connect(context: &Arc<Context>) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    // Sorting and grouping stay in memory, where they are counted, and never reach the disk.
    connection.pragma_update(None, "temp_store", "memory")?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 512),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 1_000),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    functions::add(&connection, context.now)?;
    for table in context.tables.iter() {
        mount(&connection, Mount { table: Arc::clone(table), context: Arc::clone(context) })?;
    }
    let budget = Arc::clone(&context.budget);
    connection.progress_handler(STEPS, Some(move || budget.check().is_err()))?;
    connection.authorizer(Some(authorize))?;
    Ok(connection)
}

/// Lets SELECT through. There is nothing to write to, and this says so before SQLite finds out.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } => match function_name {
            "load_extension" | "fts3_tokenizer" | "sqlite_log" => Authorization::Deny,
            _ => Authorization::Allow,
        },
        _ => Authorization::Deny,
    }
}

fn answer(
    connection: &Connection,
    input: &SqlInput,
    most: usize,
    bytes: usize,
) -> Result<SqlReport, SqlError> {
    let explain = |error| explain(error, &input.query);
    let mut batch = Batch::new(connection, &input.query);
    let mut statement =
        batch.next().map_err(explain)?.ok_or_else(|| SqlError::NotAllowed("there is no statement".into()))?;
    if batch.next().map_err(explain)?.is_some() {
        return Err(SqlError::NotAllowed("there is more than one statement".into()));
    }
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(SqlError::NotAllowed("this statement gives no rows".into()));
    }
    bind(&mut statement, &input.params)?;
    let columns: Vec<SqlColumn> = statement
        .columns()
        .map(|column| SqlColumn {
            name: column.name().to_owned(),
            declared_type: column.decl_type().map(|declared| declared.trim_end_matches(" HIDDEN").to_owned()),
        })
        .collect();
    let mut report = SqlReport { columns, rows: Vec::new(), truncated: false, elapsed_ms: 0 };
    let (width, mut size) = (report.columns.len(), 0);
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(explain)? {
        let cells: Result<Vec<Value>, _> =
            (0..width).map(|at| row.get_ref(at).map(|cell| to_json(cell, &mut size))).collect();
        if report.rows.len() == most || size > bytes {
            report.truncated = true;
            break;
        }
        report.rows.push(cells.map_err(explain)?);
    }
    Ok(report)
}

fn bind(statement: &mut Statement<'_>, params: &[Value]) -> Result<(), SqlError> {
    let wanted = statement.parameter_count();
    if wanted != params.len() {
        return Err(SqlError::Params(format!(
            "the statement takes {wanted} parameters, and params has {}",
            params.len()
        )));
    }
    for (at, param) in params.iter().enumerate() {
        let bound = match param {
            Value::Null => statement.raw_bind_parameter(at + 1, rusqlite::types::Null),
            Value::Bool(truth) => statement.raw_bind_parameter(at + 1, truth),
            Value::String(text) => statement.raw_bind_parameter(at + 1, text),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => statement.raw_bind_parameter(at + 1, whole),
                (None, Some(real)) => statement.raw_bind_parameter(at + 1, real),
                (None, None) => {
                    return Err(SqlError::Params(format!("params[{at}]: {number} is out of range")));
                }
            },
            Value::Array(_) | Value::Object(_) => {
                return Err(SqlError::Params(format!(
                    "params[{at}]: must be null, a boolean, a number or a string"
                )));
            }
        };
        bound.map_err(|error| SqlError::Params(format!("params[{at}]: {error}")))?;
    }
    Ok(())
}

/// A cell as JSON, its size added up. JSON has no infinities: they become text, as Prometheus writes them.
fn to_json(cell: ValueRef<'_>, size: &mut usize) -> Value {
    *size += match cell {
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() + 8,
    };
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) if number.is_infinite() => {
            Value::from(if number > 0.0 { "+Inf" } else { "-Inf" })
        }
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
    }
}

/// What SQLite refused, in our words.
fn explain(error: rusqlite::Error, sql: &str) -> SqlError {
    use rusqlite::ErrorCode;
    let code = error.sqlite_error_code();
    match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } => {
            let place = usize::try_from(offset).ok().and_then(|offset| Place::new(sql, offset));
            SqlError::Statement { message: msg, place }
        }
        rusqlite::Error::SqliteFailure(_, message) => match (code, message) {
            (Some(ErrorCode::AuthorizationForStatementDenied), message) => {
                SqlError::NotAllowed(message.unwrap_or_else(|| "not authorized".into()))
            }
            (_, Some(message)) => SqlError::Statement { message, place: None },
            (code, None) => SqlError::Statement { message: format!("{code:?}"), place: None },
        },
        other => SqlError::Statement { message: other.to_string(), place: None },
    }
}
