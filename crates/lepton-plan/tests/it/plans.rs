//! One situation, one plan.

use lepton_model::{ActionKind, JobPhase, NodePhase, ReplicaPhase, Selector};
use serde_json::json;

use super::estate::{Estate, actions, finish, name};

#[test]
fn replicas_start_spread_and_then_nothing_changes() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]).node("b", 4, &[]);
    estate.service(
        "shop",
        json!({"replicas": 2, "resources": {"cpu": "1"}, "placement": {"spread": [{"by": "node"}]}}),
    );
    let plan = estate.plan();
    assert_eq!(plan.reason.split(';').next(), Some("start 2"));
    assert!(plan.actions.iter().all(|a| !a.reason.is_empty()), "{plan:#?}");
    estate.settle();
    assert_eq!(estate.layout(), "shop-0@a shop-1@b");
    assert_eq!(estate.plan().reason, "nothing to do");
}

#[test]
fn what_does_not_fit_says_why() {
    let mut estate = Estate::default();
    estate.node("a", 2, &[("zone", "z1")]);
    estate.service("big", json!({"resources": {"cpu": "3"}}));
    estate.service("far", json!({"placement": {"selector": "zone=z2"}}));
    let plan = estate.settle();
    let why: Vec<&str> = plan.unplaced.iter().map(|u| u.reason.as_str()).collect();
    assert!(why[0].contains("short of cpu") && why[0].contains("a lacks"), "{why:?}");
    assert!(why[1].contains("wrong zone"), "{why:?}");
}

#[test]
fn a_lost_node_s_replicas_go_elsewhere_and_do_not_come_back_twice() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]).node("b", 4, &[]);
    estate.service("shop", json!({"placement": {"selector": "node in (a, b)"}}));
    estate.settle();
    let before = estate.snapshot.reports[0].clone();
    let (home, other) = if before.node == "a" { ("a", "b") } else { ("b", "a") };
    estate.node_mut(home).status.phase = NodePhase::Lost;
    estate.revision();
    let plan = estate.plan();
    assert_eq!(actions(&plan), format!("stop shop-0@{home}, start shop-0@{other}"));
    assert!(plan.actions[1].reason.contains("is lost"), "{:?}", plan.actions[1].reason);
    estate.execute(&plan);
    estate.obey();
    let ActionKind::Start { incarnation, .. } = plan.actions[1].kind else { panic!("{plan:?}") };
    assert!(incarnation > before.incarnation);
    // The node comes back; its assignment no longer holds the replica, and nothing moves back.
    estate.node_mut(home).status.phase = NodePhase::Ready;
    assert_eq!(actions(&estate.plan()), "");
    assert_eq!(estate.layout(), format!("shop-0@{other}"));
}

#[test]
fn a_lost_node_keeps_what_fits_nowhere_else() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]);
    estate.service("shop", json!({}));
    estate.settle();
    estate.node_mut("a").status.phase = NodePhase::Lost;
    let plan = estate.plan();
    assert_eq!(actions(&plan), "");
    assert!(plan.unplaced[0].reason.starts_with("a is lost and nothing else will do"), "{:?}", plan.unplaced);
}

#[test]
fn a_singleton_starts_elsewhere_only_once_the_old_copy_is_gone() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]).node("b", 4, &[]);
    estate.service("db", json!({"partition": "stop", "placement": {"selector": "node=a"}}));
    estate.settle();
    estate.service("db", json!({"partition": "stop"}));
    estate.node_mut("a").spec.draining = true;
    estate.revision();
    let plan = estate.plan();
    assert_eq!(actions(&plan), "stop db-0@a");
    estate.execute(&plan);
    // Not obeyed yet: the report of the old copy still stands.
    assert_eq!(actions(&estate.plan()), "");
    assert!(estate.plan().unplaced[0].reason.contains("once the copy it replaces has ended"));
    estate.obey();
    assert_eq!(actions(&estate.plan()), "start db-0@b");
}

#[test]
fn changes_roll_out_one_at_a_time() {
    let mut estate = Estate::default();
    estate.node("a", 8, &[]);
    estate.service("shop", json!({"replicas": 3}));
    estate.settle();
    estate.service("shop", json!({"replicas": 3, "env": {"V": "2"}}));
    let first = estate.plan();
    assert_eq!(actions(&first), "update shop-0@a");
    estate.execute(&first);
    // Assigned, not yet running the new generation: the next one waits.
    assert_eq!(actions(&estate.plan()), "");
    estate.obey();
    assert_eq!(actions(&estate.plan()), "update shop-1@a");
    estate.settle();
    assert!(estate.snapshot.assignments[0].spec.replicas.iter().all(|r| r.generation == 2));
}

#[test]
fn a_broken_change_stops_at_the_first_replica_and_a_mended_one_goes_on() {
    let mut estate = Estate::default();
    estate.node("a", 8, &[]);
    estate.service("shop", json!({"replicas": 3}));
    estate.settle();
    estate.service("shop", json!({"replicas": 3, "env": {"V": "broken"}}));
    let plan = estate.plan();
    estate.execute(&plan);
    estate.obey();
    estate
        .snapshot
        .reports
        .iter_mut()
        .filter(|r| r.generation == 2)
        .for_each(|r| r.phase = ReplicaPhase::CrashLooping);
    assert_eq!(actions(&estate.plan()), "");
    estate.service("shop", json!({"replicas": 3, "env": {"V": "mended"}}));
    assert_eq!(actions(&estate.plan()), "update shop-0@a");
}

#[test]
fn only_what_changes_how_a_replica_runs_touches_it() {
    let mut estate = Estate::default();
    estate.node("a", 8, &[]);
    estate.service("shop", json!({"replicas": 1}));
    estate.settle();
    estate.service("shop", json!({"replicas": 2, "priority": 5}));
    assert_eq!(actions(&estate.plan()), "start shop-1@a");
    estate.settle();
    estate.service("shop", json!({"replicas": 1, "priority": 5}));
    assert_eq!(actions(&estate.plan()), "stop shop-1@a");
}

#[test]
fn ports_are_chosen_free_kept_and_never_shared() {
    let mut estate = Estate::default();
    estate.node("a", 8, &[]);
    estate.service("web", json!({"replicas": 3, "ports": [{"name": "http"}]}));
    estate.service("fixed", json!({"replicas": 2, "ports": [{"name": "http", "port": 20001}]}));
    let plan = estate.settle();
    assert!(plan.unplaced[0].reason.contains("port 20001 taken"), "{:?}", plan.unplaced);
    let ports = |estate: &Estate| -> Vec<u16> {
        estate.snapshot.assignments[0].spec.replicas.iter().flat_map(|r| r.ports.values().copied()).collect()
    };
    let first = ports(&estate);
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    estate.service("web", json!({"replicas": 3, "env": {"V": "2"}, "ports": [{"name": "http"}]}));
    estate.settle();
    assert_eq!(ports(&estate), first);
}

#[test]
fn more_important_work_takes_the_room() {
    let mut estate = Estate::default();
    estate.node("a", 2, &[]);
    estate.service("batch", json!({"replicas": 2, "resources": {"cpu": "1"}}));
    estate.settle();
    estate.service("shop", json!({"resources": {"cpu": "1"}, "priority": 100}));
    let plan = estate.plan();
    assert!(actions(&plan).contains("start shop-0@a"), "{}", actions(&plan));
    assert!(plan.actions.iter().any(|a| a.reason.contains("gives way to service/default/shop")), "{plan:#?}");
    estate.settle();
    assert_eq!(estate.layout().matches("batch").count(), 1);
}

#[test]
fn a_job_runs_its_copies_once() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]);
    estate.job("report", json!({"completions": 2, "resources": {"cpu": "1"}}));
    estate.settle();
    assert_eq!(estate.layout(), "report-0@a report-1@a");
    finish(&mut estate, "report", ReplicaPhase::Succeeded);
    assert_eq!(actions(&estate.plan()), "", "finished copies stay assigned until the job is over");
    estate.snapshot.jobs[0].status.phase = JobPhase::Succeeded;
    estate.snapshot.jobs[0].status.observed_generation = 1;
    estate.settle();
    assert_eq!(estate.layout(), "");
}

#[test]
fn cordoned_nodes_keep_and_draining_ones_give() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]);
    estate.service("shop", json!({"replicas": 2}));
    estate.settle();
    estate.node_mut("a").spec.cordoned = true;
    estate.node("b", 4, &[]);
    assert_eq!(actions(&estate.plan()), "");
    estate.service("shop", json!({"replicas": 3}));
    estate.settle();
    assert_eq!(estate.layout(), "shop-0@a shop-1@a shop-2@b");
    estate.node_mut("a").spec.draining = true;
    estate.settle();
    assert_eq!(estate.layout(), "shop-0@b shop-1@b shop-2@b");
}

#[test]
fn deleting_a_service_stops_it_everywhere() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]).node("b", 4, &[]);
    estate.service("shop", json!({"replicas": 4}));
    estate.settle();
    estate.snapshot.services.clear();
    let plan = estate.plan();
    assert_eq!(plan.actions.len(), 4);
    assert!(plan.actions.iter().all(|a| a.reason == "service default/shop was deleted"), "{plan:#?}");
}

#[test]
fn a_plan_made_on_old_facts_is_refused() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]);
    estate.service("shop", json!({}));
    let plan = estate.plan();
    estate.service("shop", json!({"env": {"V": "2"}}));
    let refused = lepton_plan::assign(Some(&plan), &estate.snapshot).unwrap_err();
    assert_eq!(refused.to_string(), "default/shop-0 has changed since");
}

#[test]
fn assignments_carry_the_runbooks_that_ladders_name() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]);
    let ladder = json!([{"do": "runbook", "runbook": "clear-cache"}, {"do": "escalate"}]);
    estate.service("shop", json!({"repair": ladder}));
    estate.settle();
    assert!(estate.snapshot.assignments[0].spec.runbooks.is_empty());
    let spec = serde_json::from_value(json!({"act": {"command": ["rm", "-rf", "/var/cache/shop"]}})).unwrap();
    let mut runbook = lepton_model::Object {
        meta: estate.snapshot.services[0].meta.clone(),
        spec,
        status: Default::default(),
    };
    runbook.meta.name = name("clear-cache");
    estate.snapshot.runbooks.push(runbook);
    let changed = lepton_plan::assign(None, &estate.snapshot).unwrap();
    assert_eq!(changed[&name("a")].runbooks.keys().collect::<Vec<_>>(), ["default/clear-cache"]);
}

#[test]
fn selectors_of_the_model_mean_the_same_to_the_solver() {
    let check = |selector: &str| {
        let labels = [("zone", "z1"), ("disk", "ssd")];
        let mut estate = Estate::default();
        estate.node("a", 4, &labels);
        estate.service("shop", json!({"placement": {"selector": selector}}));
        estate.settle();
        let parsed: Selector = selector.parse().unwrap();
        let mut all: lepton_model::Labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        all.insert("node".into(), "a".into());
        assert_eq!(!estate.layout().is_empty(), parsed.matches(&all), "{selector}");
    };
    for selector in [
        "",
        "zone=z1",
        "zone!=z1",
        "zone in (z1,z2)",
        "zone notin (z1)",
        "disk",
        "!disk",
        "gpu",
        "!gpu",
        "gpu!=x",
        "node=a",
        "node=b",
    ] {
        check(selector);
    }
}
