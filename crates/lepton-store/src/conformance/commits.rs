//! Objects: expectations, generations, no-ops, all or nothing.

use serde_json::json;

use super::{Tried, at, commit, delete, entry, get, key, put, put_labelled, status, word};
use crate::store::{MAX_CHANGES, MAX_ENTRY_BYTES, MAX_OBJECT_BYTES};
use crate::{Expect, Transaction};
use lepton_model::Act;

pub(super) async fn expectations_are_kept(store: Tried) {
    let there = key("there");
    let revision = commit(&store, vec![put(&there, json!({}), Expect::Absent)]).await.unwrap().revision;
    let stale = Expect::Revision(revision + 7);
    for (which, expect, want) in [
        (&there, Expect::Absent, "already exists"),
        (&there, Expect::Present, "ok"),
        (&there, Expect::Any, "ok"),
        (&there, stale, "conflict"),
        (&key("none-1"), Expect::Absent, "ok"),
        (&key("none-2"), Expect::Present, "not found"),
        (&key("none-3"), Expect::Any, "ok"),
        (&key("none-4"), Expect::Revision(1), "not found"),
    ] {
        let result = commit(&store, vec![put(which, json!({"x": 1}), expect)]).await;
        assert_eq!(word(&result), want, "put {which} {expect:?}");
    }
    let now = Expect::Revision(get(&store, &there).await.meta.revision);
    for (which, expect, want) in [
        (&there, stale, "conflict"),
        (&there, Expect::Absent, "invalid"),
        (&key("none-2"), Expect::Present, "not found"),
        (&key("none-2"), Expect::Revision(1), "not found"),
        (&there, now, "ok"),
        (&there, now, "conflict"),
    ] {
        let result = commit(&store, vec![status(which, json!({"up": true}), expect)]).await;
        assert_eq!(word(&result), want, "status {which} {expect:?}");
    }
    for (which, expect, want) in [
        (&there, stale, "conflict"),
        (&there, Expect::Absent, "already exists"),
        (&key("none-2"), Expect::Present, "not found"),
        (&there, Expect::Present, "ok"),
        (&there, Expect::Present, "not found"),
    ] {
        let result = commit(&store, vec![delete(which, expect)]).await;
        assert_eq!(word(&result), want, "delete {which} {expect:?}");
    }
}

pub(super) async fn generation_counts_spec_and_labels_only(store: Tried) {
    let shop = key("shop");
    let versions = |object: &lepton_model::AnyObject| (object.meta.generation, object.meta.revision);
    let made = commit(&store, vec![put(&shop, json!({"n": 1}), Expect::Any)]).await.unwrap();
    let first = made.objects[0].clone().unwrap();
    assert_eq!((versions(&first), made.changed[0]), ((1, made.revision), true));
    assert_eq!((first.meta.created_at, first.meta.updated_at, &first.status), (at(0), at(0), &json!(null)));

    let steps = [
        (status(&shop, json!({"up": 1}), Expect::Any), 1),
        (put(&shop, json!({"n": 2}), Expect::Any), 2),
        (put_labelled(&shop, &[("tier", "web")], json!({"n": 2}), Expect::Any), 3),
        (put_labelled(&shop, &[], json!({"n": 2}), Expect::Any), 4),
    ];
    for (change, generation) in steps {
        let before = get(&store, &shop).await;
        let transaction = Transaction { changes: vec![change], ..Transaction::default() };
        let report = store.commit(at(5), transaction).await.unwrap();
        let after = report.objects[0].clone().unwrap();
        assert_eq!(after.meta.generation, generation);
        assert!(after.meta.revision > before.meta.revision);
        assert_eq!((after.meta.uid, after.meta.created_at), (first.meta.uid, at(0)), "identity stays");
        assert_eq!(after.meta.updated_at, at(5));
        assert_eq!(get(&store, &shop).await, after, "what was reported is what is there");
    }
    assert_eq!(get(&store, &shop).await.status, json!({"up": 1}), "a spec leaves the status alone");

    commit(&store, vec![delete(&shop, Expect::Any)]).await.unwrap();
    let again = commit(&store, vec![put(&shop, json!({}), Expect::Absent)]).await.unwrap();
    let again = again.objects[0].clone().unwrap();
    assert_eq!(again.meta.generation, 1, "a new object under an old name starts over");
    assert_ne!(again.meta.uid, first.meta.uid);
}

pub(super) async fn the_same_again_changes_nothing(store: Tried) {
    let shop = key("shop");
    let spec = || json!({"a": 1, "b": [1.5, null]});
    commit(&store, vec![put(&shop, spec(), Expect::Any), status(&shop, json!({"up": 1}), Expect::Any)])
        .await
        .unwrap();
    let before = (get(&store, &shop).await, store.revision().await.unwrap());
    let reordered = json!({"b": [1.5, null], "a": 1});
    for change in [
        put(&shop, spec(), Expect::Any),
        put(&shop, reordered, Expect::Present),
        status(&shop, json!({"up": 1}), Expect::Present),
    ] {
        let transaction = Transaction { changes: vec![change], ..Transaction::default() };
        let report = store.commit(at(9), transaction).await.unwrap();
        assert_eq!(report.changed, [false]);
        assert_eq!(report.objects[0].as_ref(), Some(&before.0));
        assert_eq!((get(&store, &shop).await, report.revision), before);
    }
}

pub(super) async fn all_or_nothing(store: Tried) {
    let (a, b) = (key("a"), key("b"));
    commit(&store, vec![put(&a, json!({"n": 1}), Expect::Any)]).await.unwrap();
    let revision = store.revision().await.unwrap();
    let line = entry(&a, Act::Apply, "never");
    let transaction = Transaction {
        changes: vec![
            put(&a, json!({"n": 2}), Expect::Any),
            put(&b, json!({}), Expect::Any),
            delete(&key("c"), Expect::Present),
        ],
        timeline: vec![line.clone()],
        fence: None,
    };
    assert_eq!(word(&store.commit(at(1), transaction).await), "not found");
    assert_eq!(get(&store, &a).await.spec, json!({"n": 1}));
    assert_eq!(store.get(&b).await.unwrap(), None);
    assert_eq!(store.revision().await.unwrap(), revision);
    assert!(!store.has_entry(line.id).await.unwrap());

    // In order: a later change sees what an earlier one of the same transaction did.
    let report = commit(
        &store,
        vec![
            put(&b, json!({}), Expect::Absent),
            status(&b, json!({"up": 1}), Expect::Present),
            delete(&b, Expect::Present),
            put(&b, json!({"n": 3}), Expect::Absent),
        ],
    )
    .await
    .unwrap();
    assert_eq!(report.changed, [true; 4]);
    assert_eq!(report.objects[2], None);
    assert_eq!(report.objects[3], Some(get(&store, &b).await));
    assert_eq!(report.revision, store.revision().await.unwrap());
}

pub(super) async fn deleting(store: Tried) {
    let shop = key("shop");
    commit(&store, vec![put_labelled(&shop, &[("a", "b")], json!({}), Expect::Any)]).await.unwrap();
    let report = commit(&store, vec![delete(&shop, Expect::Any)]).await.unwrap();
    assert_eq!((&report.objects[..], &report.changed[..]), (&[None][..], &[true][..]));
    assert_eq!(store.get(&shop).await.unwrap(), None);
    let again = commit(&store, vec![delete(&shop, Expect::Any)]).await.unwrap();
    assert_eq!((again.changed[0], again.revision), (false, report.revision), "deleting nothing does nothing");
}

pub(super) async fn status_of_nothing(store: Tried) {
    let report = commit(&store, vec![status(&key("gone"), json!({"up": 1}), Expect::Any)]).await.unwrap();
    assert_eq!((&report.objects[..], &report.changed[..], report.revision), (&[None][..], &[false][..], 0));
    assert_eq!(store.get(&key("gone")).await.unwrap(), None);
}

pub(super) async fn rehearsing_writes_nothing(store: Tried) {
    let shop = key("shop");
    let line = entry(&shop, Act::Apply, "tried");
    let transaction = || Transaction {
        changes: vec![put(&shop, json!({"n": 1}), Expect::Absent)],
        timeline: vec![line.clone()],
        fence: None,
    };
    let rehearsed = store.rehearse(at(1), transaction()).await.unwrap();
    assert_eq!((rehearsed.changed[0], rehearsed.appended), (true, 1));
    assert_eq!((store.get(&shop).await.unwrap(), store.revision().await.unwrap()), (None, 0));
    assert!(!store.has_entry(line.id).await.unwrap());
    let mut done = store.commit(at(1), transaction()).await.unwrap();
    // Every call of `transaction` draws another uid.
    done.objects[0].as_mut().unwrap().meta.uid = rehearsed.objects[0].as_ref().unwrap().meta.uid;
    assert_eq!(done, rehearsed, "a rehearsal tells what a commit does");
    assert_eq!(word(&store.rehearse(at(1), transaction()).await), "already exists");
}

pub(super) async fn too_large_is_refused(store: Tried) {
    let shop = key("shop");
    let large = |bytes: usize| json!({ "text": "x".repeat(bytes) });
    commit(&store, vec![put(&shop, large(MAX_OBJECT_BYTES - 1_000), Expect::Any)]).await.unwrap();
    let refused = commit(&store, vec![status(&shop, large(2_000), Expect::Any)]).await;
    assert_eq!(word(&refused), "invalid", "spec and status together count");
    let refused = commit(&store, vec![put(&key("other"), large(MAX_OBJECT_BYTES), Expect::Any)]).await;
    assert_eq!(word(&refused), "invalid");
    let many = vec![delete(&shop, Expect::Any); MAX_CHANGES + 1];
    assert_eq!(word(&commit(&store, many).await), "invalid");
    let mut line = entry(&shop, Act::Apply, "");
    line.reason = "x".repeat(MAX_ENTRY_BYTES + 1);
    let transaction = Transaction { timeline: vec![line], ..Transaction::default() };
    assert_eq!(word(&store.commit(at(0), transaction).await), "invalid");
    assert_eq!(store.revision().await.unwrap(), 1);
}

pub(super) async fn writers_never_lose_an_update(store: Tried) {
    let shop = key("shop");
    commit(&store, vec![put(&shop, json!({"n": 0}), Expect::Any)]).await.unwrap();
    let (writers, rounds) = (8, 20);
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (store, shop) = (store.clone(), shop.clone());
            tokio::spawn(async move {
                for _ in 0..rounds {
                    loop {
                        let read = get(&store, &shop).await;
                        let n = read.spec["n"].as_u64().unwrap() + 1;
                        let change = put(&shop, json!({ "n": n }), Expect::Revision(read.meta.revision));
                        match word(&commit(&store, vec![change]).await) {
                            "ok" => break,
                            other => assert_eq!(other, "conflict"),
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let after = get(&store, &shop).await;
    assert_eq!((after.spec, after.meta.generation), (json!({"n": writers * rounds}), 1 + writers * rounds));
}
