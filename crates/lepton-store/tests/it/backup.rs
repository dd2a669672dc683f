//! Backups can be put back, and only whole ones are.

use lepton_store::{RestoreError, Store, restore};
use serde_json::json;

use super::{at, key, open_store, put};

#[tokio::test]
async fn a_copy_is_put_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = open_store(&path("lepton.db"));
    for n in 0..20 {
        store.commit(at(n), put(&format!("s-{n}"), json!({ "n": n }))).await.unwrap();
    }
    let report = store.backup(&path("copy")).await.unwrap();
    store.commit(at(99), put("late", json!({}))).await.unwrap();

    // `restore` says the same of the copy as `backup` did, and the copy is a working store.
    assert_eq!(restore(&path("copy"), &path("again.db"), Some(&report.sha256)).unwrap(), report);
    let again = open_store(&path("again.db"));
    assert_eq!(again.revision().await.unwrap(), report.revision);
    assert_eq!(again.get(&key("s-7")).await.unwrap(), store.get(&key("s-7")).await.unwrap());
    assert_eq!(again.get(&key("late")).await.unwrap(), None);
    again.commit(at(100), put("more", json!({}))).await.unwrap();
}

#[tokio::test]
async fn what_is_not_whole_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = open_store(&path("lepton.db"));
    store.commit(at(0), put("s", json!({ "text": "x".repeat(100_000) }))).await.unwrap();
    let report = store.backup(&path("copy")).await.unwrap();
    let whole = std::fs::read(path("copy")).unwrap();

    let refused = |copy: &[u8], expected: Option<&str>| {
        std::fs::write(path("bad"), copy).unwrap();
        let error = restore(&path("bad"), &path("new.db"), expected).unwrap_err();
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert!(
            !names.iter().any(|name| name.to_string_lossy().starts_with("new.db")),
            "left behind: {names:?}"
        );
        error
    };
    let mut flipped = whole.clone();
    flipped[60_000] ^= 1;
    assert!(matches!(refused(&flipped, Some(&report.sha256)), RestoreError::Checksum { .. }));
    let mut torn = whole.clone();
    torn[8_192..12_288].fill(0xff);
    assert!(matches!(refused(&torn, None), RestoreError::Unusable(_)));
    assert!(matches!(refused(&whole[..whole.len() / 2], None), RestoreError::Unusable(_)));
    assert!(matches!(refused(b"", None), RestoreError::Unusable(_)));
    assert!(matches!(
        refused(b"not a database, but long enough to look at", None),
        RestoreError::Unusable(_)
    ));

    let there = restore(&path("copy"), &path("lepton.db"), None).unwrap_err();
    assert!(matches!(there, RestoreError::Exists(_)), "{there}");
}
