//! From fractions of machines to machines.

use super::master::NOISE;
use super::pattern::{Bin, Kit, Pattern};
use super::pool::Pool;

/// Rounds of looking for patterns that suit what is left, after each slice.
const ROUNDS: u32 = 12;
/// A fraction from which a machine is taken whole in the last slices.
const NEARLY: f64 = 0.9;

/// Whole machines that hold all pods, and how many of each.
pub(super) fn machines(kit: &Kit, mut pool: Pool, demand: &[u32]) -> Vec<(Pattern, u32)> {
    let mut left = demand.to_vec();
    let mut machines: Vec<(Pattern, u32)> = Vec::new();
    while left.iter().any(|d| *d > 0) {
        let mut parts: Vec<(usize, f64)> = pool.master.solution().collect();
        parts.sort_by(|a, b| fraction(b.1).total_cmp(&fraction(a.1)).then(a.0.cmp(&b.0)));
        let mut taken = 0;
        for &(p, times) in &parts {
            taken += take(&pool.patterns[p], (times + NOISE).floor() as u32, &mut left, &mut machines);
        }
        if taken == 0 {
            for (k, &(p, times)) in parts.iter().enumerate() {
                if k == 0 || times >= NEARLY {
                    taken += take(&pool.patterns[p], 1, &mut left, &mut machines);
                }
            }
        }
        if taken == 0 {
            break;
        }
        pool.master.restart(&left);
        pool.generate(kit, &left, ROUNDS);
    }
    machines.iter_mut().for_each(|(pattern, _)| downsize(kit, pattern));
    machines
}

fn fraction(times: f64) -> f64 {
    times - (times + NOISE).floor()
}

/// Takes machines of a pattern, the last one with fewer pods where there are not enough; returns how many.
fn take(pattern: &Pattern, times: u32, left: &mut [u32], machines: &mut Vec<(Pattern, u32)>) -> u32 {
    let full = pattern.pods.iter().map(|(i, n)| left[*i] / n).min().unwrap_or(0).min(times);
    let mut taken = 0;
    if full > 0 {
        for (i, n) in &pattern.pods {
            left[*i] -= n * full;
        }
        machines.push((pattern.clone(), full));
        taken += full;
    }
    if full < times {
        let pods: Vec<(usize, u32)> =
            pattern.pods.iter().map(|(i, n)| (*i, (*n).min(left[*i]))).filter(|(_, n)| *n > 0).collect();
        if !pods.is_empty() {
            for (i, n) in &pods {
                left[*i] -= n;
            }
            machines.push((Pattern { offer: pattern.offer, pods }, 1));
            taken += 1;
        }
    }
    taken
}

/// Exchanges a machine for the cheapest that holds the same pods.
fn downsize(kit: &Kit, pattern: &mut Pattern) {
    let holds = |o: usize| {
        let offer = &kit.offers[o];
        let mut bin = Bin::new(offer);
        let mut order: Vec<(usize, u32)> = pattern.pods.clone();
        order.sort_by_key(|(i, _)| (-(i64::from(kit.pods[*i].gpus)), -kit.pods[*i].milli));
        order.iter().all(|(i, n)| {
            offer.holds.binary_search(i).is_ok()
                && (0..*n).all(|_| {
                    let fits = bin.fits(&kit.pods[*i]);
                    if fits {
                        bin.put(*i, &kit.pods[*i]);
                    }
                    fits
                })
        })
    };
    let price = kit.offers[pattern.offer].price;
    let cheaper = (0..kit.offers.len()).filter(|o| kit.offers[*o].price < price && holds(*o));
    if let Some(o) = cheaper.min_by(|a, b| kit.offers[*a].price.total_cmp(&kit.offers[*b].price)) {
        pattern.offer = o;
    }
}
