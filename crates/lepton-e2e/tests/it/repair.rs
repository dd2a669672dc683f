//! A service in three clouds is killed, hung and broken.

use std::time::Duration;

use lepton_e2e::until;
use serde_json::json;

use super::shop::{get, post, replica, running, shop, three_clouds};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn killed_hung_and_broken_services_come_back_or_are_reported() {
    let Some(estate) = three_clouds(Duration::from_secs(10)) else { return };
    estate.apply(&shop(3, json!({}))).unwrap();
    running(&estate, 3);
    let clouds = "SELECT count(DISTINCT n.cloud) FROM replicas r JOIN \
                  (SELECT name, json_extract(labels, '$.cloud') AS cloud FROM nodes) n ON n.name = r.node";
    assert_eq!(estate.count(clouds).unwrap(), 3, "one replica in each cloud\n{}", estate.story());

    // Killed.
    let (node, pid, _) = replica(&estate, 0);
    estate.nodes[estate.position(&node).unwrap()].kill(pid);
    let back = format!(
        "SELECT count(*) FROM replicas WHERE ordinal = 0 AND phase = 'running' AND pid <> {pid} AND restarts >= 1"
    );
    estate.wait_count(PATIENCE, &back, |count| count == 1).unwrap();
    let exits =
        "SELECT count(*) FROM timeline WHERE act = 'exit' AND ordinal = 0 AND reason LIKE '%signal 9%'";
    estate.wait_count(PATIENCE, exits, |count| count == 1).unwrap();
    until("the new process to serve", || Ok(get(&estate, 0, "/"))).unwrap();
    let told = estate.lepton(&["explain", "service/shop"]).unwrap();
    assert!(told.contains("signal 9"), "explain says why:\n{told}");

    // Hung: alive, but its check fails.
    let (_, pid, _) = replica(&estate, 1);
    post(&estate, 1, "/trouble/hang");
    let mended =
        format!("SELECT count(*) FROM replicas WHERE ordinal = 1 AND phase = 'running' AND pid <> {pid}");
    estate.wait_count(PATIENCE, &mended, |count| count == 1).unwrap();
    for act in ["unhealthy", "repair_act", "repair_verify"] {
        let query = format!("SELECT count(*) FROM timeline WHERE act = '{act}' AND ordinal = 1");
        estate.wait_count(PATIENCE, &query, |count| count >= 1).unwrap();
    }

    // Broken: a change that cannot run reaches one replica only; the others go on serving.
    estate
        .apply(&shop(
            3,
            json!({"command": ["/bin/false"], "restart": {"crash_loop": {"restarts": 2, "within": "1m"}}}),
        ))
        .unwrap();
    let loops = "SELECT count(*) FROM replicas WHERE name = 'shop' AND phase = 'crash_looping'";
    estate.wait_count(PATIENCE, loops, |count| count == 1).unwrap();
    assert_eq!(
        estate.count("SELECT count(*) FROM replicas WHERE name = 'shop' AND phase = 'running'").unwrap(),
        2
    );
    let incidents = "SELECT count(*) FROM incidents WHERE phase = 'open'";
    estate.wait_count(PATIENCE, incidents, |count| count >= 1).unwrap();

    // Mended: all serve again, and the incident closes by itself.
    estate.apply(&shop(3, json!({}))).unwrap();
    running(&estate, 3);
    estate.wait_count(PATIENCE, incidents, |count| count == 0).unwrap();
}

#[test]
fn a_runbook_mends_what_a_restart_does_not() {
    let Some(mut estate) = super::shop::empty(Duration::from_secs(10)) else { return };
    estate.join("edge-1", &[]).unwrap();
    let mark = estate.scratch().join("mended");
    let mark = mark.to_string_lossy();
    estate
        .apply(&json!({"kind": "runbook", "name": "mend", "spec": {
            "check": {"command": ["test", "!", "-e", mark]},
            "act": {"command": ["touch", mark]},
            "verify": {"command": ["test", "-e", mark]},
        }}))
        .unwrap();
    estate
        .apply(&shop(1, json!({
            "checks": [{"name": "mended", "probe": {"exec": {"command": ["test", "-e", mark]}}, "interval": "200ms", "failures": 1}],
            "startup": "500ms",
            "repair": [
                {"do": "restart", "verify_within": "1s", "most": 1},
                {"do": "runbook", "runbook": "mend", "verify_within": "5s"},
                {"do": "escalate"},
            ],
        })))
        .unwrap();
    running(&estate, 1);
    let steps = estate
        .sql("SELECT act, outcome, reason FROM timeline WHERE act LIKE 'repair%' AND name = 'shop' ORDER BY at")
        .unwrap();
    let acts: Vec<String> = steps.iter().map(|step| format!("{} {}", step["act"], step["outcome"])).collect();
    assert!(acts.iter().any(|act| act.contains("repair_verify") && act.contains("failed")), "{acts:#?}");
    assert!(acts.last().is_some_and(|act| act.contains("repair_verify") && act.contains("ok")), "{acts:#?}");
    assert_eq!(estate.count("SELECT count(*) FROM incidents WHERE phase <> 'resolved'").unwrap(), 0);
}
