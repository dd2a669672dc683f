//! A newcomer's first hour, from `lepton dev` to Ctrl-C, with the real shop.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use serde_json::Value;

use super::program::{Dev, Place, lives, wait_for};

/// The shop's program: built beside `lepton` with the workspace, where the agent looks for it.
fn shop_is_built() -> bool {
    Path::new(env!("CARGO_BIN_EXE_lepton")).with_file_name("lepton-shop").exists()
}

fn pids(place: &Place, name: &str) -> Vec<u64> {
    let list = place.run(&["get", "replicas", name, "-o", "json"]).json();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|replica| replica["pid"].as_u64()).collect()
}

#[test]
fn from_dev_to_goodbye() {
    assert!(shop_is_built(), "build the shop first: cargo build -p lepton-shop");
    let place = Place::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let shop = examples.join("shop.yaml");
    let shop = shop.to_str().unwrap();
    let dev = Dev::start(&place, &[]);

    // Found without a flag, from a folder below.
    let below = place.path("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let status = place.command(&["status", "-o", "json"]).current_dir(&below).output().unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["nodes"]["ready"], 1);
    let twice = place.run(&["dev"]);
    assert_eq!(twice.code, 6, "{}", twice.text());

    // Plan, apply, look.
    assert!(place.run(&["plan", "-f", shop]).ok().contains("start   default/shop-0"));
    let dry = place.run(&["apply", "-f", shop, "--dry-run"]).ok();
    assert_eq!(dry, "service/shop created (dry run)\n");
    assert_eq!(place.run(&["get", "service/shop"]).code, 3);
    assert_eq!(place.run(&["apply", "-f", shop, "--wait"]).ok(), "service/shop created\n");
    assert_eq!(place.run(&["apply", "-f", shop]).ok(), "service/shop unchanged\n");
    let service = place.run(&["get", "service/shop", "-o", "json"]).json();
    assert_eq!((&service["status"]["phase"], &service["status"]["ready"]), (&"running".into(), &2.into()));
    assert!(place.run(&["get", "services"]).ok().contains("shop  running  2/2"));

    // What was printed can be applied again, changed; and a change that untouched replicas survive.
    let before = pids(&place, "shop");
    let printed = place.run(&["get", "service/shop", "-o", "yaml"]).ok();
    let more = printed.replace("replicas: 2\n", "replicas: 3\n");
    place.run_with_input(&["apply", "-f", "-", "--wait"], &more).ok();
    let after = pids(&place, "shop");
    assert!(after.len() == 3 && before.iter().all(|pid| after.contains(pid)), "{before:?} {after:?}");
    let stale = place.run_with_input(&["apply", "-f", "-"], &printed);
    assert_eq!(stale.code, 6, "{}", stale.text());

    // Kill it; it comes back, and says why.
    let victim = *after.first().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(victim).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_for("restart of the killed replica", || {
        let now = pids(&place, "shop");
        let service = place.run(&["get", "service/shop", "-o", "json"]).json();
        (now.len() == 3 && !now.contains(&victim) && service["status"]["phase"] == "running").then_some(())
    });
    let story = wait_for("killed by signal 9 in the story", || {
        let story = place.run(&["explain", "service/shop"]).ok();
        story.contains("killed by signal 9").then_some(story)
    });
    assert!(story.contains("restarted once"), "{story}");

    // Logs, SQL, events, top.
    assert!(place.run(&["logs", "shop"]).ok().contains("open on http://127.0.0.1:"));
    assert_eq!(
        place.run(&["sql", "SELECT name, ready FROM services", "-o", "csv"]).ok(),
        "name,ready\r\nshop,3\r\n"
    );
    let kills =
        "SELECT count(*) AS n FROM timeline WHERE act = 'exit' AND name = ?1 AND reason LIKE '%signal 9%'";
    let counted = place.run(&["sql", kills, "--param", "shop", "-o", "json"]).json();
    assert_eq!(counted["rows"][0][0], 1);
    assert_eq!(place.run(&["sql", "SELEC"]).code, 4);
    assert!(place.run(&["sql", ".tables"]).ok().contains("timeline"));
    let exits = place.run(&["events", "service/shop", "--act", "exit"]).ok();
    assert!(exits.lines().any(|line| line.contains("killed by signal 9")), "{exits}");
    wait_for("measured load on lepton top", || {
        let top = place.run(&["top", "--once"]).ok();
        top.lines().any(|line| line.contains(" ready ") && line.contains(" %")).then_some(())
    });

    // A job, and something that does not fit.
    let job = examples.join("job.yaml");
    place.run(&["apply", "-f", job.to_str().unwrap(), "--wait"]).ok();
    assert!(place.run(&["logs", "host-report"]).ok().contains("report of "));
    let big = "kind: service\nname: big\nspec: {command: [x], resources: {cpu: 100000}}\n";
    let refused = place.run_with_input(&["plan", "-f", "-"], big);
    assert_eq!(refused.code, 9, "{}", refused.text());
    assert!(refused.out.contains("does not fit default/big-0"), "{}", refused.text());

    // Tokens: one that may read.
    place.run(&["token", "create", "eve", "--role", "viewer", "--save", "eve.token"]).ok();
    let eve = [("LEPTON_TOKEN_FILE", "eve.token")];
    assert_eq!(place.run_with(&["get", "services"], &eve).code, 0);
    assert_eq!(place.run_with(&["delete", "service/shop"], &eve).code, 5);
    place.run(&["token", "revoke", "eve"]).ok();
    assert_eq!(place.run_with(&["get", "services"], &eve).code, 5);

    // Backup, checked and damaged.
    let backup = place.run(&["backup"]).ok();
    let backup = backup.trim();
    assert!(place.run(&["restore", backup, "--check"]).ok().contains("whole"));
    place.run(&["restore", backup, "--data", "restored"]).ok();
    assert_eq!(place.run(&["restore", backup, "--data", "restored"]).code, 6);
    let store = Path::new(backup).join("lepton.db");
    let mut bytes = std::fs::read(&store).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&store, bytes).unwrap();
    assert_eq!(place.run(&["restore", backup, "--check"]).code, 4);
    assert_eq!(place.run(&["restore", backup, "--data", "again"]).code, 4);
    assert!(!place.path("again/server").exists());

    // Goodbye: nothing is left behind.
    assert_eq!(place.run(&["delete", "-f", shop]).ok(), "service/shop deleted\n");
    wait_for("end of the shop", || after.iter().all(|&pid| pid == victim || !lives(pid)).then_some(()));
    place.run(&["apply", "-f", shop, "--wait"]).ok();
    let left = pids(&place, "shop");
    assert_eq!(dev.stop(), 0);
    assert!(left.iter().all(|&pid| !lives(pid)), "services outlived lepton dev");
    let gone = place.run(&["status"]);
    assert_eq!(gone.code, 2, "{}", gone.text());
}

#[test]
fn services_outlive_dev_when_asked_and_are_taken_over() {
    assert!(shop_is_built(), "build the shop first: cargo build -p lepton-shop");
    let place = Place::new();
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop.yaml");
    let dev = Dev::start(&place, &["--keep-services"]);
    place.run(&["apply", "-f", shop.to_str().unwrap(), "--wait"]).ok();
    let before = pids(&place, "shop");
    assert_eq!((dev.stop(), before.len()), (0, 2));
    assert!(before.iter().all(|&pid| lives(pid)), "services ended with lepton dev");
    let dev = Dev::start(&place, &[]);
    wait_for("adoption of both replicas", || {
        let adopted = place.run(&["events", "service/shop", "--act", "adopt"]).ok();
        (adopted.lines().count() == 2).then_some(())
    });
    assert_eq!(pids(&place, "shop"), before);
    assert_eq!(dev.stop(), 0);
    assert!(!before.iter().any(|&pid| lives(pid)), "services outlived lepton dev");
}
