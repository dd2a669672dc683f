//! Ways to fill one machine.

use foldhash::{HashMap, HashMapExt};

use super::{FleetOffer, FleetPods};

/// Thousandths of a device.
pub(super) const WHOLE: i64 = 1000;

/// A way to fill a machine of an offer: how many of which pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    pub offer: usize,
    /// Ascending by pod.
    pub pods: Vec<(usize, u32)>,
}

/// An offer worth looking at.
#[derive(Debug)]
pub(super) struct Offer {
    /// Index in the input.
    pub index: usize,
    pub amounts: Vec<i64>,
    pub gpus: u32,
    pub price: f64,
    /// Pods that an empty machine can hold.
    pub holds: Vec<usize>,
}

/// Pods that some offer can hold.
#[derive(Debug)]
pub(super) struct Pods {
    /// Index in the input.
    pub index: usize,
    pub amounts: Vec<i64>,
    pub gpus: u32,
    pub milli: i64,
    pub count: u32,
}

impl Pods {
    /// How many one machine may get: those that ask for nothing would fit without end.
    pub(super) fn at_most(&self) -> u32 {
        if self.gpus == 0 && self.amounts.iter().all(|a| *a == 0) { self.count } else { u32::MAX }
    }
}

/// Offers and pods without those that do not matter.
#[derive(Debug)]
pub(super) struct Kit {
    pub offers: Vec<Offer>,
    pub pods: Vec<Pods>,
    pub unplaceable: Vec<usize>,
}

impl Kit {
    pub(super) fn new(offers: &[FleetOffer], pods: &[FleetPods]) -> Self {
        let mut kept = undominated(offers);
        let fits = |p: &FleetPods, o: &FleetOffer| {
            let amounts = p.amounts.iter().zip(&o.amounts).all(|(a, b)| a <= b);
            amounts && p.gpus <= o.gpus && (p.gpus == 0 || p.models.is_empty() || p.models.contains(&o.model))
        };
        let (mut placeable, mut unplaceable) = (Vec::new(), Vec::new());
        for (index, p) in pods.iter().enumerate().filter(|(_, p)| p.count > 0) {
            if kept.iter().any(|o| fits(p, &offers[*o])) {
                let milli = if p.gpus == 0 { 0 } else { p.milli };
                placeable.push(Pods {
                    index,
                    amounts: p.amounts.clone(),
                    gpus: p.gpus,
                    milli,
                    count: p.count,
                });
            } else {
                unplaceable.push(index);
            }
        }
        kept.sort_unstable();
        let offers = kept.into_iter().map(|index| {
            let o = &offers[index];
            let holds = (0..placeable.len()).filter(|i| fits(&pods[placeable[*i].index], o)).collect();
            Offer { index, amounts: o.amounts.clone(), gpus: o.gpus, price: o.price, holds }
        });
        Self { offers: offers.collect(), pods: placeable, unplaceable }
    }
}

/// Offers that no other one equals or beats in everything.
fn undominated(offers: &[FleetOffer]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..offers.len()).collect();
    order.sort_by(|a, b| offers[*a].price.total_cmp(&offers[*b].price).then(a.cmp(b)));
    let beats = |a: &FleetOffer, b: &FleetOffer| {
        let devices = b.gpus == 0 || (a.gpus >= b.gpus && a.model == b.model);
        devices && a.price <= b.price && a.amounts.iter().zip(&b.amounts).all(|(x, y)| x >= y)
    };
    let mut kept: Vec<usize> = Vec::new();
    for o in order {
        if !kept.iter().any(|k| beats(&offers[*k], &offers[o])) {
            kept.push(o);
        }
    }
    // A dearer offer of the same price may have been kept before a larger one.
    let all = kept.clone();
    kept.retain(|o| {
        !all.iter().any(|k| k != o && beats(&offers[*k], &offers[*o]) && !beats(&offers[*o], &offers[*k]))
    });
    kept
}

/// A machine being filled.
#[derive(Debug, Clone)]
pub(super) struct Bin {
    pub left: Vec<i64>,
    /// Free thousandths of each device, ascending.
    pub devices: Vec<i64>,
    pub pods: Vec<(usize, u32)>,
}

impl Bin {
    pub(super) fn new(offer: &Offer) -> Self {
        Self { left: offer.amounts.clone(), devices: vec![WHOLE; offer.gpus as usize], pods: Vec::new() }
    }

    pub(super) fn fits(&self, p: &Pods) -> bool {
        let enough = p.amounts.iter().zip(&self.left).all(|(a, l)| a <= l);
        enough
            && (p.gpus == 0 || {
                let n = self.devices.len();
                n >= p.gpus as usize && self.devices[n - p.gpus as usize] >= p.milli
            })
    }

    pub(super) fn put(&mut self, i: usize, p: &Pods) {
        for (l, a) in self.left.iter_mut().zip(&p.amounts) {
            *l -= a;
        }
        if p.gpus == 1 && p.milli < WHOLE {
            if let Some(d) = self.devices.iter_mut().find(|d| **d >= p.milli) {
                *d -= p.milli;
            }
            self.devices.sort_unstable();
        } else if p.gpus > 0 {
            for d in self.devices.iter_mut().rev().take(p.gpus as usize) {
                *d -= p.milli;
            }
            self.devices.sort_unstable();
        }
        match self.pods.last_mut() {
            Some((last, n)) if *last == i => *n += 1,
            _ => self.pods.push((i, 1)),
        }
    }

    pub(super) fn pattern(self, offer: usize) -> Pattern {
        let mut counts: HashMap<usize, u32> = HashMap::new();
        for (i, n) in self.pods {
            *counts.entry(i).or_insert(0) += n;
        }
        let mut pods: Vec<(usize, u32)> = counts.into_iter().collect();
        pods.sort_unstable();
        Pattern { offer, pods }
    }
}

/// How hard to look for a good pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// A handful of greedy orders.
    Quick,
    /// The same after each possible first pod: what goes with what matters most on small machines.
    Thorough,
}

/// Fills a machine in several greedy ways and returns the one worth most, at most `demand` of each pod.
pub(super) fn fill_best(
    kit: &Kit,
    offer: usize,
    prices: &[f64],
    demand: &[u32],
    effort: Effort,
) -> (f64, Pattern) {
    let o = &kit.offers[offer];
    let mut best: (f64, Option<Bin>) = (-1.0, None);
    let mut take = |bin: Bin| {
        let worth = bin.pods.iter().map(|(i, n)| prices[*i] * f64::from(*n)).sum();
        if worth > best.0 {
            best = (worth, Some(bin));
        }
    };
    let wanted: Vec<usize> =
        o.holds.iter().copied().filter(|i| prices[*i] > 1e-12 && demand[*i] > 0).collect();
    let share = |i: usize, r: usize| kit.pods[i].amounts[r] as f64 / o.amounts[r].max(1) as f64;
    let device = |i: usize| match o.gpus {
        0 => 0.0,
        n => (i64::from(kit.pods[i].gpus) * kit.pods[i].milli) as f64 / (WHOLE * i64::from(n)) as f64,
    };
    let width = o.amounts.len();
    let sum = |i: usize| (0..width).map(|r| share(i, r)).sum::<f64>() + device(i);
    let largest = |i: usize| (0..width).map(|r| share(i, r)).fold(device(i), f64::max);
    let first_amount = |i: usize| if width == 0 { 1.0 } else { share(i, 0) + 1e-3 };
    let mostly_device = |i: usize| device(i) + 1e-2 * (0..width).map(|r| share(i, r)).sum::<f64>();
    let sizes: [&dyn Fn(usize) -> f64; 4] = [&sum, &largest, &first_amount, &mostly_device];
    for size in &sizes[..if effort == Effort::Quick { 4 } else { 2 }] {
        let mut order: Vec<(f64, usize)> =
            wanted.iter().map(|i| (prices[*i] / size(*i).max(1e-9), *i)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if effort == Effort::Quick {
            take(fill(kit, Bin::new(o), &order, demand));
            continue;
        }
        for &first in &wanted {
            let mut bin = Bin::new(o);
            bin.put(first, &kit.pods[first]);
            take(fill(kit, bin, &order, demand));
        }
    }
    if effort == Effort::Quick {
        take(adaptive(kit, o, prices, demand, &wanted));
    }
    let bin = best.1.unwrap_or_else(|| Bin::new(o));
    (best.0, bin.pattern(offer))
}

/// Puts in what fits, in order.
fn fill(kit: &Kit, mut bin: Bin, order: &[(f64, usize)], demand: &[u32]) -> Bin {
    let first = bin.pods.first().copied();
    for &(_, i) in order {
        let mut n = first.map_or(0, |(f, n)| if f == i { n } else { 0 });
        while n < demand[i] && bin.fits(&kit.pods[i]) {
            bin.put(i, &kit.pods[i]);
            n += 1;
        }
    }
    bin
}

/// Fills step by step with the pod worth most for its share of what is still left.
fn adaptive(kit: &Kit, o: &Offer, prices: &[f64], demand: &[u32], wanted: &[usize]) -> Bin {
    let mut bin = Bin::new(o);
    let mut left: Vec<(usize, u32)> = wanted.iter().map(|i| (*i, demand[*i])).collect();
    loop {
        left.retain(|(i, n)| *n > 0 && bin.fits(&kit.pods[*i]));
        let free: i64 = bin.devices.iter().sum();
        let density = |i: usize| {
            let p = &kit.pods[i];
            let amounts = p.amounts.iter().zip(&bin.left).map(|(a, l)| *a as f64 / (*l).max(1) as f64);
            let device = if free == 0 { 0.0 } else { (i64::from(p.gpus) * p.milli) as f64 / free as f64 };
            prices[i] / (amounts.sum::<f64>() + device).max(1e-9)
        };
        let best = left
            .iter()
            .map(|(i, _)| (density(*i), *i))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((_, i)) = best else { return bin };
        // Several at once on a large machine: the densities change little.
        let room =
            bin.left.iter().zip(&kit.pods[i].amounts).filter(|(_, a)| **a > 0).map(|(l, a)| l / a).min();
        let several = (room.unwrap_or(1) / 8).max(1);
        for _ in 0..several {
            let Some(slot) = left.iter_mut().find(|(k, _)| *k == i) else { break };
            if slot.1 == 0 || !bin.fits(&kit.pods[i]) {
                break;
            }
            slot.1 -= 1;
            bin.put(i, &kit.pods[i]);
        }
    }
}
