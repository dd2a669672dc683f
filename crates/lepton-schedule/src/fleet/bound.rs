//! A price that no fleet can be below.
//!
//! The master program again, but where the best filling of a machine is not known exactly, with what the relaxation of it would hold as a
//! column: its value can only be lower. When no machine of any offer can hold more worth than its price, by however little it is known,
//! the value is proven (Farley 1990).

use super::fill::fill;
use super::master::{Column, Master};
use super::pattern::{Kit, Pods};
use super::pool::alone;

/// Looks at the relaxation for one offer, as long as that finds something real, and afterwards.
const LOOKS: [u32; 2] = [400, 4_000];
const ROUNDS: u32 = 400;
/// A machine may seem to hold this much more worth than its price.
const CLOSE: f64 = 1.0 + 1e-3;

pub(super) fn bound(kit: &Kit, seeds: impl Iterator<Item = Column>) -> f64 {
    let demand: Vec<u32> = kit.pods.iter().map(|p| p.count).collect();
    let most: Vec<u32> = kit.pods.iter().map(Pods::at_most).collect();
    let columns = (0..kit.pods.len()).filter_map(|i| alone(kit, i)).map(|p| Column::of(kit, &p));
    let mut master = Master::new(&demand, columns.collect());
    seeds.for_each(|c| master.add(c));
    master.solve();
    let mut proven: f64 = 0.0;
    let mut level = 0;
    for _ in 0..ROUNDS {
        let prices: Vec<f64> = master.prices().iter().map(|p| p.max(0.0)).collect();
        let worth: f64 = kit.pods.iter().zip(&prices).map(|(p, price)| f64::from(p.count) * price).sum();
        let mut scale: f64 = 1.0;
        let (mut machines, mut mixes) = (Vec::new(), Vec::new());
        for (o, offer) in kit.offers.iter().enumerate() {
            let filled = fill(kit, o, &prices, &most, CLOSE * offer.price, LOOKS[level]);
            scale = scale.max(filled.bound / offer.price);
            match (filled.pattern, filled.mix) {
                (Some(p), _) => machines.push(Column::of(kit, &p)),
                (None, Some(pods)) => mixes.push(Column { cost: offer.price, pods }),
                (None, None) => {}
            }
        }
        proven = proven.max(worth / scale);
        if machines.is_empty() && level + 1 < LOOKS.len() {
            level += 1;
            continue;
        }
        // Mixes only when nothing real helps: each lowers what can be proven.
        let columns = if machines.is_empty() { mixes } else { machines };
        if columns.is_empty() || proven >= worth / CLOSE {
            return proven;
        }
        columns.into_iter().for_each(|c| master.add(c));
        master.solve();
    }
    proven
}
