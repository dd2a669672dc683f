//! `POST /v1/sql`: one read-only statement over everything.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A statement and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlInput {
    /// One SELECT, in SQLite's dialect.
    #[schema(example = "SELECT name, phase FROM nodes")]
    pub query: String,
    /// Values for `?1`, `?2`, …: null, booleans, numbers or strings.
    #[serde(default)]
    #[schema(value_type = Vec<Value>)]
    pub params: Vec<Value>,
    /// At most so many rows; the server's own limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<usize>,
}

/// A result column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SqlColumn {
    /// Its name.
    pub name: String,
    /// Declared type, where the column comes straight from a table.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub declared_type: Option<String>,
}

/// Answer to [`SqlInput`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlReport {
    /// The columns.
    pub columns: Vec<SqlColumn>,
    /// The rows, each with a value per column.
    #[schema(value_type = Vec<Vec<Value>>)]
    pub rows: Vec<Vec<Value>>,
    /// Whether a limit cut the result short.
    pub truncated: bool,
    /// Time the statement took.
    pub elapsed_ms: u64,
}
