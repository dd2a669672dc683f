//! One read-only SQL door to everything: measurements, objects, the record.
//!
//! ```text
//! SELECT … ──► SQLite in memory, one connection per statement ──► rows, as JSON
//!                │ virtual tables; WHERE pushed down
//!                ├─► lake: samples · latest · series
//!                ├─► store: nodes · services · jobs · replicas · checks · incidents · plans · actions · … · timeline
//!                └─► the server's own: tables given to SqlDoor::with_table
//! ```
//!
//! There is no database file behind a statement: it runs in an empty in-memory SQLite whose only tables are ours, so
//! there is nothing to write to. An authorizer still refuses everything that is not a SELECT. Time, memory, rows, bytes
//! and the text itself are bounded by [`SqlConfig`]; a caller that goes away stops its statement.
//!
//! What a statement sees is decided by [`SqlScope`]. A row is visible within a project when its `project` is that one:
//! other projects, and the estate's own tables (`nodes`, `plans`, `assignments`, `tokens`), look empty. Samples belong
//! to the project in their `project` label; those of machines have none and belong to the estate.
//!
//! Columns called `time` are Unix milliseconds, and `ago('15m')` gives one; columns ending in `at` are RFC 3339 text.
//! Both narrow what is read. Every table and column is described in `lepton_tables` and `lepton_columns`.
//!
//! It is not a query engine for a cluster (`lepton-query` will be), and never a way to change something.

mod budget;
mod door;
mod error;
mod functions;
mod statement;
mod table;
mod tables;
mod vtab;

pub use door::{SqlConfig, SqlDoor, SqlScope, TableReport};
pub use error::{Place, SqlError};
pub use rusqlite::types::Value as SqlValue;
pub use table::{Asked, Column, ColumnType, Provided, ProvidedRows, RowsFn};
