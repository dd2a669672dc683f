//! `lepton sql`

use std::io::Read as _;

use clap::{Args, ValueEnum};
use lepton_api::v1::{SqlInput, SqlReport};
use serde_json::Value;

use crate::command::Desk;
use crate::failure::Failure;
use crate::screen::{Format, Table};

/// Longest statement that is read from stdin.
const MAX_STATEMENT: u64 = 1 << 20;

/// Ask anything in SQL: nodes, services, samples, the timeline, all joinable
#[derive(Debug, Args)]
#[command(after_help = "\
The dialect is SQLite's, read-only. `.tables` lists the tables, `.schema TABLE` their columns.

Examples:
  lepton sql .tables
  lepton sql '.schema samples'
  lepton sql \"SELECT name, phase, ready FROM services WHERE phase <> 'running'\"
  lepton sql \"SELECT node, value FROM latest WHERE metric = 'node_load1'\" -o csv
  lepton sql - < report.sql")]
pub(crate) struct SqlArgs {
    /// The statement; `-` reads it from stdin
    #[arg(value_name = "STATEMENT")]
    pub statement: String,
    /// Values for ?1, ?2, …: numbers, true, false, null or text
    #[arg(long = "param", value_name = "VALUE", allow_hyphen_values = true)]
    pub params: Vec<String>,
    /// At most so many rows; the server's own limit otherwise
    #[arg(long, value_name = "N")]
    pub max_rows: Option<usize>,
    /// How to show the result
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: SqlFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SqlFormat {
    /// Aligned columns
    #[default]
    Table,
    /// The API's own answer, as JSON
    Json,
    /// The API's own answer, as YAML
    Yaml,
    /// Comma-separated values with a heading (RFC 4180)
    Csv,
}

pub(crate) async fn run(args: SqlArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let mut text = args.statement;
    if text == "-" {
        text = String::new();
        let size = std::io::stdin()
            .lock()
            .take(MAX_STATEMENT + 1)
            .read_to_string(&mut text)
            .map_err(|error| Failure::invalid(format!("cannot read stdin: {error}")))?;
        if size as u64 > MAX_STATEMENT {
            return Err(Failure::invalid(format!("the statement has more than {MAX_STATEMENT} bytes")));
        }
    }
    let input = statement(text.trim(), &args.params, args.max_rows)?;
    let report = desk.client.sql(&input).await?;
    match args.output {
        SqlFormat::Table => table(&report, desk)?,
        SqlFormat::Csv => desk.screen.raw(csv(&report).as_bytes())?,
        SqlFormat::Json => desk.screen.document(Format::Json, &report).unwrap_or(Ok(()))?,
        SqlFormat::Yaml => desk.screen.document(Format::Yaml, &report).unwrap_or(Ok(()))?,
    }
    if report.truncated {
        desk.screen.warn(&format!(
            "cut short after {} rows; narrow it with WHERE, or see --max-rows",
            report.rows.len()
        ));
    }
    Ok(())
}

fn statement(text: &str, params: &[String], max_rows: Option<usize>) -> Result<SqlInput, Failure> {
    let input = |query: &str, params: Vec<Value>| SqlInput { query: query.to_owned(), params, max_rows };
    if let Some(command) = text.strip_prefix('.') {
        let words: Vec<_> = command.split_whitespace().collect();
        return match words.as_slice() {
            ["tables"] => Ok(input("SELECT name, description FROM lepton_tables", Vec::new())),
            ["schema"] => {
                Ok(input("SELECT table_name, name, type, description FROM lepton_columns", Vec::new()))
            }
            ["schema", table] => Ok(input(
                "SELECT name, type, description FROM lepton_columns WHERE table_name = ?1",
                vec![(*table).into()],
            )),
            _ => Err(Failure::usage(format!(".{command} is not known; there are .tables and .schema TABLE"))),
        };
    }
    if text.is_empty() {
        return Err(Failure::usage("the statement is empty").hint("lepton sql .tables"));
    }
    Ok(input(text, params.iter().map(|param| value(param)).collect()))
}

/// A parameter as JSON where it is a number, true, false or null; as text otherwise.
fn value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

fn table(report: &SqlReport, desk: &Desk<'_>) -> Result<(), Failure> {
    if report.rows.is_empty() {
        desk.screen.note("no rows");
        return Ok(());
    }
    let mut table = Table::new(report.columns.iter().map(|column| column.name.clone()));
    for row in &report.rows {
        table.row(row.iter().map(cell));
    }
    table.print(desk.screen)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn csv(report: &SqlReport) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<_> = cells.map(|cell| quoted(&cell)).collect();
        format!("{}\r\n", cells.join(","))
    };
    let mut text = line(&mut report.columns.iter().map(|column| column.name.clone()));
    for row in &report.rows {
        text.push_str(&line(&mut row.iter().map(cell)));
    }
    text
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lepton_api::v1::SqlColumn;

    use super::*;

    #[test]
    fn values_with_commas_quotes_and_line_ends_are_quoted() {
        let columns =
            ["a", "b,c"].map(|name| SqlColumn { name: name.to_owned(), declared_type: None }).to_vec();
        let rows = vec![vec!["x\"y".into(), Value::Null], vec![1.5.into(), "two\nlines".into()]];
        let report = SqlReport { columns, rows, truncated: false, elapsed_ms: 0 };
        assert_eq!(csv(&report), "a,\"b,c\"\r\n\"x\"\"y\",\r\n1.5,\"two\nlines\"\r\n");
    }

    #[test]
    fn parameters_are_numbers_where_they_look_like_it() {
        let check = |text: &str, expect: Value| assert_eq!(value(text), expect);
        check("3", 3.into());
        check("-1.5", (-1.5).into());
        check("true", true.into());
        check("null", Value::Null);
        check("shop", "shop".into());
        check("\"3\"", "\"3\"".into());
        check("[1]", "[1]".into());
    }

    #[test]
    fn dot_commands_become_statements() {
        assert_eq!(statement(".schema  nodes", &[], None).unwrap().params, [Value::from("nodes")]);
        assert!(statement(".drop", &[], None).is_err());
        assert!(statement("", &[], None).is_err());
    }
}
