//! Whatever text comes: no write, no panic, a clear word.

use lepton_api::v1::SqlInput;
use lepton_sql::{SqlConfig, SqlError, SqlScope};
use proptest::prelude::*;

use super::estate::{Estate, at};

#[tokio::test]
async fn only_reading_is_allowed() {
    let estate = Estate::small().await;
    let before = estate.store.revision().await.unwrap();
    for query in [
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE x (y)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
        "INSERT INTO services (name) VALUES ('x')",
        "DELETE FROM services",
        "UPDATE nodes SET phase = 'ready'",
        "DROP TABLE services",
        "ATTACH '/tmp/other.db' AS other",
        "DETACH main",
        "PRAGMA writable_schema = 1",
        "PRAGMA hard_heap_limit = 1",
        "SELECT * FROM pragma_database_list",
        "SELECT load_extension('/tmp/evil.so')",
        "SELECT fts3_tokenizer('simple')",
        "BEGIN",
        "SAVEPOINT s",
        "VACUUM INTO '/tmp/copy.db'",
        "REINDEX",
        "ANALYZE",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE services",
        "",
        " -- nothing",
        ";;",
    ] {
        let refused = estate.ask(SqlScope::All, query, Vec::new()).await;
        assert!(
            matches!(refused, Err(SqlError::NotAllowed(_) | SqlError::Statement { .. })),
            "{query:?} gave {refused:?}"
        );
    }
    assert_eq!(estate.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn useful_reading_is() {
    let estate = Estate::small().await;
    for query in [
        "SELECT 1;",
        "/* c */ SELECT 1 -- d",
        "VALUES (1)",
        "WITH c AS (SELECT name FROM nodes) SELECT count(*) FROM c",
        "SELECT value FROM json_each('[1,2]')",
        "EXPLAIN QUERY PLAN SELECT * FROM samples WHERE metric = 'up'",
        "SELECT name, row_number() OVER (ORDER BY name) FROM nodes",
        "SELECT strftime('%H', at) FROM timeline",
        "SELECT * FROM services LEFT JOIN nodes ON nodes.name = services.name",
    ] {
        let rows = estate.rows(query).await;
        assert!(!rows.starts_with("error"), "{query}: {rows}");
    }
}

#[tokio::test]
async fn mistakes_are_shown_where_they_are() {
    let estate = Estate::empty(SqlConfig::default());
    for (query, expect) in [
        ("SELEC 1", "error: near \"SELEC\": syntax error (line 1, column 1, near \"SELEC\")"),
        ("SELECT nme\nFROM nodes", "error: no such column: nme (line 1, column 8, near \"nme\")"),
        ("SELECT 1\nFROM nodez", "error: no such table: nodez"),
        ("SELECT name FROM nodes WHERE", "error: incomplete input"),
        ("DELETE FROM nodes", "error: table nodes may not be modified"),
        ("CREATE TABLE x (y)", "error: only one SELECT is allowed: not authorized"),
        ("SELECT 1; SELECT 2", "error: only one SELECT is allowed: there is more than one statement"),
        ("", "error: only one SELECT is allowed: there is no statement"),
    ] {
        assert_eq!(estate.rows(query).await, expect, "{query:?}");
    }
}

/// Words that make statements which get far.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "SELECT",
            "FROM",
            "WHERE",
            "GROUP BY",
            "ORDER BY",
            "LIMIT",
            "JOIN",
            "ON",
            "AND",
            "OR",
            "NOT",
            "IN",
            "(",
            ")",
            ",",
            "*",
            "=",
            "<",
            ">",
            "nodes",
            "services",
            "samples",
            "latest",
            "timeline",
            "replicas",
            "name",
            "time",
            "at",
            "metric",
            "value",
            "sequence",
            "DESC",
            "1",
            "-1",
            "9223372036854775807",
            "1e400",
            "NULL",
            "'x'",
            "'2023-11-14'",
            "'node_load1'",
            "count(*)",
            "max(value)",
            "ago('1h')",
            "selector",
            "labels",
            "->>",
            ";",
            "UNION ALL",
            "WITH",
            "AS",
            "RECURSIVE",
            "?1",
            "COLLATE NOCASE",
            "BETWEEN",
            "LIKE",
            "IS",
            "json_each(labels)",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ]
}

#[test]
fn any_text_is_answered() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let estate = runtime.block_on(Estate::small());
    let revision = runtime.block_on(estate.store.revision()).unwrap();
    let ask = |query: String| {
        let input = SqlInput { query, params: Vec::new(), max_rows: Some(100) };
        runtime.block_on(estate.door.query(at(0), SqlScope::All, input))
    };
    proptest!(ProptestConfig::with_cases(300), |(words in prop::collection::vec(word(), 0..14), text in any::<String>())| {
        for query in [words.join(" "), format!("SELECT {}", words.join(" ")), format!("SELECT * FROM {}", words.join(" ")), text] {
            if let Err(error) = ask(query) {
                prop_assert!(error.is_of_the_writer(), "{error}");
            }
        }
    });
    assert_eq!(runtime.block_on(estate.store.revision()).unwrap(), revision);
}
