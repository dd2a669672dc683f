//! Leases and fences.

use std::time::Duration;

use serde_json::json;

use super::{Tried, at, key, put, word};
use crate::{Expect, Fence, Lease, Transaction};

const LENGTH: Duration = Duration::from_millis(100);

async fn acquire(store: &Tried, millis: i64, holder: &str) -> Option<Lease> {
    store.acquire(at(millis), "placement", holder, LENGTH).await.unwrap()
}

pub(super) async fn one_holder_at_a_time(store: Tried) {
    let lease = acquire(&store, 0, "a").await.unwrap();
    assert_eq!((lease.name.as_str(), lease.holder.as_str(), lease.expires_at), ("placement", "a", at(100)));
    assert_eq!(acquire(&store, 99, "b").await, None, "held");
    assert_eq!(acquire(&store, 50, "a").await.unwrap().expires_at, at(150), "renewed");
    assert_eq!(acquire(&store, 149, "b").await, None, "held until the renewed end");
    assert!(acquire(&store, 150, "b").await.is_some(), "free once it has run out");
    assert_eq!(acquire(&store, 151, "a").await, None);
    let other = store.acquire(at(151), "repair", "a", LENGTH).await.unwrap();
    assert!(other.is_some(), "leases of other names are apart");
    let contenders = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { acquire(&store, 1_000, &format!("c-{n}")).await.is_some() })
    });
    let mut winners = 0;
    for contender in contenders.collect::<Vec<_>>() {
        winners += u32::from(contender.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(word(&store.acquire(at(0), "", "a", LENGTH).await), "invalid");
    assert_eq!(word(&store.acquire(at(0), "x", "", LENGTH).await), "invalid");
}

pub(super) async fn tokens_grow(store: Tried) {
    let first = acquire(&store, 0, "a").await.unwrap();
    assert_eq!(acquire(&store, 10, "a").await.unwrap().token, first.token, "renewing keeps it");
    let second = acquire(&store, 200, "b").await.unwrap();
    assert!(second.token > first.token);
    store.release(&first).await.unwrap();
    assert_eq!(acquire(&store, 201, "c").await, None, "releasing what one no longer holds does nothing");
    store.release(&second).await.unwrap();
    let third = acquire(&store, 202, "b").await.unwrap();
    assert!(third.token > second.token, "given up and taken again is another holding");
}

pub(super) async fn fences_hold(store: Tried) {
    let write = |now: i64, token: u64| {
        let store = store.clone();
        async move {
            let transaction = Transaction {
                changes: vec![put(&key("shop"), json!({ "at": now }), Expect::Any)],
                timeline: Vec::new(),
                fence: Some(Fence { lease: "placement".into(), token }),
            };
            word(&store.commit(at(now), transaction).await)
        }
    };
    assert_eq!(write(0, 1).await, "fenced", "nobody holds it");
    let first = acquire(&store, 0, "a").await.unwrap();
    assert_eq!(write(1, first.token).await, "ok");
    assert_eq!(write(2, first.token + 1).await, "fenced");
    assert_eq!(write(100, first.token).await, "fenced", "run out");
    let second = acquire(&store, 101, "b").await.unwrap();
    assert_eq!(write(102, first.token).await, "fenced", "passed on");
    assert_eq!(write(103, second.token).await, "ok");
    store.release(&second).await.unwrap();
    assert_eq!(write(104, second.token).await, "fenced", "given up");
    assert_eq!(store.revision().await.unwrap(), 2, "a refused write leaves nothing");
}
