//! Decisions that weigh one thing against another.

use lepton_schedule::problem::{DataFlow, Egress, Gpu, GpuRequest, Latency, LatencyBound, Preference, Wish};
use lepton_schedule::{Assignment, Strategy, Workload};

use crate::build::{node, nodes_of, offer, problem, rented, running, solved, usd, within, work};

#[test]
fn a_higher_priority_takes_the_place_of_the_cheapest_lower_ones() {
    let mut low = work("low", 3, 1000);
    low.priority = 1;
    let mut lower = work("lower", 1, 2000);
    lower.priority = 0;
    let mut high = work("high", 1, 2000);
    high.priority = 5;
    let p = problem([node("a", 3000, "az"), node("b", 2000, "az")], [low, lower, high]);
    let s = solved(&p, &running(&[("low", 0, "a"), ("low", 1, "a"), ("low", 2, "a"), ("lower", 0, "b")]));
    assert_eq!(nodes_of(&s, "high"), ["b"]);
    assert_eq!(
        s.preemptions.iter().map(|v| (v.workload.as_str(), v.by.as_str())).collect::<Vec<_>>(),
        [("lower", "high")]
    );
    assert_eq!(s.unplaced.len(), 1);
    assert!(s.reasons.iter().any(|r| r.workload == "high" && r.why.starts_with("took the place of 1")));
}

#[test]
fn equal_priority_and_spent_budgets_are_left_alone() {
    let check = |priority: i32, budget: Option<u32>, preempted: usize| {
        let mut old = work("old", 1, 2000);
        old.project = "shop".into();
        let mut new = work("new", 1, 2000);
        new.priority = priority;
        let mut p = problem([node("a", 2000, "az")], [old, new]);
        if let Some(n) = budget {
            p.disruption_budgets.insert("shop".into(), n);
        }
        assert_eq!(solved(&p, &running(&[("old", 0, "a")])).preemptions.len(), preempted);
    };
    check(1, None, 1);
    check(1, Some(1), 1);
    check(0, None, 0);
    check(1, Some(0), 0);
}

#[test]
fn machines_are_emptied_only_when_that_saves_more_than_it_costs() {
    let check = |cents: i64, horizon: f64, moves: usize| {
        let nodes = [rented("a", 4000, "az", cents), rented("b", 4000, "az", cents)];
        let mut p = problem(nodes, [work("web", 2, 1000)]);
        p.strategy = Strategy { horizon_hours: horizon, ..Strategy::cost() };
        let s = solved(&p, &running(&[("web", 0, "a"), ("web", 1, "b")]));
        assert_eq!((s.moves.len(), s.terminations.len()), (moves, moves), "{s:?}");
        assert!(s.objective.total() <= s.before.total());
    };
    check(10, 24.0, 1);
    check(10, 0.1, 0);
}

#[test]
fn a_dear_machine_is_exchanged_for_a_cheaper_one() {
    let mut p = problem([rented("big", 32_000, "az", 150)], [work("web", 1, 1000)]);
    p.offers = vec![offer("small", 2000, "az", 5)];
    p.strategy = Strategy::cost();
    let s = solved(&p, &running(&[("web", 0, "big")]));
    assert_eq!(nodes_of(&s, "web"), ["small#1"]);
    assert_eq!(s.terminations[0].node, "big");
}

#[test]
fn load_is_evened_out_when_that_is_asked_for() {
    let nodes = [node("a", 8000, "az"), node("b", 8000, "az")];
    let mut p = problem(nodes, [work("web", 8, 1000)]);
    let all_on_a: Vec<_> = (0..8).map(|o| ("web", o, "a")).collect();
    p.strategy = Strategy::balance();
    let s = solved(&p, &running(&all_on_a));
    assert_eq!(nodes_of(&s, "web").iter().filter(|n| **n == "a").count(), 4);
    p.disruption_budgets.insert(String::new(), 2);
    assert_eq!(solved(&p, &running(&all_on_a)).moves.len(), 2);
    p.strategy = Strategy::priority();
    assert!(solved(&p, &running(&all_on_a)).moves.is_empty());
}

#[test]
fn distance_residency_and_egress_count() {
    let nodes = [node("a", 8000, "eu1"), node("b", 8000, "us1"), node("c", 8000, "cn1")];
    let check = |change: &dyn Fn(&mut Workload), expect: &[&str]| {
        let mut w = work("web", 1, 1000);
        change(&mut w);
        let mut p = problem(nodes.clone(), [w]);
        p.latencies = vec![Latency { from: "eu".into(), to: "us".into(), ms: 80.0 }];
        p.egress = vec![Egress { from: "us".into(), to: "eu".into(), price_gib: usd(9) }];
        assert_eq!(nodes_of(&solved(&p, &Assignment::default()), "web"), expect);
    };
    check(&|w| w.residency = ["cn".into()].into(), &["c"]);
    let reach = |ms: f64| LatencyBound { to: "us".into(), ms };
    check(&|w| w.latency = vec![reach(10.0)], &["b"]);
    check(&|w| (w.latency, w.selectors) = (vec![reach(100.0)], vec![within("zone", &["eu1"])]), &["a"]);
    check(&|w| (w.latency, w.selectors) = (vec![reach(100.0)], vec![within("zone", &["cn1"])]), &[]);
    let data = DataFlow { region: "us".into(), reads_gib_hour: 5.0, writes_gib_hour: 0.0 };
    check(&|w| (w.data, w.selectors) = (vec![data.clone()], vec![within("zone", &["eu1", "us1"])]), &["b"]);
    let wish = Preference { what: Wish::Label(within("zone", &["cn1"])), worth_hour: usd(10) };
    check(&|w| w.prefer = vec![wish.clone()], &["c"]);
}

#[test]
fn shares_of_one_gpu_and_whole_ones() {
    let mut n = node("g", 8000, "az");
    n.gpus = vec![Gpu { model: "T4".into(), milli: 1000 }; 2];
    let gpu = |name: &str, devices, milli| Workload {
        gpu: Some(GpuRequest { devices, milli, models: ["T4".into()].into() }),
        ..work(name, 1, 500)
    };
    let p =
        problem([n], [gpu("half", 1, 500), gpu("third", 1, 300), gpu("whole", 1, 1000), gpu("more", 1, 400)]);
    let s = solved(&p, &Assignment::default());
    let devices =
        |w: &str| s.assignment.placements.iter().find(|at| at.workload == w).map(|at| at.gpus.clone());
    assert_ne!(devices("whole"), devices("half"));
    let placed = s.assignment.placements.iter().filter(|at| at.gpus.len() == 1).count();
    assert_eq!(placed, 3);
    assert!(s.unplaced[0].why.to_string().contains("1 short of gpu"), "{}", s.unplaced[0].why);
}
