//! Backups.

use serde_json::json;

use super::{Tried, commit, key, put, word};
use crate::Expect;

pub(super) async fn a_backup_is_one_moment_under_load(store: Tried) {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..50 {
        commit(&store, vec![put(&key(&format!("base-{n}")), json!({"n": n}), Expect::Any)]).await.unwrap();
    }
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let load = tokio::spawn({
        let store = store.clone();
        async move {
            let mut n = 0_u64;
            while stopped.try_recv().is_err() {
                n += 1;
                // Two objects in one transaction: a copy has both or neither.
                let pair = ["left", "right"].map(|side| put(&key(side), json!({ "n": n }), Expect::Any));
                commit(&store, pair.into()).await.unwrap();
            }
            n
        }
    });
    let before = store.revision().await.unwrap();
    let report = store.backup(&folder.path().join("copy")).await.unwrap();
    let after = store.revision().await.unwrap();
    stop.send(()).unwrap();
    assert!(load.await.unwrap() > 0);
    assert!((before..=after).contains(&report.revision), "{before} ≤ {} ≤ {after}", report.revision);
    assert_eq!(report.bytes, std::fs::metadata(folder.path().join("copy")).unwrap().len());
    assert_eq!(report.sha256.len(), 64);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the copy is left");
}

pub(super) async fn a_backup_overwrites_nothing(store: Tried) {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("precious");
    std::fs::write(&there, "mine").unwrap();
    assert_ne!(word(&store.backup(&there).await), "ok");
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "mine");
    assert_ne!(word(&store.backup(&folder.path().join("no/such/folder/copy")).await), "ok");
}
