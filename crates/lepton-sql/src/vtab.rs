//! The one place that meets SQLite's virtual table interface: any [`Table`] becomes one.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::hash::{Hash as _, Hasher};

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::vtab::{
    Context as Answer, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection,
    VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error};

use crate::SqlError;
use crate::statement::Context;
use crate::table::{Condition, Op, Request, Rows, Table};

/// A table within one statement.
pub(crate) struct Mount {
    pub table: Arc<dyn Table>,
    pub context: Arc<Context>,
}

/// Gives a connection a table.
pub(crate) fn mount(connection: &Connection, mount: Mount) -> rusqlite::Result<()> {
    const MODULE: &Module<'static, Mounted> = &Module::eponymous_only_module();
    connection.create_module(mount.table.name(), MODULE, Some(Arc::new(mount)))
}

#[repr(C)]
struct Mounted {
    base: sqlite3_vtab,
    mount: Arc<Mount>,
}

/// The plan of a scan travels from `best_index` to `filter` as `idx_str`: `3= 0> d` means column 3 equals the first
/// argument, column 0 is at least the second, and rows are wanted backwards.
fn op_sign(op: Op) -> char {
    match op {
        Op::Eq => '=',
        Op::Ge => '>',
        Op::Le => '<',
    }
}

fn read_plan(plan: &str, args: &Filters<'_>) -> Request {
    let mut request = Request::default();
    let mut args = args.iter();
    for word in plan.split_whitespace() {
        if word == "d" {
            request.descending = true;
            continue;
        }
        let (Some(value), Some(sign)) = (args.next(), word.chars().last()) else { continue };
        let op = match sign {
            '=' => Op::Eq,
            '>' => Op::Ge,
            _ => Op::Le,
        };
        if let Ok(column) = word.trim_end_matches(sign).parse() {
            request.conditions.push(Condition { column, op, value: owned(value) });
        }
    }
    request
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_or(Value::Null, |text| Value::Text(text.to_owned()))
        }
        ValueRef::Blob(_) | ValueRef::Null => Value::Null,
    }
}

// SAFETY: `Mounted` is `repr(C)` and its first field is the `sqlite3_vtab` that SQLite keeps its own state in.
#[allow(unsafe_code)]
unsafe impl VTab<'_> for Mounted {
    type Aux = Arc<Mount>;
    type Cursor = Cursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _args: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let mount = aux.ok_or_else(|| Error::ModuleError("no table".into()))?;
        db.config(VTabConfig::Innocuous)?;
        let columns = mount.table.columns().into_iter().map(|column| {
            let hidden = if column.hidden { " HIDDEN" } else { "" };
            format!("\"{}\" {}{hidden}", column.name, column.r#type.as_str())
        });
        let sql = format!("CREATE TABLE x ({})", columns.collect::<Vec<_>>().join(", "));
        let sql = CString::new(sql).map_err(|e| Error::ModuleError(e.to_string()))?;
        Ok((Cow::Owned(sql), Self { base: sqlite3_vtab::default(), mount: Arc::clone(mount) }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let table = &self.mount.table;
        let mut useful = Vec::new();
        for (at, constraint) in info.constraints().enumerate() {
            let op = match constraint.operator() {
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => Op::Eq,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GT
                | IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GE => Op::Ge,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LT
                | IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LE => Op::Le,
                _ => continue,
            };
            let Ok(column) = usize::try_from(constraint.column()) else { continue };
            if constraint.is_usable() && table.uses(column, op) {
                useful.push((at, column, op));
            } else if op == Op::Eq && table.argument() == Some(column) {
                // Known only once another table was read: this order of the join does not work.
                return Ok(false);
            }
        }
        // Tables compare bytes; a comparison under another collation is left to SQLite.
        useful.retain(|(at, _, _)| info.collation(*at).is_ok_and(|collation| collation == "BINARY"));
        let mut plan = String::new();
        let (mut rows, factor) = table.size();
        for (argument, (at, column, op)) in useful.iter().enumerate() {
            plan.push_str(&format!("{column}{} ", op_sign(*op)));
            info.constraint_usage(*at).set_argv_index(c_int::try_from(argument + 1).unwrap_or(c_int::MAX));
            rows /= if *op == Op::Eq { factor } else { 3.0 };
        }
        let mut orders = info.order_bys().map(|order| (order.column(), order.is_order_by_desc()));
        if let (Some((column, descending)), None) = (orders.next(), orders.next())
            && table.order().is_some_and(|own| usize::try_from(column) == Ok(own))
        {
            info.set_order_by_consumed(true);
            if descending {
                plan.push('d');
            }
        }
        info.set_idx_str(&plan);
        info.set_estimated_cost(rows.max(1.0) + 10.0);
        info.set_estimated_rows(rows.max(1.0) as i64);
        Ok(true)
    }

    fn open(&mut self) -> rusqlite::Result<Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            mount: Arc::clone(&self.mount),
            width: self.mount.table.columns().len(),
            rows: None,
        })
    }
}

#[repr(C)]
struct Cursor {
    base: sqlite3_vtab_cursor,
    mount: Arc<Mount>,
    width: usize,
    /// None before the first scan and after its end.
    rows: Option<Box<dyn Rows>>,
}

impl Cursor {
    /// Passes an error on to SQLite as text, and keeps it as it is for the statement.
    fn pass<T>(&self, result: Result<T, SqlError>) -> rusqlite::Result<T> {
        result.map_err(|error| Error::ModuleError(self.mount.context.budget.fail(error).to_string()))
    }

    fn step(&mut self) -> rusqlite::Result<()> {
        let moved = match &mut self.rows {
            Some(rows) => rows.advance(),
            None => Ok(false),
        };
        if !self.pass(moved)? {
            self.rows = None;
        }
        Ok(())
    }
}

// SAFETY: `Cursor` is `repr(C)` and its first field is the `sqlite3_vtab_cursor` that SQLite keeps its own state in.
#[allow(unsafe_code)]
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _: c_int, plan: Option<&str>, args: &Filters<'_>) -> rusqlite::Result<()> {
        // Scans that yield no row run no step of SQLite's in between, so a join of many must be stopped here.
        self.pass(self.mount.context.budget.check())?;
        let request = read_plan(plan.unwrap_or_default(), args);
        self.rows = Some(self.pass(self.mount.table.open(&self.mount.context, request))?);
        self.step()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.step()
    }

    fn eof(&self) -> bool {
        self.rows.is_none()
    }

    fn column(&self, answer: &mut Answer, column: c_int) -> rusqlite::Result<()> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        match &self.rows {
            Some(rows) => answer.set_result(rows.cell(column)),
            None => answer.set_result(rusqlite::types::Null),
        }
    }

    /// SQLite answers `a = 1 OR b = 2` by two scans, and tells by this number which rows both found. So it must be the
    /// same for a row in every scan, and another for every other row: a hash of all its values.
    fn rowid(&self) -> rusqlite::Result<i64> {
        let mut hash = std::hash::DefaultHasher::new();
        if let Some(rows) = &self.rows {
            for column in 0..self.width {
                identify(&rows.cell(column), &mut hash);
            }
        }
        Ok(hash.finish().cast_signed())
    }
}

fn identify(cell: &ToSqlOutput<'_>, hash: &mut impl Hasher) {
    let value = match cell {
        ToSqlOutput::Borrowed(value) => *value,
        ToSqlOutput::Owned(value) => ValueRef::from(value),
        _ => ValueRef::Null,
    };
    match value {
        ValueRef::Null => hash.write_u8(0),
        ValueRef::Integer(number) => number.hash(hash),
        ValueRef::Real(number) => number.to_bits().hash(hash),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.hash(hash),
    }
}
