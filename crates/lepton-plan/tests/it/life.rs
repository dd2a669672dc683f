//! A long random life of an estate: whatever happens, every plan keeps the rules, and quiet follows.

use lepton_model::{NodePhase, ReplicaPhase};
use proptest::prelude::*;
use serde_json::json;

use super::estate::Estate;

#[derive(Debug, Clone)]
enum Event {
    Apply {
        service: u8,
        replicas: u32,
        cpu: u32,
        env: u8,
        stop: bool,
        spread: bool,
        port: bool,
    },
    Delete(u8),
    Lose(u8),
    Return(u8),
    Cordon(u8, bool),
    Drain(u8, bool),
    /// A plan is made and executed, and agents obey or have not got round to it.
    Step {
        obey: bool,
    },
    /// A replica falls ill.
    Sick(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..4_u8, 0..5_u32, 0..3_000_u32, 0..3_u8, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(service, replicas, cpu, env, stop, spread, port)| Event::Apply {
                service,
                replicas,
                cpu,
                env,
                stop,
                spread,
                port
            }
        ),
        (0..4_u8).prop_map(Event::Delete),
        (0..4_u8).prop_map(Event::Lose),
        (0..4_u8).prop_map(Event::Return),
        (0..4_u8, any::<bool>()).prop_map(|(n, on)| Event::Cordon(n, on)),
        (0..4_u8, any::<bool>()).prop_map(|(n, on)| Event::Drain(n, on)),
        any::<bool>().prop_map(|obey| Event::Step { obey }),
        any::<u8>().prop_map(Event::Sick),
    ]
}

fn happen(estate: &mut Estate, event: &Event) {
    let node = |n: u8| format!("node-{n}");
    match event {
        Event::Apply { service, replicas, cpu, env, stop, spread, port } => {
            let mut spec = json!({
                "replicas": replicas,
                "resources": {"cpu": format!("{cpu}m")},
                "env": {"V": env.to_string()},
                "partition": if *stop { "stop" } else { "keep" },
                "priority": service,
            });
            if *spread {
                spec["placement"] = json!({"spread": [{"by": "zone", "required": true}]});
            }
            if *port {
                spec["ports"] =
                    json!([{"name": "http", "port": 8000 + u16::from(*service)}, {"name": "admin"}]);
            }
            estate.service(&format!("s{service}"), spec);
        }
        Event::Delete(service) => {
            let called = format!("s{service}");
            estate.snapshot.services.retain(|s| s.meta.name != called.as_str());
        }
        Event::Lose(n) => estate.node_mut(&node(*n)).status.phase = NodePhase::Lost,
        Event::Return(n) => estate.node_mut(&node(*n)).status.phase = NodePhase::Ready,
        Event::Cordon(n, on) => estate.node_mut(&node(*n)).spec.cordoned = *on,
        Event::Drain(n, on) => estate.node_mut(&node(*n)).spec.draining = *on,
        Event::Step { obey } => {
            let plan = estate.plan();
            estate.execute(&plan);
            if *obey {
                estate.obey();
            }
        }
        Event::Sick(n) => {
            let count = estate.snapshot.reports.len().max(1);
            if let Some(report) = estate.snapshot.reports.get_mut(usize::from(*n) % count) {
                report.phase = ReplicaPhase::CrashLooping;
            }
        }
    }
    estate.revision();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_plan_keeps_the_rules_and_quiet_follows(events in proptest::collection::vec(event(), 1..40)) {
        let mut estate = Estate::default();
        for n in 0..4_u8 {
            estate.node(&format!("node-{n}"), 4, &[("zone", if n < 2 { "z1" } else { "z2" })]);
        }
        for event in &events {
            happen(&mut estate, event);
        }
        // `plan` inside checks every rule; `settle` fails when plans go on for ever.
        estate.obey();
        let quiet = estate.settle();
        // Everything wanted is either assigned once or named with its reason.
        let wanted: usize = estate.snapshot.services.iter().map(|s| s.spec.replicas as usize).sum();
        let lost: Vec<_> = estate.snapshot.nodes.iter().filter(|n| n.status.phase == NodePhase::Lost).map(|n| n.meta.name.clone()).collect();
        let on_ready: usize = estate.snapshot.assignments.iter().filter(|a| !lost.contains(&a.meta.name)).map(|a| a.spec.replicas.len()).sum();
        let held = quiet.unplaced.iter().filter(|u| u.reason.starts_with("keeps generation")).count();
        prop_assert_eq!(on_ready + quiet.unplaced.len() - held, wanted, "{:#?}", quiet);
        prop_assert!(quiet.unplaced.iter().all(|u| !u.reason.is_empty()));
    }
}
