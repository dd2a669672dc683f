//! How much worth of pods one machine can hold at most, at given prices of pods.
//!
//! Two bounds, the lower one counts. *Lagrangian relaxation*: amounts are bought at a price each instead of being limited, so
//! that pods without devices never pay and devices fill independently, each by an exact knapsack of thousandths; tight for
//! large machines of small pods. *Rounded dynamic programming*: pods' amounts are rounded down to a grid of the machine's,
//! and what fits is found exactly; tight for small machines, where half a pod of room is worth nothing. Refined only where
//! it decides, with ever finer grids.

use super::pattern::{Kit, Offer, WHOLE};

/// Grids tried, in cells by amount.
const GRIDS: [usize; 4] = [24, 48, 96, 160];
/// Thousandths that count as one in the knapsack of a device on the grid.
const COARSEST: i64 = 10;

/// The most that a machine of any offer holds for each unit of its price: an upper bound.
pub(super) fn most_for_price(kit: &Kit, prices: &[f64]) -> f64 {
    let bounds = (0..kit.offers.len()).map(|o| (lagrangian(kit, o, prices) / kit.offers[o].price, o, 0));
    let mut open: Vec<(f64, usize, usize)> = bounds.collect();
    loop {
        let top = open.iter_mut().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((ratio, o, level)) = top else { return 0.0 };
        let Some(cells) = GRIDS.get(*level) else { return *ratio };
        *ratio = ratio.min(on_grid(kit, &kit.offers[*o], prices, *cells) / kit.offers[*o].price);
        *level += 1;
    }
}

/// Halvings of the step in the search for prices of amounts.
const HALVINGS: usize = 24;

/// An upper bound on Σ prices of the pods on one machine.
fn lagrangian(kit: &Kit, offer: usize, prices: &[f64]) -> f64 {
    let o = &kit.offers[offer];
    let worth: Vec<usize> = o.holds.iter().copied().filter(|i| prices[*i] > 0.0).collect();
    let all: f64 = worth.iter().map(|i| prices[*i] * f64::from(kit.pods[*i].count)).sum();
    // A start that is in proportion: each amount could pay for the machine's price alone.
    let mut at: Vec<f64> = o.amounts.iter().map(|a| o.price / (2.0 * (*a).max(1) as f64)).collect();
    let mut best = bound(kit, o, prices, &worth, &at);
    let mut step = 0.5;
    for _ in 0..HALVINGS {
        loop {
            let mut improved = false;
            for r in 0..at.len() {
                for factor in [1.0 + step, 1.0 / (1.0 + step)] {
                    let before = at[r];
                    at[r] *= factor;
                    let value = bound(kit, o, prices, &worth, &at);
                    if value < best - 1e-12 {
                        best = value;
                        improved = true;
                    } else {
                        at[r] = before;
                    }
                }
            }
            // Along the ridge where pods without devices just do not pay, amounts trade against each other.
            for (a, b) in [(0, 1), (1, 0)] {
                if at.len() < 2 {
                    break;
                }
                let before = at.clone();
                at[a] *= 1.0 + step;
                at[b] /= 1.0 + step;
                let value = bound(kit, o, prices, &worth, &at);
                if value < best - 1e-12 {
                    best = value;
                    improved = true;
                } else {
                    at = before;
                }
            }
            if !improved {
                break;
            }
        }
        step /= 1.6;
    }
    best.min(all)
}

fn bound(kit: &Kit, o: &Offer, prices: &[f64], worth: &[usize], at: &[f64]) -> f64 {
    let cost = |i: usize| -> f64 { kit.pods[i].amounts.iter().zip(at).map(|(a, p)| *a as f64 * p).sum() };
    // Prices of amounts are raised until no pod without devices pays.
    let mut scale: f64 = 1.0;
    for &i in worth.iter().filter(|i| kit.pods[**i].gpus == 0) {
        let c = cost(i);
        if c <= 0.0 {
            return f64::INFINITY;
        }
        scale = scale.max(prices[i] / c);
    }
    let amounts: f64 = o.amounts.iter().zip(at).map(|(a, p)| *a as f64 * p).sum::<f64>() * scale;
    if o.gpus == 0 {
        return amounts;
    }
    let mut by_milli: Vec<(i64, f64)> = Vec::new();
    let mut whole: f64 = 0.0;
    for &i in worth.iter().filter(|i| kit.pods[**i].gpus > 0) {
        let p = &kit.pods[i];
        let gain = prices[i] - scale * cost(i);
        if gain <= 0.0 {
            continue;
        }
        if p.gpus == 1 && p.milli < WHOLE {
            match by_milli.iter_mut().find(|(m, _)| *m == p.milli) {
                Some((_, g)) => *g = g.max(gain),
                None => by_milli.push((p.milli, gain)),
            }
        } else {
            whole = whole.max(gain / f64::from(p.gpus));
        }
    }
    amounts + f64::from(o.gpus) * whole.max(knapsack(&by_milli))
}

/// The most that fits one device, of any number of each.
fn knapsack(items: &[(i64, f64)]) -> f64 {
    if items.is_empty() {
        return 0.0;
    }
    let unit = items.iter().fold(WHOLE, |g, (m, _)| gcd(g, *m));
    let mut best = vec![0.0_f64; (WHOLE / unit) as usize + 1];
    for room in 1..best.len() {
        let mut value = best[room - 1];
        for (milli, gain) in items {
            if let Some(rest) = room.checked_sub((milli / unit) as usize) {
                value = value.max(best[rest] + gain);
            }
        }
        best[room] = value;
    }
    best.last().copied().unwrap_or(0.0)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A pod, or a bundle of pods too small for the grid, in cells.
struct Cells {
    /// Of the first amount, of the second.
    size: [usize; 2],
    milli: usize,
    gpus: usize,
    price: f64,
}

/// Best worth by cells of the first and the second amount left, row-major.
type Plane = Vec<f64>;

/// What fits a machine at most when amounts (the first two; others are forgiven) are rounded down to cells.
fn on_grid(kit: &Kit, o: &Offer, prices: &[f64], cells: usize) -> f64 {
    let width = cells + 1;
    let mut forgiven = 0.0;
    let mut items: Vec<Cells> = Vec::new();
    for &i in o.holds.iter().filter(|i| prices[**i] > 0.0) {
        let p = &kit.pods[i];
        let in_cells = |times: i64, r: usize| match (p.amounts.get(r), o.amounts.get(r)) {
            (Some(a), Some(cap)) if *cap > 0 => {
                (i128::from(a * times) * cells as i128 / i128::from(*cap)) as usize
            }
            _ => 0,
        };
        let mut bundle = 1;
        while p.gpus == 0 && in_cells(bundle, 0) + in_cells(bundle, 1) == 0 {
            bundle *= 2;
            if bundle > i64::from(p.count) {
                break;
            }
        }
        // Of a bundle that is not full, all but one pod of it are free.
        forgiven += prices[i] * (bundle - 1).min(i64::from(p.count)) as f64;
        if bundle <= i64::from(p.count) {
            let size = [in_cells(bundle, 0), in_cells(bundle, 1)];
            let shares = p.gpus == 1 && p.milli < WHOLE;
            let milli = if shares { (p.milli / COARSEST) as usize } else { 0 };
            items.push(Cells { size, milli, gpus: p.gpus as usize, price: prices[i] * bundle as f64 });
        }
    }
    let mut planes: Vec<Plane> = vec![without_devices(&items, width)];
    let shared = if o.gpus > 0 { one_shared_device(&items, width) } else { Vec::new() };
    for g in 1..=o.gpus as usize {
        let mut plane = planes[g - 1].clone();
        for item in items.iter().filter(|i| i.gpus > 0 && i.gpus <= g && i.milli == 0) {
            raise(&mut plane, &planes[g - item.gpus], item, width);
        }
        // Devices are alike, so shared ones may come in any order: after all others is one.
        for (at, worth) in shared.iter().copied() {
            let item = Cells { size: at, milli: 0, gpus: 1, price: worth };
            raise(&mut plane, &planes[g - 1], &item, width);
        }
        planes.push(plane);
    }
    let best = planes.last().and_then(|p| p.last()).copied().unwrap_or(f64::INFINITY);
    best + forgiven
}

/// Takes an item on top of `below` wherever that is worth more.
fn raise(plane: &mut [f64], below: &[f64], item: &Cells, width: usize) {
    let [x, y] = item.size;
    for a in x..width {
        let from = &below[(a - x) * width..][..width - y.min(width)];
        let to = &mut plane[a * width + y.min(width)..];
        for (t, f) in to.iter_mut().zip(from) {
            *t = t.max(f + item.price);
        }
    }
}

fn without_devices(items: &[Cells], width: usize) -> Plane {
    let mut plane = vec![0.0; width * width];
    for item in items.iter().filter(|i| i.gpus == 0) {
        let [x, y] = item.size;
        for a in x..width {
            for b in y..width {
                let with = plane[(a - x) * width + b - y] + item.price;
                let here = &mut plane[a * width + b];
                *here = here.max(with);
            }
        }
    }
    plane
}

/// Ways to share one device that are worth it: cells taken and worth, none with another at least as good in all.
fn one_shared_device(items: &[Cells], width: usize) -> Vec<([usize; 2], f64)> {
    let depth = (WHOLE / COARSEST) as usize + 1;
    let area = width * width;
    let sharing: Vec<&Cells> = items.iter().filter(|i| i.milli > 0).collect();
    if sharing.is_empty() {
        return Vec::new();
    }
    // Best worth by thousandths, then cells.
    let mut best = vec![0.0_f64; depth * area];
    for item in sharing {
        let [x, y] = item.size;
        for f in item.milli..depth {
            for a in x..width {
                let from = ((f - item.milli) * width + a - x) * width;
                let to = (f * width + a) * width;
                for b in y..width {
                    let with = best[from + b - y] + item.price;
                    if with > best[to + b] {
                        best[to + b] = with;
                    }
                }
            }
        }
    }
    let top = &best[(depth - 1) * area..];
    let worth = |a: usize, b: usize| top[a * width + b];
    let mut ways = Vec::new();
    for a in 0..width {
        for b in 0..width {
            let here = worth(a, b);
            let less = (a > 0 && worth(a - 1, b) >= here) || (b > 0 && worth(a, b - 1) >= here);
            if here > 0.0 && !less {
                ways.push(([a, b], here));
            }
        }
    }
    ways
}
