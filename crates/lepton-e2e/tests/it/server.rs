//! A server that is killed under load loses nothing and disturbs nothing.

use std::time::Duration;

use serde_json::json;

use super::shop::{replica, running, shop, three_clouds};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_killed_server_carries_on_with_everything_it_had_acknowledged() {
    let Some(mut estate) = three_clouds(Duration::from_secs(20)) else { return };
    estate.apply(&shop(3, json!({}))).unwrap();
    running(&estate, 3);
    let pids: Vec<i32> = (0..3).map(|ordinal| replica(&estate, ordinal).1).collect();
    // Killed again and again while agents send every second and objects are written.
    for round in 0..5 {
        let manifest =
            json!({"kind": "runbook", "name": format!("r{round}"), "spec": {"act": {"command": ["true"]}}});
        estate.apply(&manifest).unwrap();
        estate.kill_server();
        estate.start_server().unwrap();
    }
    assert_eq!(estate.count("SELECT count(*) FROM runbooks").unwrap(), 5);
    let applied = "SELECT count(*) FROM timeline WHERE act = 'apply' AND kind = 'runbook'";
    assert_eq!(estate.count(applied).unwrap(), 5, "each with its entry");
    // Services never noticed.
    running(&estate, 3);
    assert_eq!((0..3).map(|ordinal| replica(&estate, ordinal).1).collect::<Vec<_>>(), pids);
    // Samples: every second of every node, none twice.
    no_gaps(&estate, 3);
}

/// Waits until every node's samples up to a moment after now are there, then looks for gaps and doubles.
pub fn no_gaps(estate: &lepton_e2e::Estate, nodes: i64) {
    let now = "SELECT max(time) FROM samples WHERE metric = 'node_load1'";
    let now = estate.count(now).unwrap();
    let later = format!(
        "SELECT count(*) FROM (SELECT node FROM samples WHERE metric = 'node_load1' GROUP BY node HAVING max(time) > {now} + 3000)"
    );
    estate.wait_count(PATIENCE, &later, |count| count == nodes).unwrap();
    let gaps = "SELECT node, prev, at, (at - prev) AS gap FROM (\
                SELECT node, time AS at, lag(time) OVER (PARTITION BY node ORDER BY time) AS prev \
                FROM samples WHERE metric = 'node_load1') WHERE at - prev > 2500";
    assert_eq!(estate.sql(gaps).unwrap(), Vec::<serde_json::Value>::new(), "gaps in what was measured");
    let doubles = "SELECT count(*) FROM (SELECT 1 FROM samples WHERE metric = 'node_load1' GROUP BY node, time HAVING count(*) > 1)";
    assert_eq!(estate.count(doubles).unwrap(), 0, "samples twice");
}
