//! The SQLite store: the suite, and what only a file can do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "it/backup.rs"]
mod backup;
#[path = "it/conforms.rs"]
mod conforms;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/open.rs"]
mod open;

use std::path::Path;

use lepton_model::{Key, Kind, Labels, Name, Timestamp, Uid};
use lepton_store::{Change, Expect, SqliteConfig, SqliteStore, Transaction};
use serde_json::Value;

fn open_store(path: &Path) -> SqliteStore {
    SqliteStore::open(path, &SqliteConfig::default()).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn key(name: &str) -> Key {
    Key::new(Kind::Service, Key::default_project(), Name::new(name).unwrap())
}

fn put(name: &str, spec: Value) -> Transaction {
    let uid = Uid::from_parts(at(0), [9; 10]);
    let change = Change::PutSpec { key: key(name), uid, labels: Labels::new(), spec, expect: Expect::Any };
    Transaction { changes: vec![change], ..Transaction::default() }
}
