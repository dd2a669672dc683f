//! Why a statement has no answer.

use std::time::Duration;

/// What went wrong, by who can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The statement is wrong; the writer can mend it.
    #[error("{message}{}", place.as_ref().map(|p| format!(" (line {}, column {}, near {:?})", p.line, p.column, p.near)).unwrap_or_default())]
    Statement {
        /// What SQLite said.
        message: String,
        /// Where, when it is known.
        place: Option<Place>,
    },
    /// A parameter is missing, one too many, or not a plain value.
    #[error("{0}")]
    Params(String),
    /// Something other than one SELECT.
    #[error("only one SELECT is allowed: {0}")]
    NotAllowed(String),
    /// The text is longer than is read.
    #[error("the statement has {bytes} bytes; at most {limit} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// It took too long.
    #[error("stopped after {}; narrow the time, the metric or the labels, or add a LIMIT", humane(*limit))]
    Time {
        /// What is allowed.
        limit: Duration,
    },
    /// It needs too much memory.
    #[error("statements hold more than {} MiB; sort, group or join fewer rows", limit >> 20)]
    Memory {
        /// What all statements together may hold, in bytes.
        limit: usize,
    },
    /// It reads too much.
    #[error("{0}")]
    TooMuch(String),
    /// Too many statements run already; trying again may help.
    #[error("too many statements run already; try again")]
    Busy,
    /// Nobody waits for the answer any more.
    #[error("cancelled")]
    Cancelled,
    /// Lake or store failed; not the writer's fault.
    #[error("{0}")]
    Backend(String),
}

/// A place in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The word that is there.
    pub near: String,
}

impl Place {
    /// The place of a byte of `sql`.
    pub(crate) fn new(sql: &str, offset: usize) -> Option<Self> {
        let (before, rest) = (sql.get(..offset)?, sql.get(offset..)?);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let mut near: String = rest.chars().take_while(|c| word(*c)).take(40).collect();
        if near.is_empty() {
            near = rest.chars().take(1).collect();
        }
        Some(Self { line: before.matches('\n').count() + 1, column: line.chars().count() + 1, near })
    }
}

fn humane(limit: Duration) -> String {
    lepton_model::Period::from_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)).to_string()
}

impl SqlError {
    /// Whether the writer of the statement can mend it.
    pub fn is_of_the_writer(&self) -> bool {
        !matches!(self, Self::Busy | Self::Cancelled | Self::Backend(_))
    }
}

impl From<lepton_store::StoreError> for SqlError {
    fn from(error: lepton_store::StoreError) -> Self {
        Self::Backend(error.to_string())
    }
}

impl From<lepton_lake::LakeError> for SqlError {
    fn from(error: lepton_lake::LakeError) -> Self {
        match error {
            lepton_lake::LakeError::OverBudget { .. } => Self::TooMuch(error.to_string()),
            _ => Self::Backend(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let check = |sql: &str, offset: usize, expect: Option<(usize, usize, &str)>| {
            let place = Place::new(sql, offset);
            assert_eq!(
                place.as_ref().map(|p| (p.line, p.column, p.near.as_str())),
                expect,
                "{sql:?} at {offset}"
            );
        };
        check("SELEC 1", 0, Some((1, 1, "SELEC")));
        check("SELECT\n  nope_x FROM t", 9, Some((2, 3, "nope_x")));
        check("SELECT 'é', )", 13, Some((1, 13, ")")));
        check("SELECT", 6, Some((1, 7, "")));
        check("é", 1, None);
        check("x", 9, None);
    }
}
