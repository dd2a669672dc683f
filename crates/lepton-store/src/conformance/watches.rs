//! Watches: order, filters, waiting, gaps, and that nothing is ever missed.

use std::collections::BTreeMap;
use std::time::Duration;

use lepton_model::{Key, Kind};
use serde_json::json;

use super::{PATIENCE, Tried, at, commit, delete, get, key, name, put, status, word};
use crate::{Expect, ListInput, StoreError, Transaction, WatchInput};

const NOW: Duration = Duration::ZERO;

fn from(revision: u64) -> WatchInput {
    WatchInput { from: revision, ..WatchInput::default() }
}

pub(super) async fn changes_arrive_in_order(store: Tried) {
    let shop = key("shop");
    commit(&store, vec![put(&shop, json!({"n": 1}), Expect::Any)]).await.unwrap();
    let first = get(&store, &shop).await;
    commit(&store, vec![status(&shop, json!({"up": 1}), Expect::Any)]).await.unwrap();
    let second = get(&store, &shop).await;
    commit(&store, vec![put(&shop, json!({"n": 1}), Expect::Any)]).await.unwrap();
    commit(&store, vec![delete(&shop, Expect::Any)]).await.unwrap();
    let (events, next) = store.watch(&from(0), 100, NOW).await.unwrap();
    let objects: Vec<_> = events.iter().map(|event| event.object.clone()).collect();
    assert_eq!(
        objects,
        [Some(first.clone()), Some(second), None],
        "each change once, as it was then; no-ops never"
    );
    assert!(events.windows(2).all(|pair| pair[0].revision < pair[1].revision));
    assert!(events.iter().all(|event| event.key == shop));
    assert_eq!(events[0].revision, first.meta.revision);
    assert_eq!(next, store.revision().await.unwrap());
    let (rest, _) = store.watch(&from(events[1].revision), 100, NOW).await.unwrap();
    assert_eq!(rest, events[2..], "from a revision: what came after it");
    assert!(store.watch(&from(next), 100, NOW).await.unwrap().0.is_empty());
}

pub(super) async fn filters_apply(store: Tried) {
    let keys = [
        key("a"),
        Key::new(Kind::Job, Key::default_project(), name("b")),
        Key::new(Kind::Service, name("bank"), name("c")),
    ];
    commit(&store, keys.iter().map(|key| put(key, json!({}), Expect::Any)).collect()).await.unwrap();
    for (kinds, project, expect) in [
        (vec![], None, "a b c"),
        (vec![Kind::Service], None, "a c"),
        (vec![Kind::Service, Kind::Job], None, "a b c"),
        (vec![], Some("bank"), "c"),
        (vec![Kind::Job], Some("bank"), ""),
    ] {
        let input = WatchInput { kinds, project: project.map(name), from: 0 };
        let (events, next) = store.watch(&input, 100, NOW).await.unwrap();
        let names: Vec<&str> = events.iter().map(|event| event.key.name.as_str()).collect();
        assert_eq!(names.join(" "), expect, "{input:?}");
        assert_eq!(next, store.revision().await.unwrap(), "what does not match is passed over");
    }
}

pub(super) async fn a_wait_ends_at_the_first_change(store: Tried) {
    let waiting = tokio::spawn({
        let store = store.clone();
        let input = WatchInput { kinds: vec![Kind::Job], ..WatchInput::default() };
        async move { store.watch(&input, 100, PATIENCE).await.unwrap() }
    });
    let job = Key::new(Kind::Job, Key::default_project(), name("late"));
    commit(&store, vec![put(&key("other"), json!({}), Expect::Any)]).await.unwrap();
    tokio::task::yield_now().await;
    commit(&store, vec![put(&job, json!({}), Expect::Any)]).await.unwrap();
    let (events, _) =
        tokio::time::timeout(PATIENCE / 2, waiting).await.expect("woken by the change").unwrap();
    assert_eq!(events.first().map(|event| event.key.clone()), Some(job));
}

pub(super) async fn an_idle_wait_ends(store: Tried) {
    let (events, next) = store.watch(&from(0), 100, Duration::from_millis(20)).await.unwrap();
    assert!(events.is_empty());
    assert_eq!(next, 0);
}

pub(super) async fn a_gap_is_told(store: Tried) {
    for n in 0..10 {
        let transaction = Transaction {
            changes: vec![put(&key("shop"), json!({ "n": n }), Expect::Any)],
            ..Transaction::default()
        };
        store.commit(at(n * 10), transaction).await.unwrap();
    }
    assert_eq!(store.compact(at(50), at(-1)).await.unwrap(), 5);
    let gap = store.watch(&from(3), 100, NOW).await;
    assert!(matches!(gap, Err(StoreError::Compacted { from: 3, compacted: 5 })), "{gap:?}");
    let (events, _) = store.watch(&from(5), 100, NOW).await.unwrap();
    assert_eq!(events.len(), 5, "from the compacted revision on, everything is there");
    assert_eq!(word(&store.watch(&from(11), 100, NOW).await), "compacted", "a revision this store never had");
    assert_eq!(get(&store, &key("shop")).await.spec, json!({"n": 9}), "objects themselves stay");
    // With every change forgotten the newest revision is still a place to start.
    store.compact(at(1_000), at(-1)).await.unwrap();
    assert!(store.watch(&from(10), 100, NOW).await.unwrap().0.is_empty());
    assert_eq!(word(&store.watch(&from(9), 100, NOW).await), "compacted");
}

pub(super) async fn limits_cut_without_loss(store: Tried) {
    let all: Vec<Key> = (0..23).map(|n| key(&format!("s-{n:02}"))).collect();
    commit(&store, all.iter().map(|key| put(key, json!({}), Expect::Any)).collect()).await.unwrap();
    let (mut seen, mut revision) = (Vec::new(), 0);
    loop {
        let (events, next) = store.watch(&from(revision), 5, NOW).await.unwrap();
        assert!(events.len() <= 5);
        if events.is_empty() {
            break;
        }
        seen.extend(events.into_iter().map(|event| event.key));
        revision = next;
    }
    assert_eq!(seen, all);
}

pub(super) async fn nothing_is_missed_under_load(store: Tried) {
    let (writers, rounds) = (6_u64, 30_u64);
    let total = usize::try_from(writers * rounds).unwrap();
    let watching = tokio::spawn({
        let store = store.clone();
        async move {
            let (mut seen, mut revision) = (Vec::new(), 0);
            while seen.len() < total {
                let (events, next) = store.watch(&from(revision), 10, PATIENCE).await.unwrap();
                seen.extend(events);
                revision = next;
            }
            seen
        }
    });
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 1..=rounds {
                    let change = put(&key(&format!("w-{writer}")), json!({ "n": n }), Expect::Any);
                    commit(&store, vec![change]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let seen = tokio::time::timeout(PATIENCE, watching).await.expect("every change was seen").unwrap();
    let mut last = BTreeMap::new();
    for event in &seen {
        let object = event.object.as_ref().unwrap();
        assert_eq!(object.meta.revision, event.revision);
        let before = last.insert(event.key.clone(), object.meta.generation).unwrap_or(0);
        assert_eq!(
            object.meta.generation,
            before + 1,
            "no change of {} was skipped or told twice",
            event.key
        );
    }
    assert!(last.values().all(|n| *n == rounds));
}

pub(super) async fn a_list_continues_as_a_watch(store: Tried) {
    commit(&store, vec![put(&key("a"), json!({}), Expect::Any)]).await.unwrap();
    let page = store.list(Kind::Service, ListInput::default()).await.unwrap();
    commit(&store, vec![put(&key("b"), json!({}), Expect::Any)]).await.unwrap();
    let (events, _) = store.watch(&from(page.revision), 100, NOW).await.unwrap();
    let names: Vec<&str> = events.iter().map(|event| event.key.name.as_str()).collect();
    assert_eq!(names, ["b"]);
}
