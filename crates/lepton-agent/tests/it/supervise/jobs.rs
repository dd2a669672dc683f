//! Jobs run to their end.

use lepton_model::{Act, Outcome, Period, ReplicaPhase};

use super::rig::{Rig, job, lives};

#[tokio::test]
async fn a_job_that_succeeds_is_done_also_for_the_next_agent() {
    let mut rig = Rig::new().await;
    let load = job("load", "echo $LEPTON_JOB >> runs", 3, None);
    rig.apply(vec![load.clone()]).await;
    let report = rig.phase(&load.replica, ReplicaPhase::Succeeded).await;
    assert_eq!((report.last_exit.unwrap().code, report.restarts), (Some(0), 0));
    let dir = rig.dir.clone();
    rig.stop().await;
    let mut rig = Rig::open(dir).await;
    rig.phase(&load.replica, ReplicaPhase::Succeeded).await;
    let runs = "state/replicas/job_default_load_0/data/runs";
    assert_eq!((rig.text(runs).as_str(), rig.story()), ("load\n", Vec::new()));
    // Placed anew, it runs anew.
    let mut again = load.clone();
    again.incarnation = 2;
    rig.apply(vec![again]).await;
    rig.until(&load.replica, "done again", |r| r.phase == ReplicaPhase::Succeeded && r.incarnation == 2)
        .await;
    assert_eq!(rig.text(runs), "load\nload\n");
    rig.stop().await;
}

#[tokio::test]
async fn a_job_that_fails_uses_up_its_attempts() {
    let mut rig = Rig::new().await;
    let load = job("load", "echo run; exit 4", 3, None);
    rig.apply(vec![load.clone()]).await;
    let report = rig.phase(&load.replica, ReplicaPhase::Failed).await;
    assert_eq!(report.message, "exit code 4, in the last of 3 attempts");
    assert_eq!(rig.output(&load.replica).await, "run\nrun\nrun\n");
    rig.stop().await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_has_failed() {
    let mut rig = Rig::new().await;
    let load = job("load", "echo $$; exec sleep 300", 2, Some(Period::from_millis(300)));
    rig.apply(vec![load.clone()]).await;
    let report = rig.phase(&load.replica, ReplicaPhase::Failed).await;
    assert_eq!(report.message, "not done within its deadline of 300ms, in the last of 2 attempts");
    let output = rig.output(&load.replica).await;
    let pids: Vec<u32> = output.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((pids.len(), pids.into_iter().any(lives)), (2, false));
    let stops = rig.story().into_iter().filter(|entry| *entry == (Act::Stop, Outcome::Ok)).count();
    assert_eq!(stops, 2);
    rig.stop().await;
}
