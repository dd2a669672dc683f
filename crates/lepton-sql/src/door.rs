//! The door: what a server holds, and what a caller may ask.

use std::sync::Arc;
use std::time::Duration;

use lepton_api::v1::{SqlInput, SqlReport};
use lepton_lake::Lake;
use lepton_model::{Name, Timestamp};
use lepton_store::Store;
use tokio::sync::Semaphore;

use crate::budget::{Budget, CancelOnDrop};
use crate::statement::{Context, run};
use crate::table::Table;
use crate::tables::{Objects, all};
use crate::{Column, Provided, SqlError};

/// Limits of every statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlConfig {
    /// Longest time a statement may take, waiting for its turn included; 20 s by default.
    pub time: Duration,
    /// Most rows of one result; 10,000 by default.
    pub rows: usize,
    /// Most bytes of one result; 16 MiB by default.
    pub result_bytes: usize,
    /// Most bytes of memory that all statements together may hold for sorting, grouping and joining; 256 MiB by default.
    pub memory: usize,
    /// Longest statement in bytes; 64 KiB by default.
    pub statement_bytes: usize,
    /// Statements that run side by side; 4 by default.
    pub side_by_side: usize,
}

impl Default for SqlConfig {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(20),
            rows: 10_000,
            result_bytes: 16 << 20,
            memory: 256 << 20,
            statement_bytes: 64 << 10,
            side_by_side: 4,
        }
    }
}

/// Whose rows a statement sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlScope {
    /// Everybody's.
    All,
    /// Those of one project; the rest does not exist.
    Project(Name),
}

impl SqlScope {
    /// Whether rows of `project` are seen.
    pub fn sees(&self, project: &Name) -> bool {
        match self {
            Self::All => true,
            Self::Project(own) => own == project,
        }
    }

    /// The one project, if it is one.
    pub fn project(&self) -> Option<&Name> {
        match self {
            Self::All => None,
            Self::Project(project) => Some(project),
        }
    }
}

/// A table, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// Answers SELECTs over a lake and a store. Cheap to clone; needs a tokio runtime.
#[derive(Clone)]
pub struct SqlDoor {
    store: Arc<dyn Store>,
    lake: Lake,
    config: Arc<SqlConfig>,
    tables: Arc<[Arc<dyn Table>]>,
    turns: Arc<Semaphore>,
}

impl SqlDoor {
    /// A door with the tables of store and lake.
    pub fn new(store: Arc<dyn Store>, lake: Lake, config: SqlConfig) -> Self {
        let turns = Arc::new(Semaphore::new(config.side_by_side.max(1)));
        Self { store, lake, config: Arc::new(config), tables: all().into(), turns }
    }

    /// Adds a table; one of the same name as ours takes its place.
    #[must_use]
    pub fn with_table(self, table: Provided) -> Self {
        let table: Arc<dyn Table> = Arc::new(table);
        let others = self.tables.iter().filter(|known| known.name() != table.name()).map(Arc::clone);
        let tables = others.chain(std::iter::once(Arc::clone(&table))).collect();
        Self { tables, ..self }
    }

    /// Every table there is, by name.
    pub fn tables(&self) -> Vec<TableReport> {
        let mut tables: Vec<_> = self
            .tables
            .iter()
            .map(|table| TableReport {
                name: table.name(),
                description: table.description(),
                columns: table.columns(),
            })
            .collect();
        tables.sort_by_key(|table| table.name);
        tables
    }

    /// Runs one SELECT as of `now`. Dropping the future stops it.
    ///
    /// # Errors
    /// See [`SqlError`]; a result cut short by `max_rows` or the limits on rows and bytes is no error, but says so.
    pub async fn query(
        &self,
        now: Timestamp,
        scope: SqlScope,
        input: SqlInput,
    ) -> Result<SqlReport, SqlError> {
        let budget = Budget::new(self.config.time, self.config.memory);
        let turn = tokio::time::timeout(budget.left(), Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(SqlError::Busy) };
        let context = Arc::new(Context {
            store: Arc::clone(&self.store),
            lake: self.lake.clone(),
            scope,
            now,
            budget: Arc::clone(&budget),
            tables: Arc::clone(&self.tables),
            runtime: tokio::runtime::Handle::current(),
            objects: Objects::default(),
        });
        let config = Arc::clone(&self.config);
        let cancel = CancelOnDrop(budget);
        let task = tokio::task::spawn_blocking(move || {
            // The turn ends with the statement, not with the caller's patience.
            let _turn = turn;
            run(&context, &config, &input)
        });
        let report = task.await.unwrap_or_else(|error| Err(SqlError::Backend(error.to_string())));
        drop(cancel);
        report
    }
}
