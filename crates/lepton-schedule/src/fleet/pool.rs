//! Patterns that have been found, and the master program that chooses among them.

use foldhash::{HashSet, HashSetExt};

use super::fill::fill;
use super::master::{Column, Master};
use super::pattern::{Bin, Kit, Pattern};

/// Looks at the relaxation for one new pattern.
const LOOKS: u32 = 400;
/// What a pattern must be worth beyond its price to help.
const HELPS: f64 = 1.0 + 1e-6;

/// Patterns by number of their column in the master program.
#[derive(Debug)]
pub(super) struct Pool {
    pub patterns: Vec<Pattern>,
    known: HashSet<Pattern>,
    pub master: Master,
}

impl Pool {
    /// Starts with machines that hold one kind of pod only, each of the offer that is cheapest for it.
    pub(super) fn new(kit: &Kit, demand: &[u32]) -> Self {
        let patterns: Vec<Pattern> = (0..kit.pods.len()).filter_map(|i| alone(kit, i)).collect();
        let columns = patterns.iter().map(|p| Column::of(kit, p)).collect();
        let mut known = HashSet::new();
        known.extend(patterns.iter().cloned());
        Self { patterns, known, master: Master::new(demand, columns) }
    }

    /// Adds patterns, of at most `most` of each pod, until none would help.
    pub(super) fn generate(&mut self, kit: &Kit, most: &[u32], rounds: u32) {
        for _ in 0..rounds {
            let prices = self.master.prices().to_vec();
            let found = (0..kit.offers.len())
                .filter_map(|o| fill(kit, o, &prices, most, HELPS * kit.offers[o].price, LOOKS).pattern);
            let found: Vec<Pattern> = found.filter(|p| !self.known.contains(p)).collect();
            if found.is_empty() {
                return;
            }
            for pattern in found {
                self.master.add(Column::of(kit, &pattern));
                self.known.insert(pattern.clone());
                self.patterns.push(pattern);
            }
            self.master.solve();
        }
    }
}

/// As many pods of a kind as fit one machine, on the offer where each costs least.
pub(super) fn alone(kit: &Kit, pod: usize) -> Option<Pattern> {
    let p = &kit.pods[pod];
    let mut best: Option<(f64, Pattern)> = None;
    for (o, offer) in kit.offers.iter().enumerate().filter(|(_, o)| o.holds.binary_search(&pod).is_ok()) {
        let mut bin = Bin::new(offer);
        let mut n = 0;
        while n < p.at_most() && bin.fits(p) {
            bin.put(pod, p);
            n += 1;
        }
        let each = offer.price / f64::from(n.max(1));
        if best.as_ref().is_none_or(|(least, _)| each < *least) {
            best = Some((each, bin.pattern(o)));
        }
    }
    best.map(|(_, pattern)| pattern)
}
