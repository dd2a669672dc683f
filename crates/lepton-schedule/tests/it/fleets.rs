//! Fleets: every pod placed, never below the bound, never above one machine for each pod.

use lepton_schedule::fleet::{FleetLimits, FleetOffer, FleetPods, cheapest_fleet, fleet_bound};
use proptest::prelude::*;

fn offer(cpu: i64, memory: i64, gpus: u32, price: f64) -> FleetOffer {
    FleetOffer { amounts: vec![cpu, memory], gpus, model: "T4".into(), price }
}

fn pods(cpu: i64, memory: i64, gpus: u32, milli: i64, count: u32) -> FleetPods {
    FleetPods { amounts: vec![cpu, memory], gpus, milli, models: Vec::new(), count }
}

#[test]
fn complements_share_a_machine() {
    let offers = [offer(4, 4, 0, 1.0), offer(8, 8, 1, 3.0)];
    let check = |pods: &[FleetPods], expect: f64| {
        let fleet = cheapest_fleet(&offers, pods, FleetLimits::default()).unwrap();
        assert!((fleet.price - expect).abs() < 1e-9, "{fleet:?}");
        assert!(fleet_bound(&offers, pods, &fleet).unwrap() <= expect + 1e-9);
    };
    check(&[pods(3, 1, 0, 0, 10), pods(1, 3, 0, 0, 10)], 10.0);
    check(&[pods(1, 1, 1, 700, 6), pods(1, 1, 1, 300, 6)], 18.0);
    check(&[pods(2, 2, 1, 1000, 2), pods(4, 4, 0, 0, 1)], 6.0);
}

#[test]
fn pods_that_no_offer_holds_are_named() {
    let fleet = cheapest_fleet(
        &[offer(4, 4, 0, 1.0)],
        &[pods(5, 1, 0, 0, 1), pods(1, 1, 0, 0, 1)],
        FleetLimits::default(),
    );
    assert_eq!(fleet.unwrap().unplaceable, [0]);
    let nonsense = cheapest_fleet(&[offer(4, 4, 0, f64::NAN)], &[], FleetLimits::default()).unwrap_err();
    assert_eq!(nonsense.to_string(), "offers[0].price: expected above 0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_pod_is_placed_between_bound_and_worst(
        offers in prop::collection::vec((4_i64..64, 4_i64..64, 0_u32..3, 1_u32..100), 1..6),
        list in prop::collection::vec((0_i64..20, 0_i64..20, 0_u32..3, 1_i64..=10, 1_u32..30), 1..6),
    ) {
        let offers: Vec<_> = offers.into_iter().map(|(c, m, g, p)| offer(c, m, g, f64::from(p))).collect();
        let list: Vec<_> = list
            .into_iter()
            .map(|(c, m, g, milli, n)| pods(c, m, g, if g == 1 { milli * 100 } else { 1000 }, n))
            .collect();
        let fleet = cheapest_fleet(&offers, &list, FleetLimits { rounds: 50 }).unwrap();
        let mut placed = vec![0; list.len()];
        for r in &fleet.rented {
            let mut left = offers[r.offer].amounts.clone();
            let mut devices = 0;
            for (i, n) in &r.pods {
                placed[*i] += n * r.count;
                for (l, a) in left.iter_mut().zip(&list[*i].amounts) {
                    *l -= a * i64::from(*n);
                }
                devices += i64::from(list[*i].gpus * n) * list[*i].milli;
            }
            prop_assert!(left.iter().all(|l| *l >= 0));
            prop_assert!(list.iter().all(|p| p.gpus == 0) || devices <= 1000 * i64::from(offers[r.offer].gpus));
        }
        for (i, p) in list.iter().enumerate() {
            prop_assert_eq!(placed[i], if fleet.unplaceable.contains(&i) { 0 } else { p.count });
        }
        let bound = fleet_bound(&offers, &list, &fleet).unwrap();
        prop_assert!(bound <= fleet.price + 1e-6, "bound {} above {}", bound, fleet.price);
    }
}
