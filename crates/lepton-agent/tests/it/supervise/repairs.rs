//! Health checks, and what is done when they fail.

use lepton_model::{
    Act, AssignedReplica, CommandStep, Outcome, Period, RepairAction, RepairStep, ReplicaPhase, Risk,
    RunKind, RunbookSpec,
};

use super::child::{command, free_port};
use super::rig::{Rig, name, replica, service};

/// A service with an exec check: healthy while the file `well` is in its folder, which it makes at its start.
fn patient(repair: Vec<RepairStep>) -> AssignedReplica {
    let mut assigned = service("shop", "[ -e incurable ] || touch well; exec sleep 300");
    assigned.spec.checks = serde_json::from_value(serde_json::json!([{
        "name": "well", "probe": {"exec": {"command": ["test", "-e", "well"]}}, "interval": "100ms", "failures": 2,
    }]))
    .unwrap();
    let RunKind::Service { startup, repair: ladder, .. } = &mut assigned.spec.run else { unreachable!() };
    *startup = Period::from_millis(500);
    *ladder = repair;
    assigned
}

const FOLDER: &str = "state/replicas/service_default_shop_0/data";

fn step(action: RepairAction, runbook: Option<&str>) -> RepairStep {
    let mut step = RepairStep::new(action, runbook.map(name));
    step.verify_within = Period::from_secs(1);
    step
}

/// A runbook whose commands leave a word each in `trace`.
fn runbook(rig: &Rig, act: &str, verify: Option<&str>) -> RunbookSpec {
    let trace = rig.path("trace").display().to_string();
    let folder = rig.path(FOLDER).display().to_string();
    let command = |word: &str, script: &str| CommandStep {
        command: ["/bin/sh", "-c", &format!("echo {word} >> {trace}; cd {folder}; {script}")]
            .map(str::to_owned)
            .into(),
        timeout: Period::from_secs(10),
    };
    RunbookSpec {
        description: String::new(),
        check: Some(command("check", "true")),
        act: command("act", act),
        verify: verify.map(|script| command("verify", script)),
        rollback: Some(command("rollback", "true")),
        risk: Risk::Low,
    }
}

/// Runs the patient until it is well, then makes it ill.
async fn fall_ill(rig: &mut Rig, patient: AssignedReplica) {
    rig.apply(vec![patient]).await;
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    std::fs::write(rig.path(FOLDER).join("incurable"), "").unwrap();
    std::fs::remove_file(rig.path(FOLDER).join("well")).unwrap();
}

#[tokio::test]
async fn a_hung_server_is_restarted_by_its_ladder() {
    let mut rig = Rig::new().await;
    let mut shop = patient(vec![step(RepairAction::Restart, None), step(RepairAction::Escalate, None)]);
    let port = free_port();
    shop.ports.insert(name("http"), port);
    shop.spec.ports.push(name("http"));
    shop.spec.command = command("server");
    shop.spec.checks = serde_json::from_value(serde_json::json!([
        {"name": "page", "probe": {"http": {"port": "http", "expect_body": "well"}}, "interval": "100ms",
         "timeout": "500ms", "failures": 2},
        {"name": "port", "probe": {"tcp": {"port": "http"}}, "interval": "100ms"},
    ]))
    .unwrap();
    let RunKind::Service { startup, repair, .. } = &mut shop.spec.run else { unreachable!() };
    *startup = Period::from_secs(20);
    repair[0].verify_within = Period::from_secs(20);
    rig.apply(vec![shop]).await;
    let before = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    assert!(before.checks[0].message.starts_with("200 OK in"), "{:?}", before.checks);
    assert_eq!(before.checks[1].message, "connected");

    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /hang HTTP/1.1\r\n\r\n").unwrap();
    let ill = rig.event(Act::Unhealthy).await;
    assert_eq!(ill.reason, "check page failed 2 times in a row: no answer within 500ms");
    let verified = rig.event(Act::RepairVerify).await;
    assert!(verified.reason.starts_with("restart: healthy again after"), "{}", verified.reason);
    let after = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    assert_ne!(after.pid, before.pid);
    assert_eq!(after.restarts, 1);
    assert_eq!(
        rig.story(),
        [
            (Act::Start, Outcome::Ok),
            (Act::Healthy, Outcome::Ok),
            (Act::Unhealthy, Outcome::Failed),
            (Act::RepairCheck, Outcome::Ok),
            (Act::Stop, Outcome::Ok),
            (Act::Exit, Outcome::Ok),
            (Act::RepairAct, Outcome::Ok),
            (Act::Start, Outcome::Ok),
            (Act::Healthy, Outcome::Ok),
            (Act::RepairVerify, Outcome::Ok),
        ]
    );
    rig.stop().await;
}

#[tokio::test]
async fn what_restarting_does_not_mend_goes_up_the_ladder() {
    let mut rig = Rig::new().await;
    let mend = runbook(&rig, "rm incurable; touch well", Some("test -e well"));
    rig.runbooks.insert("default/mend".into(), mend);
    let ladder = vec![step(RepairAction::Restart, None), step(RepairAction::Runbook, Some("mend"))];
    fall_ill(&mut rig, patient(ladder)).await;
    let verified = rig.event(Act::RepairVerify).await;
    assert_eq!(
        (verified.outcome, verified.reason.as_str()),
        (Outcome::Failed, "restart: still not healthy after 1s")
    );
    let checked = rig.event(Act::RepairCheck).await;
    assert_eq!(checked.reason, "runbook mend: its precondition holds: exit code 0");
    assert_eq!(rig.event(Act::RepairAct).await.outcome, Outcome::Ok);
    let verified = rig.event(Act::RepairVerify).await;
    assert_eq!(verified.outcome, Outcome::Ok, "{}", verified.reason);
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    assert_eq!(rig.text("trace"), "check\nact\nverify\n");
    rig.stop().await;
}

#[tokio::test]
async fn a_runbook_that_does_not_help_is_rolled_back_and_a_person_is_asked() {
    let mut rig = Rig::new().await;
    let useless = runbook(&rig, "echo tried", None);
    rig.runbooks.insert("default/useless".into(), useless);
    let ladder = vec![step(RepairAction::Runbook, Some("useless")), step(RepairAction::Escalate, None)];
    fall_ill(&mut rig, patient(ladder)).await;
    assert_eq!(rig.event(Act::RepairAct).await.reason, "runbook useless: exit code 0: tried");
    assert_eq!(rig.event(Act::RepairVerify).await.outcome, Outcome::Failed);
    assert_eq!(rig.event(Act::RepairRollback).await.outcome, Outcome::Ok);
    let escalated = rig.event(Act::Escalate).await;
    assert_eq!(escalated.reason, "it is unhealthy, and runbook useless did not help");
    assert_eq!(rig.text("trace"), "check\nact\nrollback\n");
    rig.stop().await;
}

#[tokio::test]
async fn a_network_reset_that_costs_the_server_is_rolled_back() {
    let mut rig = Rig::new().await;
    let reset = runbook(&rig, "rm incurable; touch well", None);
    rig.runbooks.insert("default/reset".into(), reset);
    rig.contact.send_modify(|contact| contact.lease = std::time::Duration::from_secs(2));
    let mut ill = patient(vec![step(RepairAction::ResetNetwork, Some("reset"))]);
    // It has to be in reach when the reset is done: it answers until then, and never again.
    ill.spec.checks[0].failures = 1;
    rig.apply(vec![ill]).await;
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    std::fs::write(rig.path(FOLDER).join("incurable"), "").unwrap();
    rig.hear();
    std::fs::remove_file(rig.path(FOLDER).join("well")).unwrap();
    assert_eq!(rig.event(Act::RepairAct).await.outcome, Outcome::Ok);
    let verified = rig.event(Act::RepairVerify).await;
    assert_eq!(verified.reason, "reset_network reset: the server has been out of reach for 2s since");
    assert_eq!(rig.event(Act::RepairRollback).await.outcome, Outcome::Ok);
    assert_eq!(rig.text("trace"), "check\nact\nrollback\n");
    rig.stop().await;
}

#[tokio::test]
async fn a_network_reset_whose_agent_died_is_rolled_back_by_the_next() {
    let mut rig = Rig::new().await;
    let reset = runbook(&rig, "true", None);
    rig.runbooks.insert("default/reset".into(), reset);
    let mut ill = patient(vec![step(RepairAction::ResetNetwork, Some("reset"))]);
    ill.spec.checks[0].failures = 1;
    rig.hear();
    fall_ill(&mut rig, ill).await;
    rig.event(Act::RepairAct).await;
    let (dir, path) = (rig.dir.clone(), rig.path("trace"));
    rig.supervisor.shutdown(true).await;
    drop(rig);

    // This one hears nothing of the server for a whole lease.
    let (events, mut received) = tokio::sync::mpsc::channel(100);
    let contact = lepton_agent::supervise::Contact::never(std::time::Duration::from_millis(500));
    let (_sender, contact) = tokio::sync::watch::channel(contact);
    let config = super::rig::config(dir.path());
    let next = lepton_agent::supervise::Supervisor::open(config, events, contact).await.unwrap();
    let mut next_of = async |act: Act| {
        loop {
            let entry = received.recv().await.unwrap();
            if entry.act == act {
                return entry.outcome;
            }
        }
    };
    assert_eq!(next_of(Act::RepairVerify).await, Outcome::Failed);
    assert_eq!(next_of(Act::RepairRollback).await, Outcome::Ok);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "check\nact\nrollback\n");
    next.shutdown(false).await;
}

#[tokio::test]
async fn a_crash_loop_is_escalated() {
    let mut rig = Rig::new().await;
    let mut broken = service("broken", "exit 1");
    let RunKind::Service { restart, repair, .. } = &mut broken.spec.run else { unreachable!() };
    restart.backoff.initial = Period::from_millis(1);
    restart.crash_loop.restarts = 2;
    *repair = RepairStep::default_ladder();
    rig.apply(vec![broken]).await;
    let skipped = rig.event(Act::RepairCheck).await;
    assert_eq!((skipped.outcome, skipped.act), (Outcome::Skipped, Act::RepairCheck));
    let escalated = rig.event(Act::Escalate).await;
    assert_eq!(escalated.reason, "it is unhealthy, and restart did not help");
    rig.stop().await;
}

#[tokio::test]
async fn a_crash_loop_is_mended_by_a_runbook_and_tried_at_once() {
    let mut rig = Rig::new().await;
    let mut broken = service("shop", "[ -e cured ] && exec sleep 300; exit 1");
    let RunKind::Service { restart, repair, .. } = &mut broken.spec.run else { unreachable!() };
    restart.backoff.initial = Period::from_millis(1);
    restart.backoff.reset = Period::from_millis(200);
    restart.crash_loop.restarts = 2;
    *repair = vec![step(RepairAction::Runbook, Some("cure"))];
    repair[0].verify_within = Period::from_secs(20);
    let cure = runbook(&rig, "touch cured", None);
    rig.runbooks.insert("default/cure".into(), cure);
    rig.apply(vec![broken]).await;
    let verified = rig.event(Act::RepairVerify).await;
    assert_eq!(verified.outcome, Outcome::Ok, "{}", verified.reason);
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    rig.stop().await;
}

#[tokio::test]
async fn checks_that_never_pass_count_once_startup_is_over() {
    let mut rig = Rig::new().await;
    let mut shop = patient(Vec::new());
    shop.spec.command = vec!["/bin/sleep".into(), "300".into()];
    shop.spec.checks[0].probe = serde_json::from_value(serde_json::json!({
        "exec": {"command": ["/bin/sh", "-c", "echo not yet; exit 1"]},
    }))
    .unwrap();
    rig.apply(vec![shop]).await;
    rig.phase(&replica("shop"), ReplicaPhase::Starting).await;
    let report = rig.phase(&replica("shop"), ReplicaPhase::Unhealthy).await;
    assert_eq!(report.checks[0].message, "exit code 1: not yet");
    assert!(!report.checks[0].healthy);
    rig.stop().await;
}
