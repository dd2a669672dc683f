//! Opening: layouts, damage, other people's files.

use std::collections::BTreeMap;
use std::path::Path;

use lepton_model::{Kind, Timestamp};
use lepton_store::{ListInput, OpenError, SqliteConfig, SqliteStore, Store, TimelineInput};
use rusqlite::Connection;
use serde_json::json;

use super::{at, key, open_store, put};

/// One file per released layout, as that version wrote it. Never edited.
const FIXTURES: &[(u32, &str)] = &[(1, include_str!("../fixtures/v1.sql"))];

fn schema(path: &Path) -> BTreeMap<String, String> {
    let connection = Connection::open(path).unwrap();
    let mut query = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    query.query_map([], |row| Ok((row.get(0)?, words(row.get(1)?)))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn every_past_layout_opens_and_keeps_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.db");
    drop(open_store(&fresh));
    for (layout, sql) in FIXTURES {
        let path = folder.path().join(format!("v{layout}.db"));
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let store = open_store(&path);
        let object = store.get(&key("shop")).await.unwrap().unwrap();
        assert_eq!((object.meta.generation, object.meta.revision), (2, 3));
        assert_eq!((object.spec, object.status), (json!({"replicas": 2}), json!({"ready": 1})));
        let input = ListInput { selector: "tier=web".parse().unwrap(), ..ListInput::default() };
        assert_eq!(store.list(Kind::Service, input).await.unwrap().items.len(), 1);
        let timeline = store.timeline(&TimelineInput::default()).await.unwrap();
        assert_eq!(
            timeline.iter().map(|line| line.entry.reason.as_str()).collect::<Vec<_>>(),
            ["applied", "placed"]
        );
        assert_eq!(store.revision().await.unwrap(), 3);
        store.commit(at(0), put("new", json!({}))).await.unwrap();
        drop(store);
        assert_eq!(schema(&path), schema(&fresh), "layout {layout} becomes what a new file has");
    }
}

#[test]
fn the_latest_layout_has_a_fixture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lepton.db");
    drop(open_store(&path));
    let latest: u32 =
        Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(
        FIXTURES.iter().map(|(layout, _)| *layout).collect::<Vec<_>>(),
        (1..=latest).collect::<Vec<_>>()
    );
}

fn refusal(path: &Path) -> OpenError {
    SqliteStore::open(path, &SqliteConfig::default()).unwrap_err()
}

#[tokio::test]
async fn refusals_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);

    let held = open_store(&path("held.db"));
    assert!(matches!(refusal(&path("held.db")), OpenError::Locked(_)));
    drop(held);
    drop(open_store(&path("held.db")));

    drop(open_store(&path("new.db")));
    Connection::open(path("new.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refusal(&path("new.db"));
    assert!(matches!(error, OpenError::TooNew { found: 99, .. }), "{error}");

    Connection::open(path("other.db")).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    assert!(matches!(refusal(&path("other.db")), OpenError::Foreign(_)));

    std::fs::write(path("text.db"), "dear diary, ".repeat(1_000)).unwrap();
    assert!(matches!(refusal(&path("text.db")), OpenError::Damaged { .. }));
    assert_eq!(
        std::fs::read_to_string(path("text.db")).unwrap(),
        "dear diary, ".repeat(1_000),
        "left as it was"
    );

    assert!(matches!(refusal(&path("no/such/folder.db")), OpenError::Io { .. }));

    let store = open_store(&path("torn.db"));
    for n in 0..50 {
        store.commit(at(n), put(&format!("s-{n}"), json!({ "text": "x".repeat(3_000) }))).await.unwrap();
    }
    drop(store);
    let mut bytes = std::fs::read(path("torn.db")).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096 * 8].fill(0xa5);
    std::fs::write(path("torn.db"), bytes).unwrap();
    let error = refusal(&path("torn.db"));
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("lepton.db"));
    store.commit(at(0), put("s", json!({}))).await.unwrap();
    store.backup(&folder.path().join("copy")).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lepton.db");
    let store = open_store(&path);
    let report = store.commit(Timestamp::from_millis(-5), put("early", json!({}))).await.unwrap();
    assert_eq!(report.objects[0].as_ref().unwrap().meta.created_at, Timestamp::from_millis(-5));
    drop(store);
    assert!(!path.with_file_name("lepton.db-wal").exists(), "the log is folded in at a clean end");
    assert_eq!(open_store(&path).revision().await.unwrap(), 1);
}
