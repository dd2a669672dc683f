//! The end of an agent is not the end of a service.

use std::sync::Arc;

use lepton_model::{Act, AssignedReplica, Outcome, ReplicaPhase};

use super::child::Agent;
use super::rig::{BOUND, Rig, job, kill, lives, replica, service, until};

/// A service that writes its process id to `pids` in `dir` at every start.
fn witnessed(dir: &std::path::Path, then: &str) -> AssignedReplica {
    service("shop", &format!("echo $$ >> {}/pids; {then}", dir.display()))
}

fn pids(dir: &std::path::Path) -> Vec<u32> {
    let text = std::fs::read_to_string(dir.join("pids")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_service_outlives_its_agent_and_is_taken_over() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let shop = witnessed(dir.path(), "exec sleep 300");
    let agent = Agent::start(dir.path(), 1, std::slice::from_ref(&shop));
    until("it runs", || !pids(dir.path()).is_empty()).await;
    agent.kill();
    let pid = pids(dir.path())[0];
    assert!(lives(pid));

    let mut rig = Rig::open(Arc::clone(&dir)).await;
    let report = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    assert_eq!((report.pid, report.restarts), (Some(pid), 0));
    assert_eq!(rig.story(), [(Act::Adopt, Outcome::Ok)]);

    // It is watched as well as a child would be.
    kill(pid);
    rig.until(&replica("shop"), "back", |r| r.phase == ReplicaPhase::Running && r.pid != Some(pid)).await;
    let exit = rig.event(Act::Exit).await;
    let known = exit.reason.starts_with("killed by signal 9 (SIGKILL)");
    // Kernels before 6.15 do not tell how a process ended that is not a child.
    assert!(known || exit.reason.starts_with("ended while no agent watched"), "{}", exit.reason);
    until("it has started twice", || pids(dir.path()).len() == 2).await;
    rig.stop().await;
    assert!(!pids(dir.path()).into_iter().any(lives));
}

#[tokio::test]
async fn an_adopted_service_is_stopped_with_its_family() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let shop = witnessed(dir.path(), "sleep 300 & echo $! >> pids; echo $! >> $OUT/pids; wait");
    let mut shop = shop;
    shop.spec.env.insert("OUT".into(), dir.path().display().to_string());
    let agent = Agent::start(dir.path(), 1, std::slice::from_ref(&shop));
    until("both run", || pids(dir.path()).len() == 2).await;
    agent.kill();
    let mut rig = Rig::open(Arc::clone(&dir)).await;
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    rig.apply(Vec::new()).await;
    rig.gone(&replica("shop")).await;
    assert!(!pids(dir.path()).into_iter().any(lives));
    rig.stop().await;
}

#[tokio::test]
async fn an_end_while_no_agent_watched_is_noticed() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    // A child stays behind, which the next start must not run beside.
    let mut shop = witnessed(dir.path(), "sleep 300 & echo $! >> $OUT/pids; wait");
    shop.spec.env.insert("OUT".into(), dir.path().display().to_string());
    let agent = Agent::start(dir.path(), 1, std::slice::from_ref(&shop));
    until("both run", || pids(dir.path()).len() == 2).await;
    agent.kill();
    let before = pids(dir.path());
    kill(before[0]);
    until("it is dead", || !lives(before[0])).await;
    assert!(lives(before[1]));

    let mut rig = Rig::open(Arc::clone(&dir)).await;
    let report = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    assert_eq!(report.restarts, 1);
    let exit = rig.event(Act::Exit).await;
    assert_eq!(exit.reason, format!("process {} ended while no agent watched", before[0]));
    assert!(!lives(before[1]));
    rig.stop().await;
}

#[tokio::test]
async fn what_was_unassigned_while_no_agent_watched_is_stopped() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let shop = witnessed(dir.path(), "exec sleep 300");
    let agent = Agent::start(dir.path(), 1, std::slice::from_ref(&shop));
    until("it runs", || !pids(dir.path()).is_empty()).await;
    agent.kill();
    // As if the agent had died after it had kept a newer assignment and before it had acted on it.
    let path = dir.path().join("state/assignment.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    kept["generation"] = 2.into();
    kept["assignment"]["replicas"] = serde_json::json!([]);
    std::fs::write(&path, kept.to_string()).unwrap();
    let rig = Rig::open(Arc::clone(&dir)).await;
    rig.gone(&replica("shop")).await;
    assert!(!lives(pids(dir.path())[0]));
    assert_eq!(rig.supervisor.generation().await, 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_damaged_record_costs_a_restart_and_no_double() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let shop = witnessed(dir.path(), "exec sleep 300");
    let agent = Agent::start(dir.path(), 1, std::slice::from_ref(&shop));
    until("it runs", || !pids(dir.path()).is_empty()).await;
    agent.kill();
    let pid = pids(dir.path())[0];
    std::fs::write(dir.path().join("state/replicas/service_default_shop_0/record.json"), "{\"repl").unwrap();
    let rig = Rig::open(Arc::clone(&dir)).await;
    rig.until(&replica("shop"), "new", |r| r.phase == ReplicaPhase::Running && r.pid != Some(pid)).await;
    assert!(!lives(pid));
    rig.stop().await;
}

/// Agents killed at every stage of starting a service: whatever the moment, one process runs in the end, and never two.
#[tokio::test]
async fn no_moment_of_a_crash_doubles_a_service() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    for round in 0..25_u64 {
        let mut shop = witnessed(dir.path(), "exec sleep 300");
        // Every round has to start a new process.
        shop.spec.env.insert("ROUND".into(), round.to_string());
        let agent = Agent::start(dir.path(), round + 1, std::slice::from_ref(&shop));
        // Killed some milliseconds after it has begun: a different moment in each round.
        until("the agent has begun", || dir.path().join("state/lock").exists()).await;
        tokio::time::sleep(std::time::Duration::from_millis(round * 2)).await;
        agent.kill();
        let alive: Vec<u32> = pids(dir.path()).into_iter().filter(|&pid| lives(pid)).collect();
        assert!(alive.len() <= 1, "round {round}: {alive:?}");
    }
    let mut rig = Rig::open(Arc::clone(&dir)).await;
    let report = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    until("it is witnessed", || pids(dir.path()).last().copied() == report.pid).await;
    let alive: Vec<u32> = pids(dir.path()).into_iter().filter(|&pid| lives(pid)).collect();
    assert_eq!(alive, [report.pid.unwrap()]);
    rig.apply(Vec::new()).await;
    rig.gone(&replica("shop")).await;
    assert!(!pids(dir.path()).into_iter().any(lives));
    rig.stop().await;
}

#[tokio::test]
async fn a_job_that_ended_unwatched_is_tried_again() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let script = format!("echo $$ >> {}/pids; [ -e done ] || exec sleep 300", dir.path().display());
    let copy = job("load", &script, 3, None);
    let agent = Agent::start(dir.path(), 1, std::slice::from_ref(&copy));
    until("it runs", || !pids(dir.path()).is_empty()).await;
    agent.kill();
    kill(pids(dir.path())[0]);
    until("it is dead", || !lives(pids(dir.path())[0])).await;
    std::fs::write(dir.path().join("state/replicas/job_default_load_0/data/done"), "").unwrap();
    let mut rig = Rig::open(Arc::clone(&dir)).await;
    tokio::time::timeout(BOUND, rig.phase(&copy.replica, ReplicaPhase::Succeeded)).await.unwrap();
    assert_eq!(
        rig.story(),
        [(Act::Exit, Outcome::Failed), (Act::Start, Outcome::Ok), (Act::Exit, Outcome::Ok)]
    );
    assert_eq!(pids(dir.path()).len(), 2);
    rig.stop().await;
}
