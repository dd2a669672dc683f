//! Samples as tables.

use lepton_lake::{Lake, LakeConfig};
use lepton_sql::{SqlConfig, SqlDoor};

use super::estate::{Estate, NOW};

#[tokio::test]
async fn samples_are_narrowed_by_what_is_asked() {
    let estate = Estate::small().await;
    for (query, expect) in [
        ("SELECT count(*) FROM samples", "542"),
        ("SELECT count(*) FROM samples WHERE metric = 'node_load1'", "180"),
        ("SELECT count(*) FROM samples WHERE metric IN ('node_load1', 'lepton_service_up')", "182"),
        ("SELECT count(*) FROM samples WHERE metric = 'node_load1' AND node = 'edge-2'", "60"),
        ("SELECT count(*) FROM samples WHERE mode = 'idle'", "180"),
        ("SELECT count(*) FROM samples WHERE labels ->> 'mode' = 'idle'", "180"),
        ("SELECT count(*) FROM samples WHERE label(labels, 'mode') = 'idle'", "180"),
        (
            "SELECT count(*) FROM samples WHERE metric = 'node_load1' AND time > ago('10m') AND node = 'edge-1'",
            "10",
        ),
        (
            "SELECT count(*) FROM samples WHERE metric = 'node_load1' AND time >= ago('10m') AND node = 'edge-1'",
            "11",
        ),
        (
            "SELECT count(*) FROM samples WHERE node = 'edge-1' AND metric = 'node_load1' AND at > '2023-11-14T22:10:00Z'",
            "4",
        ),
        // Two scans of one table, and what both find counts once.
        ("SELECT count(*) FROM samples WHERE metric = 'node_load1' OR node = 'edge-1'", "302"),
        ("SELECT min(value), max(value) FROM samples WHERE metric = 'node_load1'", "0.0|5.9"),
        (
            "SELECT time, at, value FROM samples WHERE metric = 'node_load1' AND node = 'edge-1' AND time = 1700000000000",
            "1700000000000|2023-11-14T22:13:20.000Z|0.0",
        ),
        ("SELECT count(*) FROM samples('node_cpu_seconds_total{mode=\"user\",node=~\"edge-[12]\"}')", "120"),
        (
            "SELECT count(*) FROM samples WHERE selector = '{mode!=\"user\", node=\"edge-1\", __name__=~\"node.*\"}'",
            "120",
        ),
        ("SELECT count(*) FROM samples('{')", "error: selector \"{\": wanted a label, found the end"),
        (
            "SELECT metric, value FROM latest WHERE node = 'edge-1' AND mode = 'idle'",
            "node_cpu_seconds_total|60.0",
        ),
        ("SELECT count(*) FROM latest", "11"),
        ("SELECT count(*) FROM latest WHERE time < ago('1m')", "0"),
        (
            "SELECT node, labels FROM series WHERE metric = 'node_cpu_seconds_total' AND mode = 'idle' LIMIT 1",
            "edge-1|{\"mode\":\"idle\"}",
        ),
        ("SELECT count(DISTINCT metric) FROM series", "3"),
        (
            "SELECT node, avg(value) FROM samples WHERE metric = 'node_load1' GROUP BY node ORDER BY node LIMIT 1",
            "edge-1|2.95",
        ),
        (
            "SELECT iso(now()), millis('2023-11-14T22:13:20Z') - now(), iso(NULL)",
            "2023-11-14T22:13:20.000Z|0|null",
        ),
        (
            "SELECT ago('soon')",
            "error: ago: \"soon\" is not a length of time; write it like 500ms, 10s, 5m or 2h",
        ),
    ] {
        assert_eq!(estate.rows(query).await, expect, "{query}");
    }
}

#[tokio::test]
async fn values_that_are_no_numbers() {
    let estate = Estate::empty(SqlConfig::default());
    let mut batch = estate.lake.batch();
    batch.series(&[("__name__", "odd")]).unwrap();
    for (n, value) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5].into_iter().enumerate() {
        batch.sample(NOW + i64::try_from(n).unwrap(), value);
    }
    estate.lake.append(&batch, NOW).unwrap();
    assert_eq!(estate.rows("SELECT value FROM samples ORDER BY time").await, "null +Inf -Inf -0.5");
    assert_eq!(estate.rows("SELECT node, labels FROM samples LIMIT 1").await, "null|{}");
}

#[tokio::test]
async fn a_limit_stops_reading_early() {
    // A lake that lets nobody read more than a thousand samples at once.
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(LakeConfig { query_samples: 1_000, ..LakeConfig::new(folder.path()) }).unwrap();
    let mut batch = lake.batch();
    for node in 0..20 {
        batch.series(&[("__name__", "load"), ("node", &format!("n-{node:02}"))]).unwrap();
        (0..200).for_each(|n| batch.sample(NOW - n * 1_000, n as f64));
    }
    lake.append(&batch, NOW).unwrap();
    let estate = Estate::empty(SqlConfig::default());
    let door = SqlDoor::new(estate.store.clone(), lake, SqlConfig::default());
    let estate = Estate { door, ..estate };
    assert_eq!(
        estate.rows("SELECT DISTINCT node FROM (SELECT node FROM samples LIMIT 300)").await,
        "n-00 n-01"
    );
    assert_eq!(estate.rows("SELECT count(*) FROM samples WHERE node = 'n-19'").await, "200");
    assert_eq!(estate.rows("SELECT count(*) FROM samples WHERE time > ago('10s')").await, "200");
    let refused = estate.rows("SELECT count(*) FROM samples").await;
    assert_eq!(
        refused,
        "error: query needs more than 1000 samples; narrow its labels or time, or widen its step"
    );
}
