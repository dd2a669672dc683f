//! What is wanted and what is: objects with revisions, their timeline, leases.
//!
//! One trait, [`Store`]; one conformance suite that every implementation passes; SQLite in WAL mode by default.
//! Measurements do not live here but in `lepton-lake`.
//!
//! Everything that changes goes through [`Store::commit`]: the changes of objects and the entries of the timeline
//! that explain them are one transaction, so that neither is ever found without the other.

mod store;

pub use store::{
    BackupReport, Change, CommitReport, Expect, Fence, Lease, ListInput, Page, Recorded, Store, StoreError,
    TimelineInput, Transaction, WatchEvent, WatchInput,
};
