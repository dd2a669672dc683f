//! Tables about tables.

use std::sync::Arc;

use rusqlite::types::Value;

use crate::statement::Context;
use crate::table::{Column, ColumnType, InMemory, Op, Request, Rows, Table};
use crate::{SqlError, functions};

pub(super) struct Tables;
pub(super) struct Columns;
pub(super) struct Functions;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

macro_rules! catalog {
    ($table:ty, $name:literal, $description:literal, $columns:expr, $rows:expr) => {
        impl Table for $table {
            fn name(&self) -> &'static str {
                $name
            }
            fn description(&self) -> &'static str {
                $description
            }
            fn columns(&self) -> Vec<Column> {
                $columns.into()
            }
            fn uses(&self, _: usize, _: Op) -> bool {
                false
            }
            fn open(&self, context: &Arc<Context>, _: Request) -> Result<Box<dyn Rows>, SqlError> {
                let mut tables = context.tables.to_vec();
                tables.sort_by_key(|table| table.name());
                Ok(Box::new(InMemory::new($rows(tables))))
            }
        }
    };
}

catalog!(
    Tables,
    "lepton_tables",
    "every table",
    [
        Column::new("name", ColumnType::Text, "the table"),
        Column::new("description", ColumnType::Text, "what it is, in a sentence"),
    ],
    |tables: Vec<Arc<dyn Table>>| {
        tables.iter().map(|table| vec![text(table.name()), text(table.description())]).collect()
    }
);

catalog!(
    Columns,
    "lepton_columns",
    "every column of every table",
    [
        Column::new("table_name", ColumnType::Text, "the table"),
        Column::new("name", ColumnType::Text, "the column"),
        Column::new("type", ColumnType::Text, "TEXT, INTEGER, REAL or JSON"),
        Column::new("description", ColumnType::Text, "what it means, and its unit"),
        Column::new("hidden", ColumnType::Integer, "1 when SELECT * leaves it out"),
    ],
    |tables: Vec<Arc<dyn Table>>| {
        let row = |table: &str, column: Column| {
            let hidden = Value::Integer(column.hidden.into());
            vec![
                text(table),
                text(column.name),
                text(column.r#type.as_str()),
                text(column.description),
                hidden,
            ]
        };
        tables
            .iter()
            .flat_map(|table| table.columns().into_iter().map(|column| row(table.name(), column)))
            .collect()
    }
);

catalog!(
    Functions,
    "lepton_functions",
    "functions beyond SQLite's own",
    [
        Column::new("usage", ColumnType::Text, "how it is written"),
        Column::new("description", ColumnType::Text, "what it gives"),
    ],
    |_| functions::FUNCTIONS
        .iter()
        .map(|(usage, description)| vec![text(usage), text(description)])
        .collect()
);
