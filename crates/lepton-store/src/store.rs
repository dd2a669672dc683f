//! The seam: what any store must do. Callers hold an `Arc<dyn Store>` and never see the database behind it.

use std::time::Duration;

use async_trait::async_trait;
use lepton_model::{
    Act, AnyObject, EventId, Key, Kind, Labels, Name, PlanId, Selector, Subject, TimelineEntry, Timestamp,
    Uid,
};
use serde_json::Value;

/// Largest object in bytes of JSON.
pub const MAX_OBJECT_BYTES: usize = 1 << 20;

/// Largest timeline entry in bytes: an object before, an object after, and the words.
pub const MAX_ENTRY_BYTES: usize = 2 * MAX_OBJECT_BYTES + (64 << 10);

/// Most changes, and most timeline entries, in one transaction.
pub const MAX_CHANGES: usize = 10_000;

/// The size of a page when `asked` for: 500 when 0, at most 5,000.
pub(crate) fn page_size(asked: usize) -> usize {
    if asked == 0 { 500 } else { asked.min(5_000) }
}

/// What can go wrong. Each variant is something a caller acts on differently.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such object.
    #[error("{0} does not exist")]
    NotFound(Key),
    /// A `create` found the object already there.
    #[error("{0} already exists")]
    AlreadyExists(Key),
    /// The object has another revision than the writer had read: read again, decide again.
    #[error("{key} is at revision {actual}, not {expected}")]
    Conflict {
        /// Which object.
        key: Key,
        /// The revision the writer had read.
        expected: u64,
        /// The revision it is at.
        actual: u64,
    },
    /// The writer's lease has passed to another holder; it must stop acting.
    #[error("lease {0:?} is no longer held by this writer")]
    Fenced(String),
    /// The revisions after `from` are no longer kept: list again.
    #[error("changes since revision {from} are compacted up to {compacted}; list again")]
    Compacted {
        /// What was asked for.
        from: u64,
        /// The oldest revision from which a watch may start.
        compacted: u64,
    },
    /// A value that cannot be stored: too large, or a page token that this store did not make.
    #[error("{0}")]
    Invalid(String),
    /// The database answered with an error; trying again may help.
    #[error("database: {0}")]
    Backend(String),
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there, or nothing.
    Any,
    /// Nothing.
    Absent,
    /// The object, at any revision.
    Present,
    /// The object at exactly this revision.
    Revision(u64),
}

/// One change of one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Sets the wanted state. The generation grows when spec or labels differ from what is there;
    /// writing the same again changes nothing, not even the revision.
    PutSpec {
        /// Which object.
        key: Key,
        /// Its identity, used when it is made.
        uid: Uid,
        /// Its labels.
        labels: Labels,
        /// Its wanted state.
        spec: Value,
        /// What must be there.
        expect: Expect,
    },
    /// Sets the observed state. The generation stays; the same status again changes nothing. An object that is not
    /// there is passed over under `Expect::Any`.
    PutStatus {
        /// Which object.
        key: Key,
        /// Its observed state.
        status: Value,
        /// What must be there; `Expect::Absent` is invalid.
        expect: Expect,
    },
    /// Deletes it.
    Delete {
        /// Which object.
        key: Key,
        /// What must be there; deleting what is absent under `Expect::Any` does nothing.
        expect: Expect,
    },
}

/// Changes and their record, all or nothing.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// Applied in order.
    pub changes: Vec<Change>,
    /// Appended in order. An entry whose id is known already is skipped.
    pub timeline: Vec<TimelineEntry>,
    /// Refused with [`StoreError::Fenced`] unless this lease is held with this token and has not run out.
    pub fence: Option<Fence>,
}

/// Proof of holding a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The lease.
    pub lease: String,
    /// The token from [`Lease::token`].
    pub token: u64,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitReport {
    /// Store revision afterwards.
    pub revision: u64,
    /// For each change, the object as it now is; `None` after a delete or where there was nothing to delete.
    pub objects: Vec<Option<AnyObject>>,
    /// For each change, whether it changed anything.
    pub changed: Vec<bool>,
    /// How many timeline entries were new.
    pub appended: usize,
}

/// Which objects to list.
#[derive(Debug, Clone, Default)]
pub struct ListInput {
    /// Only this project.
    pub project: Option<Name>,
    /// Only objects whose labels match.
    pub selector: Selector,
    /// At most so many; 0 means the store's default of 500, and at most 5,000 are given. A page may be shorter where
    /// objects are large.
    pub limit: usize,
    /// [`Page::next`] of the page before.
    pub after: Option<String>,
}

/// A page of objects, ordered by project and name.
#[derive(Debug, Clone)]
pub struct Page {
    /// The objects.
    pub items: Vec<AnyObject>,
    /// Continues the list; `None` on the last page.
    pub next: Option<String>,
    /// Store revision of this page: a watch from here misses nothing of it.
    pub revision: u64,
}

/// A change, as a watcher sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchEvent {
    /// Store revision of the change.
    pub revision: u64,
    /// Which object.
    pub key: Key,
    /// The object after the change; `None` when it was deleted.
    pub object: Option<AnyObject>,
}

/// What to watch.
#[derive(Debug, Clone, Default)]
pub struct WatchInput {
    /// Only these kinds; all when empty.
    pub kinds: Vec<Kind>,
    /// Only this project.
    pub project: Option<Name>,
    /// Changes after this revision.
    pub from: u64,
}

/// Which timeline entries to read.
#[derive(Debug, Clone, Default)]
pub struct TimelineInput {
    /// Only about this subject's object (every replica of it when `replica` is `None`).
    pub subject: Option<Subject>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this project.
    pub project: Option<Name>,
    /// Only on this node.
    pub node: Option<Name>,
    /// Only these acts; all when empty.
    pub acts: Vec<Act>,
    /// Only because of this plan.
    pub plan: Option<PlanId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only entries with a higher sequence number, the first ones (for following).
    pub after: Option<u64>,
    /// Only entries with a lower sequence number (for going back).
    pub before: Option<u64>,
    /// At most so many; 0 means 500, and at most 5,000 are given. Without `after`, the newest ones.
    pub limit: usize,
}

/// An entry with its place in the record.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Recorded {
    /// Grows with every entry of this store.
    pub sequence: u64,
    /// The entry.
    #[serde(flatten)]
    pub entry: TimelineEntry,
}

/// A lease held by one writer at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Grows each time the lease passes to another holder or is taken after it was given up; goes into [`Fence`].
    pub token: u64,
    /// When it runs out.
    pub expires_at: Timestamp,
}

/// What a backup wrote, and what a restore checks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BackupReport {
    /// Store revision of the copy.
    pub revision: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Objects, their history, the timeline and leases.
///
/// When a call returns `Ok`, what it wrote is on disk. Calls may come from any task at any time.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The object, or `None`.
    async fn get(&self, key: &Key) -> Result<Option<AnyObject>, StoreError>;
    /// A page of objects of one kind.
    async fn list(&self, kind: Kind, input: ListInput) -> Result<Page, StoreError>;
    /// Applies a transaction at `now`.
    async fn commit(&self, now: Timestamp, transaction: Transaction) -> Result<CommitReport, StoreError>;
    /// What [`Store::commit`] would report, with nothing written.
    async fn rehearse(&self, now: Timestamp, transaction: Transaction) -> Result<CommitReport, StoreError>;
    /// Changes after `input.from`, oldest first, at most `limit`; waits up to `wait` for the first one.
    /// An empty answer means that nothing matched by then; the second value is the revision to go on from.
    /// A revision that this store has not reached yet (it was restored from a backup) is told as [`StoreError::Compacted`].
    async fn watch(
        &self,
        input: &WatchInput,
        limit: usize,
        wait: Duration,
    ) -> Result<(Vec<WatchEvent>, u64), StoreError>;
    /// Revision of the last change.
    async fn revision(&self) -> Result<u64, StoreError>;
    /// Timeline entries, oldest first; fewer than the limit where entries are large.
    async fn timeline(&self, input: &TimelineInput) -> Result<Vec<Recorded>, StoreError>;
    /// Whether an entry is on the record.
    async fn has_entry(&self, id: EventId) -> Result<bool, StoreError>;
    /// Takes or renews a lease; `None` when another holder has it until later than `now`. Renewing one's own that has run
    /// out keeps its token as long as nobody else had it meanwhile.
    async fn acquire(
        &self,
        now: Timestamp,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> Result<Option<Lease>, StoreError>;
    /// Gives a lease up, if still held.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;
    /// Forgets object history up to `before` and timeline entries older than `timeline_before`; returns how many rows went.
    async fn compact(&self, before: Timestamp, timeline_before: Timestamp) -> Result<u64, StoreError>;
    /// Writes a consistent copy to `to` (a file that must not exist) while work goes on.
    async fn backup(&self, to: &std::path::Path) -> Result<BackupReport, StoreError>;
}
