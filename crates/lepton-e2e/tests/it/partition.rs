//! A link is cut for a minute and restored.

use std::time::{Duration, Instant};

use lepton_e2e::until;
use serde_json::json;

use super::server::no_gaps;
use super::shop::{replica, running, shop, three_clouds};

const LEASE: Duration = Duration::from_secs(6);

#[test]
fn a_node_cut_off_for_a_minute_keeps_measuring_and_never_runs_a_replica_twice() {
    let Some(estate) = three_clouds(LEASE) else { return };
    // `partition: stop` on a singleton: gone from the side that is cut off before it starts elsewhere.
    let mut single = shop(1, json!({"partition": "stop", "placement": {}}));
    single["name"] = json!("single");
    estate.apply(&single).unwrap();
    estate.apply(&shop(3, json!({}))).unwrap();
    running(&estate, 3);
    let where_single = "SELECT node FROM replicas WHERE name = 'single' AND phase = 'running'";
    until("the singleton to run", || Ok(!estate.sql(where_single)?.is_empty())).unwrap();
    let cut = estate.value(where_single).unwrap().as_str().unwrap().to_owned();
    let at = estate.position(&cut).unwrap();

    estate.set_link(at, false).unwrap();
    let started = Instant::now();
    let lost = format!("SELECT count(*) FROM timeline WHERE act = 'node_lost' AND name = '{cut}'");
    estate.wait_count(Duration::from_secs(60), &lost, |count| count == 1).unwrap();
    let moved = format!(
        "SELECT count(*) FROM replicas WHERE phase = 'running' AND node <> '{cut}' AND name IN ('shop', 'single')"
    );
    estate.wait_count(Duration::from_secs(60), &moved, |count| count == 4).unwrap();
    let alone: Vec<i32> = estate.nodes[at].processes("lepton-shop");
    assert_eq!(
        alone.len(),
        1,
        "the singleton has stopped itself on the side that is cut off; the shop's replica goes on"
    );
    until("a minute to pass with the link cut", || Ok(started.elapsed() > Duration::from_secs(55))).unwrap();

    estate.set_link(at, true).unwrap();
    let back = format!("SELECT count(*) FROM timeline WHERE act = 'node_return' AND name = '{cut}'");
    estate.wait_count(Duration::from_secs(60), &back, |count| count == 1).unwrap();
    until("the replica that moved to end where it was", || {
        Ok(estate.nodes[at].processes("lepton-shop").is_empty())
    })
    .unwrap();
    running(&estate, 3);
    let nodes: Vec<String> = (0..3).map(|ordinal| replica(&estate, ordinal).0).collect();
    assert!(!nodes.contains(&cut), "nothing moves back by itself: {nodes:?}");
    // What was measured meanwhile has arrived.
    no_gaps(&estate, 3);
}
