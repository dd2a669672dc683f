//! Aims, suppositions, prices: what a plan would save, and what it would not touch.

use std::collections::BTreeMap;

use lepton_model::{PlanSpec, Strategy};
use lepton_plan::{Aim, Estate as File, MoveLimits, NodePrice, Snapshot, WhatIf};
use serde_json::json;

use super::estate::{Estate, name};

/// Three rented nodes in two zones; a service on each of `a` and `b`, both of which fit on either.
fn rented() -> Estate {
    let mut estate = Estate::default();
    estate.node("a", 4, &[("zone", "one")]).node("b", 4, &[("zone", "two")]).node("c", 4, &[("zone", "two")]);
    for (node, hour) in [("a", 2), ("b", 4), ("c", 8)] {
        let price = NodePrice { hour: hour.into(), rented: true, source: "test".to_owned() };
        estate.snapshot.prices.insert(name(node), price);
    }
    for (service, node) in [("left", "a"), ("right", "b")] {
        let selector = format!("node={node}");
        let spec = |selector: &str| json!({"command": ["x"], "resources": {"cpu": "1"}, "placement": {"selector": selector}});
        estate.service(service, spec(&selector));
        estate.settle();
        estate.service(service, spec(""));
        estate.settle();
    }
    estate
}

fn limits(of: u32) -> Option<MoveLimits> {
    Some(MoveLimits { projects: BTreeMap::from([(name("default"), of)]) })
}

fn moves(plan: &PlanSpec) -> Vec<String> {
    plan.report
        .iter()
        .flat_map(|r| &r.moves)
        .map(|m| format!("{}: {} to {}", m.replica.name, m.from, m.to))
        .collect()
}

#[test]
fn consolidation_moves_what_pays_and_then_rests() {
    let mut estate = rented();
    let kept = estate.plan_for(None);
    assert!(kept.actions.is_empty(), "nothing moves without an aim: {kept:#?}");
    let aim = Aim { limits: limits(1), ..Aim::of(Strategy::COST) };
    let plan = estate.plan_for(Some(&aim));
    let report = plan.report.as_ref().unwrap();
    assert_eq!(moves(&plan), ["right: b to a"]);
    assert_eq!((report.cost_before.amount, report.cost_after.amount), (6.into(), 2.into()));
    assert_eq!(report.idle, [name("b"), name("c")]);
    assert_eq!(plan.price_per_hour.map(|p| p.amount), Some((-4).into()));
    estate.execute(&plan);
    estate.obey();
    estate.settle();
    for strategy in [Strategy::COST, Strategy::COST] {
        let again = estate.plan_for(Some(&Aim { limits: limits(9), ..Aim::of(strategy) }));
        assert_eq!(moves(&again), [""; 0], "never back");
        assert!(again.actions.is_empty());
    }
}

#[test]
fn limits_cut_moves_and_a_project_without_budget_stays() {
    let estate = rented();
    let none = estate.plan_for(Some(&Aim { limits: limits(0), ..Aim::of(Strategy::COST) }));
    assert!(none.actions.is_empty() && moves(&none).is_empty(), "{none:#?}");
}

#[test]
fn suppositions_change_the_plan_and_not_the_estate() {
    let estate = rented();
    let check = |texts: &[&str], expect: &str| {
        let mut snapshot = estate.snapshot.clone();
        let supposed = texts.iter().try_for_each(|text| {
            let what_if = text.parse::<WhatIf>().map_err(|error| error.to_string())?;
            assert_eq!(what_if.to_string(), *text);
            snapshot.suppose(&what_if).map_err(|error| error.to_string())
        });
        let told = match supposed {
            Err(error) => error,
            Ok(()) => {
                let plan = Estate { snapshot, ..Estate::default() }.plan_for(Some(&Aim::of(Strategy::COST)));
                let starts = plan.actions.iter().filter(|a| a.kind.as_str() == "start");
                let starts: Vec<_> =
                    starts.map(|a| format!("{} on {}", a.replica.name, a.kind.node())).collect();
                starts.join(", ")
            }
        };
        assert!(told.starts_with(expect) && (expect.is_empty() == told.is_empty()), "{texts:?}: {told}");
    };
    check(&["lose-zone=one"], "left on b");
    check(&["lose-node=b"], "right on a");
    check(&["price=node=a*10"], "left on b");
    check(&["lose-zone=three"], "lose-zone=three: no node has zone=three; there are one, two");
    check(&["lose-cloud=aws"], "lose-cloud=aws: no node has cloud=aws; there are none with that label");
    check(&["price=zone=three*2"], "price=zone=three*2: no node with a known price matches");
    for wrong in [
        "lose-zone",
        "lose-=x",
        "lose-zone=",
        "price=zone=one",
        "price=zone=one*-1",
        "price=a b*2",
        "gain-node=x",
        "",
    ] {
        assert!(wrong.parse::<WhatIf>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_saved_estate_plans_as_the_live_one() {
    let estate = rented();
    let file = File::try_from(&estate.snapshot).unwrap();
    let text = serde_json::to_string(&file).unwrap();
    let read = Snapshot::try_from(serde_json::from_str::<File>(&text).unwrap()).unwrap();
    assert_eq!(read, estate.snapshot);
    let broken = text.replacen("\"replicas\":1", "\"replicas\":\"many\"", 1);
    let errors = Snapshot::try_from(serde_json::from_str::<File>(&broken).unwrap()).unwrap_err();
    assert!(errors.to_string().contains(".spec.replicas"), "{errors}");
}

#[test]
fn every_figure_of_a_plan_survives_json() {
    let mut estate = Estate::default();
    estate.node("a", 4, &[]).service("idle", json!({}));
    for plan in [estate.plan_for(None), rented().plan_for(Some(&Aim::of(Strategy::COST)))] {
        let text = serde_json::to_string(&plan).unwrap();
        assert!(!text.contains("null") && serde_json::from_str::<PlanSpec>(&text).is_ok(), "{text}");
    }
}
