//! The suite that every implementation of [`Store`] passes: each rule of the trait, tried from outside.
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn conforms() {
//!     lepton_store::conformance::run(|| async { Arc::new(open_an_empty_store()) as Arc<dyn Store> }).await;
//! }
//! ```
//!
//! It panics at the first rule that is broken, as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod commits;
mod copies;
mod leases;
mod lists;
mod record;
mod watches;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lepton_model::{
    Act, Actor, AnyObject, EventId, Key, Kind, Labels, Name, Outcome, Subject, TimelineEntry, Timestamp, Uid,
};
use serde_json::Value;

use crate::{Change, CommitReport, Expect, Store, StoreError, Transaction};

/// Bound on every wait; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store that is being tried.
type Tried = Arc<dyn Store>;

type Case = (&'static str, fn(Tried) -> Pin<Box<dyn Future<Output = ()> + Send>>);

macro_rules! cases {
    ($($module:ident: $($name:ident),+;)+) => {
        const CASES: &[Case] = &[$($((
            concat!(stringify!($module), "::", stringify!($name)),
            |store| Box::pin($module::$name(store)),
        ),)+)+];
    };
}

cases! {
    commits: expectations_are_kept, generation_counts_spec_and_labels_only, the_same_again_changes_nothing,
        all_or_nothing, deleting, status_of_nothing, rehearsing_writes_nothing, too_large_is_refused,
        writers_never_lose_an_update;
    lists: selectors_choose, pages_are_stable_under_writes, pages_are_in_order, bad_tokens_are_refused,
        projects_are_apart;
    watches: changes_arrive_in_order, filters_apply, a_wait_ends_at_the_first_change, an_idle_wait_ends,
        a_gap_is_told, limits_cut_without_loss, nothing_is_missed_under_load, a_list_continues_as_a_watch;
    record: entries_come_with_their_changes, known_entries_are_skipped, filters_choose, newest_or_following,
        old_entries_are_forgotten;
    leases: one_holder_at_a_time, tokens_grow, fences_hold;
    copies: a_backup_is_one_moment_under_load, a_backup_overwrites_nothing;
}

/// Tries every rule, each on an empty store from `make`.
///
/// # Panics
/// At the first rule that is broken.
pub async fn run<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Tried>,
{
    for (name, case) in CASES {
        eprintln!("conformance: {name}");
        tokio::time::timeout(PATIENCE * 2, case(make().await)).await.expect(name);
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

/// Ten bytes that no other call gives.
fn unique() -> [u8; 10] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key(text: &str) -> Key {
    Key::new(Kind::Service, Key::default_project(), name(text))
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn put(key: &Key, spec: Value, expect: Expect) -> Change {
    put_labelled(key, &[], spec, expect)
}

fn put_labelled(key: &Key, pairs: &[(&str, &str)], spec: Value, expect: Expect) -> Change {
    Change::PutSpec {
        key: key.clone(),
        uid: Uid::from_parts(at(0), unique()),
        labels: labels(pairs),
        spec,
        expect,
    }
}

fn status(key: &Key, status: Value, expect: Expect) -> Change {
    Change::PutStatus { key: key.clone(), status, expect }
}

fn delete(key: &Key, expect: Expect) -> Change {
    Change::Delete { key: key.clone(), expect }
}

fn entry(subject: &Key, act: Act, reason: &str) -> TimelineEntry {
    TimelineEntry {
        id: EventId::from_parts(at(0), unique()),
        at: at(0),
        actor: Actor::token("alice"),
        act,
        subject: Subject::from(subject.clone()),
        node: None,
        plan: None,
        reason: reason.to_owned(),
        outcome: Outcome::Ok,
        before: None,
        after: None,
    }
}

async fn commit(store: &Tried, changes: Vec<Change>) -> Result<CommitReport, StoreError> {
    store.commit(at(0), Transaction { changes, ..Transaction::default() }).await
}

async fn record(store: &Tried, timeline: Vec<TimelineEntry>) -> usize {
    store.commit(at(0), Transaction { timeline, ..Transaction::default() }).await.unwrap().appended
}

async fn get(store: &Tried, key: &Key) -> AnyObject {
    store.get(key).await.unwrap().unwrap()
}

/// An error by its variant.
fn word<T>(result: &Result<T, StoreError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(StoreError::NotFound(_)) => "not found",
        Err(StoreError::AlreadyExists(_)) => "already exists",
        Err(StoreError::Conflict { .. }) => "conflict",
        Err(StoreError::Fenced(_)) => "fenced",
        Err(StoreError::Compacted { .. }) => "compacted",
        Err(StoreError::Invalid(_)) => "invalid",
        Err(StoreError::Backend(_)) => "backend",
    }
}
