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
    /// Whether it would fit without end.
    pub(super) fn asks_nothing(&self) -> bool {
        self.gpus == 0 && self.amounts.iter().all(|a| *a == 0)
    }

    /// How many one machine may get.
    pub(super) fn at_most(&self) -> u32 {
        if self.asks_nothing() { self.count } else { u32::MAX }
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
