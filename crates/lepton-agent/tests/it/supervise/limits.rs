//! Limits by control groups, where this machine permits them.

use lepton_model::{Act, Bytes, Cpu, ReplicaPhase};

use super::rig::{Rig, is_root, replica, service};

#[tokio::test]
async fn what_takes_more_memory_than_it_may_is_killed_and_said_to_be() {
    let mut rig = Rig::new().await;
    // Doubles a variable until it is refused.
    let script = "sleep 0.1; x=0123456789abcdef; while :; do x=$x$x; done";
    let mut greedy = service("greedy", script);
    greedy.spec.limits.memory = Bytes::mebi(32);
    rig.apply(vec![greedy]).await;
    let report = rig.until(&replica("greedy"), "started", |r| r.pid.is_some() || r.last_exit.is_some()).await;
    if report.message.contains("limits.memory is not enforced") {
        eprintln!("skipped: {}", report.message);
        rig.apply(Vec::new()).await;
        rig.gone(&replica("greedy")).await;
        return;
    }
    let report = rig.until(&replica("greedy"), "killed", |r| r.last_exit.is_some()).await;
    assert!(report.last_exit.unwrap().out_of_memory);
    let exit = rig.event(Act::Exit).await;
    assert!(
        exit.reason.starts_with("killed by the kernel: out of its memory limit of 32Mi; it ran for"),
        "{}",
        exit.reason
    );
    rig.stop().await;
}

#[tokio::test]
async fn limits_that_cannot_be_enforced_are_said() {
    let mut rig = Rig::new().await;
    let mut shop = service("shop", "exec sleep 300");
    shop.spec.limits.disk = Bytes::mebi(1);
    shop.spec.limits.cpu = Cpu::from_millis(500);
    rig.apply(vec![shop]).await;
    let report = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    assert!(report.message.contains("limits.disk is not enforced"), "{}", report.message);
    let cpu = report.message.contains("limits.cpu is not enforced");
    if is_root() {
        eprintln!("cpu limit enforced: {}", !cpu);
    } else {
        assert!(cpu, "{}", report.message);
    }
    rig.stop().await;
}

#[tokio::test]
async fn usage_counts_what_a_service_burns() {
    let mut rig = Rig::new().await;
    rig.apply(vec![service("busy", "while :; do :; done")]).await;
    rig.phase(&replica("busy"), ReplicaPhase::Running).await;
    let used = || rig.supervisor.usage().into_iter().next().unwrap();
    super::rig::until("it has used processor time", || used().cpu.as_millis() > 50).await;
    let usage = used();
    assert_eq!((usage.replica, usage.up, usage.restarts), (replica("busy"), true, 0));
    assert!(usage.memory > 0);
    rig.stop().await;
}
