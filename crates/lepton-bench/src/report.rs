//! What a benchmark says: a table for people, an object for machines.

use serde_json::Value;

/// Result of one benchmark.
pub struct Report {
    /// Name of the benchmark, as on the command line.
    pub bench: &'static str,
    /// Lines for people.
    pub table: String,
    /// Figures for machines.
    pub metrics: Value,
}

impl Report {
    /// Prints the table, and the object as the last line of standard output when asked for.
    pub fn print(&self, json: bool) {
        if json {
            eprint!("{}", self.table);
            println!("{}", serde_json::json!({ "bench": self.bench, "metrics": self.metrics }));
        } else {
            print!("{}", self.table);
        }
    }
}
