//! A machine's clock is set back an hour while the agent runs.

use std::time::Duration;

use serde_json::json;

use super::shop::{empty, replica, running, shop};

/// Where Debian's libfaketime lies.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[test]
fn a_clock_step_is_on_the_record_and_disturbs_no_service() {
    let Some(mut estate) = empty(Duration::from_secs(10)) else { return };
    if !std::path::Path::new(FAKETIME).exists() {
        assert!(std::env::var_os("CI").is_none(), "in CI no test may skip: {FAKETIME} is missing");
        eprintln!("skipped: {FAKETIME} is missing (package libfaketime)");
        return;
    }
    let file = estate.scratch().join("faketime");
    std::fs::write(&file, "+0").unwrap();
    let environment = [
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // Only the wall clock jumps on a real machine.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let state = estate.scratch().join("edge-1");
    estate.join_with("edge-1", &[], state, &environment).unwrap();
    estate.apply(&shop(1, json!({"env": {"LD_PRELOAD": ""}}))).unwrap();
    running(&estate, 1);
    let before = replica(&estate, 0);
    // A step is what happens between two ticks; on a quick machine the service runs before the first.
    let ticks = "SELECT count(*) FROM samples WHERE node = 'edge-1' AND metric = 'node_load1'";
    estate.wait_count(Duration::from_secs(60), ticks, |count| count >= 1).unwrap();
    std::fs::write(&file, "-3600").unwrap();
    let steps = "SELECT count(*) FROM timeline WHERE act = 'clock_step' AND node = 'edge-1'";
    estate.wait_count(Duration::from_secs(60), steps, |count| count >= 1).unwrap();
    // Leases and checks run on the monotonic clock: nothing was lost, nothing restarted.
    assert_eq!(estate.count("SELECT count(*) FROM timeline WHERE act = 'node_lost'").unwrap(), 0);
    assert_eq!(replica(&estate, 0), before);
    running(&estate, 1);
}
