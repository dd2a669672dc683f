//! A link is cut for a minute and restored.

use std::time::{Duration, Instant};

use lepton_e2e::until;
use serde_json::json;

use super::server::no_gaps;
use super::shop::{running, shop, three_clouds};

const LEASE: Duration = Duration::from_secs(10);

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
    // What TCP had kept in flight may count as one contact before the agent itself is back.
    estate.wait_count(Duration::from_secs(60), &back, |count| count >= 1).unwrap();
    // It is told what is no longer its own. A replica may come back to even out the clouds, but none runs twice.
    let processes = || estate.nodes.iter().map(|node| node.processes("lepton-shop").len()).sum::<usize>();
    until("three replicas and the singleton, each once", || {
        let reported = "SELECT count(*) FROM replicas WHERE phase = 'running' AND name IN ('shop', 'single')";
        Ok(estate.count(reported)? == 4 && processes() == 4)
    })
    .unwrap_or_else(|error| panic!("{error:#}\n{}", estate.story()));
    // What was measured meanwhile has arrived.
    no_gaps(&estate, 3);
}
