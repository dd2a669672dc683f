//! The agent's disk is full while the server is away.

use std::process::Command;
use std::time::{Duration, Instant};

use lepton_e2e::until;

use super::shop::empty;

#[test]
fn a_full_disk_costs_the_oldest_samples_and_says_so() {
    let Some(mut estate) = empty(Duration::from_secs(60)) else { return };
    let state = estate.scratch().join("small");
    std::fs::create_dir_all(&state).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&state).status().unwrap();
    assert!(mounted.success(), "cannot mount a small file system");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        estate.join_with("edge-1", &[], state.clone(), &[]).unwrap();
        estate.kill_server();
        // Somebody else fills the disk.
        let filler = state.join("filler");
        let _ = Command::new("dd")
            .args(["if=/dev/zero", "bs=64k", "count=1000"])
            .arg(format!("of={}", filler.display()))
            .output();
        let full = Instant::now();
        until("five samples that find no room", || Ok(full.elapsed() > Duration::from_secs(5))).unwrap();
        assert!(estate.nodes[0].agent.as_mut().unwrap().is_alive(), "{}", estate.nodes[0].log());
        std::fs::remove_file(&filler).unwrap();
        estate.start_server().unwrap();
        let told = "SELECT count(*) FROM timeline WHERE act = 'spool_drop' AND node = 'edge-1'";
        estate.wait_count(Duration::from_secs(60), told, |count| count >= 1).unwrap();
        let fresh = "SELECT count(*) FROM samples WHERE metric = 'node_load1' AND time > ago('5s')";
        estate.wait_count(Duration::from_secs(60), fresh, |count| count >= 1).unwrap();
        estate.nodes.clear();
    }));
    let _ = Command::new("umount").arg("-l").arg(&state).status();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
