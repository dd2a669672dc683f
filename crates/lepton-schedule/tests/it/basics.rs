//! One constraint at a time.

use lepton_schedule::problem::NodeState;
use lepton_schedule::{Assignment, Budget, Problem, ProblemError, solve};

use crate::build::{node, nodes_of, offer, peer, problem, running, skew, solved, usd, within, work};

#[test]
fn the_three_tasks_of_the_mission_all_fit() {
    let mut pool = node("pool", 1000, "z1");
    pool.capacity = [("cpu".into(), 1_000_000), ("memory".into(), 1_000_000_000_000)].into();
    let task = |name: &str, cores: i64, mb: i64| {
        let mut t = work(name, 1, 0);
        t.requests = [("cpu".into(), cores * 1000), ("memory".into(), mb * 1_000_000)].into();
        t
    };
    let p = problem([pool], [task("a", 200, 300), task("b", 500, 500), task("c", 300, 700)]);
    let s = solved(&p, &Assignment::default());
    assert!(s.unplaced.is_empty(), "{:?}", s.unplaced);
    let used = |name: &str| p.workloads.iter().map(|w| w.requests[name]).sum::<i64>() as f64;
    assert_eq!(used("cpu") / 1_000_000.0, 1.0);
    assert_eq!(used("memory") / 1e12, 0.0015);
}

#[test]
fn replicas_spread_over_zones() {
    let nodes = [node("a", 8000, "z1"), node("b", 8000, "z2"), node("c", 8000, "z3")];
    let mut w = work("web", 6, 500);
    w.spread = vec![skew("zone", 1)];
    let s = solved(&problem(nodes, [w]), &Assignment::default());
    for n in ["a", "b", "c"] {
        assert_eq!(nodes_of(&s, "web").iter().filter(|m| **m == n).count(), 2);
    }
}

#[test]
fn refusals_are_counted_and_name_the_nearest_miss() {
    let nodes = [node("a", 1000, "z1"), node("b", 1500, "z1"), node("c", 8000, "z2")];
    let mut w = work("big", 1, 2000);
    w.selectors = vec![within("zone", &["z1"])];
    let s = solved(&problem(nodes, [w]), &Assignment::default());
    assert_eq!(
        s.unplaced[0].why.to_string(),
        "0 of 3 nodes and offers fit: 2 short of cpu, 1 wrong zone; nearest miss: b lacks 500m cpu and 500Mi memory"
    );
}

#[test]
fn the_cheapest_fitting_offer_is_launched_when_nothing_fits() {
    let mut p = problem([node("a", 1000, "z1")], [work("big", 2, 3000)]);
    p.offers =
        vec![offer("small", 2000, "z1", 5), offer("dear", 8000, "z1", 90), offer("fair", 8000, "z1", 40)];
    let s = solved(&p, &Assignment::default());
    assert_eq!(s.launches.iter().map(|l| l.offer.as_str()).collect::<Vec<_>>(), ["fair"]);
    assert_eq!(nodes_of(&s, "big"), ["fair#1", "fair#1"]);
}

#[test]
fn what_runs_stays_and_what_ran_on_a_lost_node_is_placed_again() {
    let nodes = [node("a", 4000, "z1"), node("b", 4000, "z2")];
    let p = problem(nodes, [work("web", 3, 500)]);
    let s = solved(&p, &running(&[("web", 0, "a"), ("web", 1, "b"), ("web", 2, "gone")]));
    assert_eq!(nodes_of(&s, "web")[..2], ["a", "b"]);
    assert!(s.moves.is_empty() && s.unplaced.is_empty());
    assert!(s.reasons[2].why.starts_with("node gone is gone"), "{}", s.reasons[2].why);
}

#[test]
fn a_draining_node_is_emptied_if_there_is_room() {
    let mut nodes = [node("a", 4000, "z1"), node("b", 1000, "z2")];
    nodes[0].state = NodeState::Draining;
    let p = problem(nodes, [work("web", 2, 800)]);
    let s = solved(&p, &running(&[("web", 0, "a"), ("web", 1, "a")]));
    assert_eq!(nodes_of(&s, "web"), ["b", "a"]);
    assert_eq!(s.moves.len(), 1);
    assert!(s.reasons[1].why.contains("left running"), "{}", s.reasons[1].why);
}

#[test]
fn dependencies_come_first_and_hold() {
    let nodes = [node("a", 1000, "z1"), node("b", 1000, "z2")];
    let mut web = work("web", 2, 300);
    web.near = vec![peer("db", "zone")];
    let s = solved(&problem(nodes, [web, work("db", 1, 300)]), &Assignment::default());
    assert_eq!(nodes_of(&s, "web"), [nodes_of(&s, "db")[0]; 2]);
}

#[test]
fn bad_input_names_the_field() {
    let check = |change: &dyn Fn(&mut Problem), expect: &str| {
        let mut p = problem([node("n", 1000, "z1")], [work("a", 2, 1), work("b", 2, 1)]);
        change(&mut p);
        let error: ProblemError = solve(&p, &Assignment::default(), &Budget::default()).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    check(
        &|p| _ = p.workloads[0].requests.insert("cpu".into(), -1),
        "workloads[a].requests.cpu: -1 is not allowed, expected 0 to 2^53",
    );
    check(
        &|p| {
            p.workloads[0].replicas = 10_000;
            p.workloads[0].requests.insert("cpu".into(), 1 << 53);
        },
        "workloads[a].requests.cpu: too much in all, at most 9223372036854775807",
    );
    check(
        &|p| p.nodes[0].headroom = f64::NAN,
        "nodes[n].headroom: NaN is not allowed, expected 0 to below 1",
    );
    check(
        &|p| {
            p.workloads[0].near = vec![peer("b", "zone")];
            p.workloads[1].near = vec![peer("a", "zone")];
        },
        "workloads[a].near: must be near each other in a circle: a -> b -> a",
    );
    check(
        &|p| {
            p.workloads[1].spread = vec![skew("zone", 1)];
            p.workloads[1].spread[0].min_domains = Some(3);
        },
        "workloads[b].spread[0].min_domains: 3 is not allowed, expected at most the number of replicas",
    );
    check(
        &|p| {
            let mut price = usd(1);
            price.currency = "XYZ".into();
            p.nodes[0].price_hour = Some(price);
        },
        "nodes[n].price_hour: no exchange rate from \"XYZ\" to \"USD\"",
    );
    check(&|p| p.workloads[1].name = "a".into(), "workloads[1].name: the name \"a\" is used twice");
    check(
        &|p| p.workloads[0].apart = vec![peer("c", "zone")],
        "workloads[a].apart[0].workload: there is no workload \"c\"",
    );
}
