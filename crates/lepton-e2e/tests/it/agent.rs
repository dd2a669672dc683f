//! An agent that dies takes nothing with it.

use std::time::Duration;

use serde_json::json;

use super::shop::{empty, replica, running, shop};

#[test]
fn a_killed_agent_finds_its_services_again_and_doubles_none() {
    let Some(mut estate) = empty(Duration::from_secs(60)) else { return };
    estate.join("edge-1", &[]).unwrap();
    estate.apply(&shop(2, json!({}))).unwrap();
    running(&estate, 2);
    let before = [replica(&estate, 0).1, replica(&estate, 1).1];
    estate.nodes[0].agent.as_mut().unwrap().kill();
    // One service ends while nobody watches; the other goes on.
    estate.nodes[0].kill(before[1]);
    estate.start_agent(0).unwrap();
    let adopted = "SELECT count(*) FROM timeline WHERE act = 'adopt' AND ordinal = 0";
    estate.wait_count(Duration::from_secs(60), adopted, |count| count == 1).unwrap();
    let back = format!(
        "SELECT count(*) FROM replicas WHERE ordinal = 1 AND phase = 'running' AND pid <> {}",
        before[1]
    );
    estate.wait_count(Duration::from_secs(60), &back, |count| count == 1).unwrap();
    assert_eq!(replica(&estate, 0).1, before[0], "the same process as before");
    let mut alive = estate.nodes[0].processes("lepton-shop");
    alive.sort_unstable();
    let mut reported = vec![replica(&estate, 0).1, replica(&estate, 1).1];
    reported.sort_unstable();
    assert_eq!(alive, reported, "no process that is not accounted for");
}
