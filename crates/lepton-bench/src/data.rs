//! Where data sets lie, and reading simple CSV from them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// Path of a data set; an error that names it when it is not there.
pub fn path(relative: &str) -> anyhow::Result<PathBuf> {
    let root = std::env::var_os("LEPTON_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let path = root.join(relative);
    if !path.exists() {
        bail!("data set {} is missing (set LEPTON_DATA to the folder that has it)", path.display());
    }
    Ok(path)
}

/// Text of a file of bounded size.
pub fn text(path: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len();
    if size > MAX_BYTES {
        bail!("{} has {size} bytes, more than {MAX_BYTES}", path.display());
    }
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// A CSV table without quoting, found by column names.
pub struct Table {
    path: PathBuf,
    columns: Vec<String>,
    text: String,
}

/// One line of a [`Table`].
pub struct Row<'a> {
    table: &'a Table,
    line: usize,
    fields: Vec<&'a str>,
}

impl Table {
    /// Reads a file with a header line.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = text(path)?;
        let header = text.lines().next().unwrap_or_default();
        let columns = header.split(',').map(|c| c.trim().to_owned()).collect();
        Ok(Self { path: path.to_owned(), columns, text })
    }

    /// Lines after the header.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let lines = self.text.lines().zip(1..).skip(1).filter(|(l, _)| !l.trim().is_empty());
        lines.map(|(l, line)| Row { table: self, line, fields: l.split(',').map(str::trim).collect() })
    }

    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c == column)
    }
}

impl<'a> Row<'a> {
    /// A field's text; empty when the column or the field is absent.
    pub fn text(&self, column: &str) -> &'a str {
        let i = self.table.columns.iter().position(|c| c == column);
        i.and_then(|i| self.fields.get(i)).copied().unwrap_or("")
    }

    /// A field as a number.
    pub fn number<T: FromStr>(&self, column: &str) -> anyhow::Result<T> {
        self.text(column).parse().map_err(|_| {
            let (file, found) = (self.table.path.display(), self.text(column));
            anyhow::anyhow!("{file} line {}: column {column}: expected a number, found {found:?}", self.line)
        })
    }
}
