//! What is wanted and what is: objects with revisions, their timeline, leases.
//!
//! One trait, [`Store`]; one conformance suite that every implementation passes (the `conformance` module, a feature);
//! SQLite in WAL mode by default, [`SqliteStore`]. Measurements do not live here but in `lepton-lake`.
//!
//! Everything that changes goes through [`Store::commit`]: the changes of objects and the entries of the timeline
//! that explain them are one transaction, so that neither is ever found without the other.
//!
//! ```text
//! commit(now, transaction) ─► writer thread: many transactions, one fsync ─► Ok = on disk
//!                                   │ revision published
//! get · list · timeline ◄─ readers ─┴─► watch(from) wakes, without polling
//! ```
//!
//! ```
//! use lepton_model::{Key, Kind, Labels, Name, Timestamp, Uid};
//! use lepton_store::{Change, Expect, SqliteConfig, SqliteStore, Store, Transaction};
//! # let dir = tempfile::tempdir()?;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let store = SqliteStore::open(&dir.path().join("lepton.db"), &SqliteConfig::default())?;
//! let key = Key::new(Kind::Service, Key::default_project(), Name::new("shop")?);
//! let now = Timestamp::from_millis(1_769_851_800_000);
//! let put = Change::PutSpec {
//!     key: key.clone(),
//!     uid: Uid::from_parts(now, [7; 10]),
//!     labels: Labels::new(),
//!     spec: serde_json::json!({"command": ["./shop"]}),
//!     expect: Expect::Absent,
//! };
//! let report = store.commit(now, Transaction { changes: vec![put], ..Transaction::default() }).await?;
//! assert_eq!(report.revision, 1);
//! assert_eq!(store.get(&key).await?.map(|object| object.meta.generation), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "conformance")]
pub mod conformance;
mod sqlite;
mod store;

pub use sqlite::{OpenError, RestoreError, SqliteConfig, SqliteStore, restore};
pub use store::{
    BackupReport, Change, CommitReport, Expect, Fence, Lease, ListInput, MAX_CHANGES, MAX_ENTRY_BYTES,
    MAX_OBJECT_BYTES, Page, Recorded, Store, StoreError, TimelineInput, Transaction, WatchEvent, WatchInput,
};
