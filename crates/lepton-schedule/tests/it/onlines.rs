//! One decision at a time.

use lepton_schedule::{Assignment, Online, PlaceError};

use crate::build::{node, offer, problem, skew, work};

#[test]
fn place_remove_and_place_again() {
    let nodes = [node("a", 2000, "az"), node("b", 2000, "bz")];
    let mut w = work("web", 4, 1000);
    w.spread = vec![skew("zone", 1)];
    let mut high = work("high", 1, 2000);
    high.priority = 1;
    let p = problem(nodes, [w, high]);
    let mut online = Online::new(&p, &Assignment::default()).unwrap();
    for o in 0..4 {
        assert!(online.place("web", o).is_ok());
    }
    assert_eq!(online.place("web", 0), Err(PlaceError::Placed));
    let unknown = PlaceError::Unknown { workload: "web".into(), ordinal: 4 };
    assert_eq!(online.place("web", 4), Err(unknown));
    assert!(online.remove("web", 3) && !online.remove("web", 3));
    assert!(online.place("web", 3).is_ok());
    assert_eq!(online.assignment().placements.len(), 4);
    // Emptying a whole zone would break the spread, so nobody gives way.
    assert_eq!(online.place("high", 0), Err(PlaceError::Nowhere));
    assert_eq!(online.why("high", 0).unwrap().looked_at, 2);
}

#[test]
fn victims_are_told_and_offers_used() {
    let mut high = work("high", 1, 1000);
    high.priority = 1;
    let mut p = problem([node("a", 1000, "az")], [work("low", 1, 1000), high]);
    let mut online = Online::new(&p, &Assignment::default()).unwrap();
    assert_eq!(online.place("low", 0).unwrap().node, "a");
    assert_eq!(online.place("high", 0).unwrap().preempted, [("low", 0)]);
    assert_eq!(online.node_of("low", 0), None);
    p.offers = vec![offer("o", 1000, "az", 1)];
    let mut online = Online::new(&p, &Assignment::default()).unwrap();
    assert!(online.place("low", 0).is_ok());
    assert_eq!(online.place("high", 0).unwrap().launched, Some("o"));
}
