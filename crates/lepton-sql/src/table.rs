//! What a table is, before SQLite sees it.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::SqlError;
use crate::door::SqlScope;
use crate::statement::Context;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// A whole number; truth is 0 or 1.
    Integer,
    /// A number.
    Real,
    /// JSON text, for `->` and `->>`.
    Json,
}

impl ColumnType {
    /// The word used in declarations and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Json => "JSON",
        }
    }
}

/// A column, described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub r#type: ColumnType,
    /// What it means, and its unit.
    pub description: &'static str,
    /// Left out of `SELECT *`.
    pub hidden: bool,
}

impl Column {
    /// A column that `SELECT *` shows.
    pub const fn new(name: &'static str, r#type: ColumnType, description: &'static str) -> Self {
        Self { name, r#type, description, hidden: false }
    }

    /// A column that `SELECT *` leaves out.
    pub const fn hidden(name: &'static str, r#type: ColumnType, description: &'static str) -> Self {
        Self { name, r#type, description, hidden: true }
    }
}

/// What one scan of a [`Provided`] table is asked for.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Who asks: what they may not see must be left out.
    pub scope: &'a SqlScope,
    request: Request,
    columns: &'a [Column],
}

impl Asked<'_> {
    /// The text that a column of [`Provided::narrows`] must equal, where the statement says so. SQLite checks every row again.
    pub fn text(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|known| known.name == column)?;
        self.request.text(at)
    }
}

/// Rows of a [`Provided`] table, made one after the other.
pub type ProvidedRows = Box<dyn Iterator<Item = Vec<Value>> + Send>;

/// Finds the rows that a scan asks for.
pub type RowsFn = dyn Fn(&Asked<'_>) -> ProvidedRows + Send + Sync;

/// A table held in memory by somebody else: the server's reconcilers, connected agents.
#[derive(Clone)]
pub struct Provided {
    /// Its name in SQL.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Columns of which the rows are found sooner when they must equal a text.
    pub narrows: Vec<&'static str>,
    /// Its rows, a value per column; called once per scan.
    pub rows: Arc<RowsFn>,
}

/// How a statement compares a column to a value that it can hand down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ge,
    Le,
}

/// A condition that every wanted row meets. A table may use it to read less; SQLite checks every row again.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub column: usize,
    pub op: Op,
    pub value: Value,
}

/// What one scan of a table is asked for.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub conditions: Vec<Condition>,
    /// Backwards, where the table can: by its own order, newest first.
    pub descending: bool,
}

impl Request {
    /// The text that a column must equal.
    pub fn text(&self, column: usize) -> Option<&str> {
        self.values(column, Op::Eq).find_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The values that a column is compared to.
    pub fn values(&self, column: usize, op: Op) -> impl Iterator<Item = &Value> {
        self.conditions.iter().filter(move |c| c.column == column && c.op == op).map(|c| &c.value)
    }

    /// Whole-number bounds of a column, both included.
    pub fn range(&self, column: usize) -> (i64, i64) {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        let bounds = self.conditions.iter().filter(|c| c.column == column);
        for condition in bounds {
            let (low, high) = match condition.value {
                Value::Integer(number) => (number, number),
                // Rounded outwards; SQLite compares exactly afterwards.
                Value::Real(number) if number.is_finite() => (number.floor() as i64, number.ceil() as i64),
                _ => continue,
            };
            if condition.op != Op::Le {
                from = from.max(low);
            }
            if condition.op != Op::Ge {
                to = to.min(high);
            }
        }
        (from, to)
    }
}

/// Rows being read. Starts before the first one.
pub(crate) trait Rows {
    /// Moves to the next row; false at the end.
    fn advance(&mut self) -> Result<bool, SqlError>;
    /// A value of the current row.
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// A value on its way to SQLite.
pub(crate) type Cell<'a> = ToSqlOutput<'a>;

/// A table of the door.
pub(crate) trait Table: Send + Sync {
    fn name(&self) -> &'static str;
    fn description(&self) -> &'static str;
    fn columns(&self) -> Vec<Column>;
    /// Whether [`Table::open`] reads less when it knows this.
    fn uses(&self, column: usize, op: Op) -> bool;
    /// The column whose order rows come in, if any.
    fn order(&self) -> Option<usize> {
        None
    }
    /// The column that is this table's argument: without its value, rows cannot be told.
    fn argument(&self) -> Option<usize> {
        None
    }
    /// About how many rows there are, and what each useful condition divides that by.
    fn size(&self) -> (f64, f64) {
        (1_000.0, 100.0)
    }
    fn open(&self, context: &Arc<Context>, request: Request) -> Result<Box<dyn Rows>, SqlError>;
}

pub(crate) fn null() -> Cell<'static> {
    ToSqlOutput::Owned(Value::Null)
}

pub(crate) fn text(text: &str) -> Cell<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
}

pub(crate) fn owned(text: impl Into<String>) -> Cell<'static> {
    ToSqlOutput::Owned(Value::Text(text.into()))
}

pub(crate) fn print(value: impl std::fmt::Display) -> Cell<'static> {
    owned(value.to_string())
}

/// Numbers past SQLite's largest become that.
pub(crate) fn int(number: impl TryInto<i64>) -> Cell<'static> {
    ToSqlOutput::Owned(Value::Integer(number.try_into().unwrap_or(i64::MAX)))
}

pub(crate) fn real(number: f64) -> Cell<'static> {
    ToSqlOutput::Owned(Value::Real(number))
}

pub(crate) fn flag(truth: bool) -> Cell<'static> {
    int(i64::from(truth))
}

pub(crate) fn json(value: &impl serde::Serialize) -> Cell<'static> {
    serde_json::to_string(value).map_or_else(|_| null(), owned)
}

pub(crate) fn maybe<'a, T>(value: Option<T>, cell: impl FnOnce(T) -> Cell<'a>) -> Cell<'a> {
    match value {
        Some(value) => cell(value),
        None => null(),
    }
}

impl Table for Provided {
    fn name(&self) -> &'static str {
        self.name
    }
    fn description(&self) -> &'static str {
        self.description
    }
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }
    fn uses(&self, column: usize, op: Op) -> bool {
        let name = self.columns.get(column).map(|column| column.name);
        op == Op::Eq && name.is_some_and(|name| self.narrows.contains(&name))
    }
    fn open(&self, context: &Arc<Context>, request: Request) -> Result<Box<dyn Rows>, SqlError> {
        let asked = Asked { scope: &context.scope, request, columns: &self.columns };
        Ok(Box::new(InMemory { rows: (self.rows)(&asked), current: Vec::new() }))
    }
}

/// Rows that are made in memory.
pub(crate) struct InMemory {
    rows: ProvidedRows,
    current: Vec<Value>,
}

impl InMemory {
    pub fn new(rows: Vec<Vec<Value>>) -> Self {
        Self { rows: Box::new(rows.into_iter()), current: Vec::new() }
    }
}

impl Rows for InMemory {
    fn advance(&mut self) -> Result<bool, SqlError> {
        self.current = match self.rows.next() {
            Some(row) => row,
            None => return Ok(false),
        };
        Ok(true)
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        maybe(self.current.get(column), |value| ToSqlOutput::Borrowed(value.into()))
    }
}
