//! Start, stop, restart.

use lepton_model::{Act, Outcome, Period, ReplicaPhase, Restart, RunKind};

use super::rig::{Rig, is_root, kill, lives, name, replica, service};
use lepton_agent::supervise::ApplyError;

#[tokio::test]
async fn a_process_finds_its_environment_and_folder() {
    let mut rig = Rig::new().await;
    let mut shop = service("shop", "env; echo dir=$(pwd); cat; echo end; exec sleep 300");
    shop.ports.insert(name("http"), 1234);
    shop.ports.insert(name("web-admin"), 1235);
    shop.spec.ports = vec![name("web-admin"), name("http")];
    shop.spec.env.insert("COLOUR".into(), "blue".into());
    rig.apply(vec![shop]).await;
    let output = rig.output_until(&replica("shop"), |output| output.contains("end\n")).await;
    let data = rig.path("state/replicas/service_default_shop_0/data").canonicalize().unwrap();
    for line in [
        "COLOUR=blue",
        "LEPTON_SERVICE=shop",
        "LEPTON_PROJECT=default",
        "LEPTON_ORDINAL=0",
        "PORT=1235",
        "PORT_HTTP=1234",
        "PORT_WEB_ADMIN=1235",
        &format!("dir={}", data.display()),
    ] {
        assert!(output.lines().any(|l| l == line), "no {line} in {output}");
    }
    // The agent's own environment holds secrets.
    assert!(!output.contains("CARGO"), "{output}");
    rig.stop().await;
}

#[tokio::test]
async fn stopping_ends_the_whole_family() {
    let mut rig = Rig::new().await;
    // A child in the group, and one that left it.
    let script = "sleep 300 & echo $!; setsid sleep 300 & echo $!; echo $$; echo end; wait";
    rig.apply(vec![service("family", script)]).await;
    let output = rig.output_until(&replica("family"), |output| output.contains("end\n")).await;
    let pids: Vec<u32> = output.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!((pids.len(), pids.iter().all(|&pid| lives(pid))), (3, true), "{output}");
    rig.apply(Vec::new()).await;
    rig.gone(&replica("family")).await;
    assert!(!pids.iter().any(|&pid| lives(pid)));
    assert_eq!(rig.story(), [(Act::Start, Outcome::Ok), (Act::Stop, Outcome::Ok), (Act::Exit, Outcome::Ok)]);
    rig.stop().await;
}

#[tokio::test]
async fn what_ignores_its_signal_is_killed_after_its_grace() {
    let mut rig = Rig::new().await;
    let mut deaf = service("deaf", "trap '' TERM; echo end; while :; do sleep 300; done");
    deaf.spec.stop.grace = Period::from_millis(200);
    rig.apply(vec![deaf]).await;
    rig.output_until(&replica("deaf"), |output| output.contains("end\n")).await;
    rig.apply(Vec::new()).await;
    let exit = rig.event(Act::Exit).await;
    assert_eq!(exit.reason, "stopped: killed by signal 9, killed after a grace of 200ms");
    rig.gone(&replica("deaf")).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_killed_process_comes_back_with_the_reason_on_record() {
    let mut rig = Rig::new().await;
    rig.apply(vec![service("shop", "sleep 300 & wait")]).await;
    let before = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    kill(before.pid.unwrap());
    let after = rig
        .until(&replica("shop"), "back", |r| r.phase == ReplicaPhase::Running && r.pid != before.pid)
        .await;
    let exit = after.last_exit.unwrap();
    assert_eq!((after.restarts, exit.signal, exit.code, exit.out_of_memory), (1, Some(9), None, false));
    let exit = rig.event(Act::Exit).await;
    assert!(exit.reason.starts_with("killed by signal 9 (SIGKILL); it ran for"), "{}", exit.reason);
    assert!(rig.event(Act::Start).await.reason.starts_with("restarted as process"));
    rig.stop().await;
}

#[tokio::test]
async fn a_crash_loop_is_named_and_slowed_down() {
    let mut rig = Rig::new().await;
    let mut broken = service("broken", "exit 3");
    let RunKind::Service { restart, .. } = &mut broken.spec.run else { unreachable!() };
    restart.backoff.initial = Period::from_millis(1);
    restart.crash_loop.restarts = 3;
    rig.apply(vec![broken]).await;
    let report = rig.phase(&replica("broken"), ReplicaPhase::CrashLooping).await;
    assert_eq!((report.restarts, report.last_exit.unwrap().code), (3, Some(3)));
    assert_eq!(report.message, "exit code 3; starts again in 1m");
    let entry = rig.event(Act::CrashLoop).await;
    assert_eq!(entry.reason, "exit code 3, again and again; from now on it is tried every 1m");
    let mut mended = service("broken", "exec sleep 300");
    mended.generation = 2;
    // A change is tried at once, whatever the back-off.
    rig.apply(vec![mended]).await;
    let report = rig.phase(&replica("broken"), ReplicaPhase::Running).await;
    assert_eq!((report.generation, report.message.as_str()), (2, ""));
    rig.stop().await;
}

#[tokio::test]
async fn what_should_not_restart_does_not() {
    let mut rig = Rig::new().await;
    let with = |title: &str, script: &str, on: Restart| {
        let mut assigned = service(title, script);
        let RunKind::Service { restart, .. } = &mut assigned.spec.run else { unreachable!() };
        restart.on = on;
        assigned
    };
    rig.apply(vec![with("good", "exit 0", Restart::OnFailure), with("bad", "exit 1", Restart::Never)]).await;
    assert_eq!(rig.phase(&replica("good"), ReplicaPhase::Succeeded).await.restarts, 0);
    let bad = rig.phase(&replica("bad"), ReplicaPhase::Failed).await;
    assert_eq!(bad.message, "exit code 1; spec.restart.on keeps it ended");
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let mut rig = Rig::new().await;
    let with = |title: &str, program: &str, dir: Option<&str>, user: Option<&str>| {
        let mut assigned = service(title, "");
        assigned.spec.command = vec![program.to_owned()];
        assigned.spec.working_dir = dir.map(str::to_owned);
        assigned.spec.user = user.map(str::to_owned);
        assigned
    };
    rig.apply(vec![
        with("absent", "/no/such/program", Some("/tmp"), None),
        with("nowhere", "/bin/true", Some("/no/such/folder"), None),
        with("nobody", "/bin/true", None, Some("no-such-user")),
        with("empty", "", Some("/tmp"), None),
    ])
    .await;
    let message = async |service: &str| {
        let waits = |r: &lepton_model::ReplicaReport| r.phase == ReplicaPhase::BackingOff && r.restarts >= 1;
        rig.until(&replica(service), "waiting", waits).await.message
    };
    let starts = |text: String, with: &str| assert!(text.starts_with(with), "{text}");
    starts(message("absent").await, "/no/such/program is not there (looked for from /tmp); starts again in");
    starts(message("nowhere").await, "spec.working_dir: /no/such/folder is not a folder on this node");
    starts(message("nobody").await, "spec.user: this machine has no user \"no-such-user\"");
    starts(message("empty").await, " is not there");
    rig.stop().await;
}

#[tokio::test]
async fn a_process_runs_as_its_user() {
    if !is_root() {
        eprintln!("skipped: only root can run a process as another user");
        return;
    }
    let mut rig = Rig::new().await;
    // tempfile's folders are closed to others.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(rig.dir.path(), open).unwrap();
    let mut shop = service("shop", "id -un; id -Gn; touch mine; ls -l; echo end; exec sleep 300");
    shop.spec.user = Some("nobody".into());
    rig.apply(vec![shop]).await;
    let output = rig.output_until(&replica("shop"), |output| output.contains("end\n")).await;
    assert!(output.starts_with("nobody\nnogroup\n"), "{output}");
    assert!(output.contains("mine"), "{output}");
    rig.stop().await;
}

#[tokio::test]
async fn only_changes_of_the_program_restart_it() {
    let mut rig = Rig::new().await;
    let mut shop = service("shop", "exec sleep 300");
    rig.apply(vec![shop.clone()]).await;
    let first = rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    // Another ladder, other checks, a new placement: the process stays.
    shop.generation = 2;
    shop.incarnation = 2;
    shop.spec.checks =
        serde_json::from_value(serde_json::json!([{"name": "alive", "probe": {"process": {}}}])).unwrap();
    rig.apply(vec![shop.clone()]).await;
    let second = rig
        .until(&replica("shop"), "of generation 2", |r| r.generation == 2 && r.phase == ReplicaPhase::Running)
        .await;
    assert_eq!((second.pid, second.incarnation, second.checks.len()), (first.pid, 2, 1));
    // Another environment: a new process, which is no restart.
    shop.generation = 3;
    shop.spec.env.insert("COLOUR".into(), "red".into());
    rig.apply(vec![shop]).await;
    let third = rig
        .until(&replica("shop"), "of generation 3", |r| r.generation == 3 && r.phase == ReplicaPhase::Running)
        .await;
    assert_ne!(third.pid, first.pid);
    assert_eq!(third.restarts, 0);
    assert!(!lives(first.pid.unwrap()));
    rig.stop().await;
}

#[tokio::test]
async fn an_older_generation_is_refused() {
    let mut rig = Rig::new().await;
    rig.apply(vec![service("shop", "exec sleep 300")]).await;
    rig.apply(vec![service("shop", "exec sleep 300")]).await;
    let old = rig.supervisor.apply(1, Default::default()).await;
    assert!(matches!(old, Err(ApplyError::Stale { given: 1, obeyed: 2 })), "{old:?}");
    let dir = rig.dir.clone();
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    rig.stop().await;
    // Also by the next agent.
    let rig = Rig::open(dir).await;
    let old = rig.supervisor.apply(1, Default::default()).await;
    assert!(matches!(old, Err(ApplyError::Stale { given: 1, obeyed: 2 })), "{old:?}");
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_replica_that_must_not_run_twice_stops_before_its_lease_ends() {
    let mut rig = Rig::new().await;
    let mut single = service("single", "exec sleep 300");
    let RunKind::Service { partition, .. } = &mut single.spec.run else { unreachable!() };
    *partition = lepton_model::PartitionPolicy::Stop;
    rig.apply(vec![single, service("other", "exec sleep 300")]).await;
    rig.phase(&replica("other"), ReplicaPhase::Running).await;
    // Not started without a word from the server.
    let waiting = rig.until(&replica("single"), "waiting", |r| !r.message.is_empty()).await;
    assert_eq!(waiting.pid, None);
    rig.contact.send_modify(|contact| contact.lease = std::time::Duration::from_millis(900));
    rig.hear();
    let running = rig.until(&replica("single"), "running", |r| r.phase == ReplicaPhase::Running).await;
    // The server falls silent.
    let stopped = rig.until(&replica("single"), "stopped", |r| r.pid.is_none()).await;
    assert!(!lives(running.pid.unwrap()));
    assert!(stopped.message.contains("spec.partition is stop"), "{}", stopped.message);
    rig.contact.send_modify(|contact| contact.lease = std::time::Duration::from_secs(60));
    rig.hear();
    rig.phase(&replica("single"), ReplicaPhase::Running).await;
    assert_eq!(rig.report(&replica("other")).unwrap().restarts, 0);
    rig.stop().await;
}

#[tokio::test]
async fn two_agents_do_not_share_a_folder() {
    let rig = Rig::new().await;
    let (events, _received) = tokio::sync::mpsc::channel(1);
    let (_sender, contact) = tokio::sync::watch::channel(*rig.contact.borrow());
    let config = super::rig::config(rig.dir.path());
    let second = lepton_agent::supervise::Supervisor::open(config, events, contact).await;
    assert!(second.is_err_and(|error| error.is_in_use()));
    rig.stop().await;
}

#[tokio::test]
async fn shutting_down_with_the_services_stops_them_and_the_next_agent_starts_them() {
    let mut rig = Rig::new().await;
    rig.apply(vec![service("shop", "exec sleep 300")]).await;
    let pid = rig.phase(&replica("shop"), ReplicaPhase::Running).await.pid.unwrap();
    let dir = rig.dir.clone();
    rig.supervisor.shutdown(false).await;
    assert!(!lives(pid));
    drop(rig);
    let mut rig = Rig::open(dir).await;
    rig.phase(&replica("shop"), ReplicaPhase::Running).await;
    assert_eq!(rig.story(), [(Act::Start, Outcome::Ok)]);
    rig.stop().await;
}
