//! What one machine can hold that is worth most, at given prices of pods: exact, or with a proven bound.
//!
//! Branch and bound: the linear relaxation says which pod to try next ("one more of it" or "no more of it") and which branches
//! cannot win. Devices are capacities too: thousandths in all, and how many devices must be more than half or a third empty
//! (the functions of Fekete and Schepers, "New classes of fast lower bounds for bin packing problems", 2001), by which two pods
//! of 650 thousandths are seen not to share one. Whether shares really fit their devices is tried before a pod is put in.

use super::pattern::{Kit, Offer, Pattern, WHOLE};
use super::relax::{Goods, Relaxation};

/// Capacities that devices make.
const DEVICE_ROWS: usize = 3;
/// Steps of trying shares in devices before it counts as fitting (for the bound) and as not found (for a pattern).
const PACKINGS: u32 = 2_000;

/// Relaxations that are rounded to a filling; later ones differ little.
const COMPLETED: u32 = 24;
/// Most pods put in one by one.
const DEEPEST: usize = 512;

/// How a machine of an offer could be filled.
#[derive(Debug)]
pub(super) struct Filled {
    /// No way of filling it is worth more; what is asked for at least if that is more.
    pub bound: f64,
    /// A way that is worth more than what was asked for, if there is one (and the search came far enough).
    pub pattern: Option<Pattern>,
    /// Otherwise, and when there may be one, fractions of pods that the relaxation would put in.
    pub mix: Option<Vec<(usize, f64)>>,
}

/// Fills a machine with pods, of each at most `most`, that together are worth more than `above`, as much as possible; ends after a number of
/// looks at the relaxation.
pub(super) fn fill(kit: &Kit, offer: usize, prices: &[f64], most: &[u32], above: f64, looks: u32) -> Filled {
    let o = &kit.offers[offer];
    let rows = o.amounts.len() + DEVICE_ROWS;
    let mut free = Vec::new();
    let mut worth_of_free = 0.0;
    let mut goods = Goods { rows, ..Goods::default() };
    let mut pods = Vec::new();
    let wanted: Vec<usize> = o.holds.iter().copied().filter(|i| prices[*i] > 0.0 && most[*i] > 0).collect();
    let beaten = |i: usize| wanted.iter().any(|k| most[*k] == u32::MAX && beats(kit, prices, *k, i));
    for &i in wanted.iter().filter(|i| !beaten(**i)) {
        if kit.pods[i].asks_nothing() {
            let n = kit.pods[i].count.min(most[i]);
            free.push((i, n));
            worth_of_free += prices[i] * f64::from(n);
            continue;
        }
        goods.worth.push(prices[i]);
        needs(kit, o, i, &mut goods.needs);
        pods.push(i);
    }
    let mut search = Search {
        kit,
        goods: &goods,
        pods: &pods,
        left: o.amounts.clone(),
        shares: Vec::new(),
        devices: o.gpus,
        of_each: pods.iter().map(|i| most[*i]).collect(),
        put: Vec::new(),
        value: worth_of_free,
        target: above,
        best: None,
        bound: above,
        mix: None,
        looks,
        completed: 0,
        capacity: vec![1.0; rows],
    };
    if o.gpus == 0 {
        search.capacity[rows - DEVICE_ROWS..].fill(0.0);
    }
    search.branch((0..pods.len()).collect(), 0);
    let bound = search.bound.max(search.target);
    let pattern = search.best.map(|mut put| {
        put.extend(free);
        put.sort_unstable();
        let mut counts: Vec<(usize, u32)> = Vec::new();
        for (i, n) in put {
            match counts.last_mut() {
                Some((last, m)) if *last == i => *m += n,
                _ => counts.push((i, n)),
            }
        }
        Pattern { offer, pods: counts }
    });
    let mix = search.mix;
    Filled { bound, pattern, mix }
}

/// Whether another pod, of which there is no lack, is worth as much for as little.
fn beats(kit: &Kit, prices: &[f64], pod: usize, other: usize) -> bool {
    let (p, q) = (&kit.pods[pod], &kit.pods[other]);
    // Between equals the first.
    let order = (prices[pod], other) > (prices[other], pod);
    order && p.gpus <= q.gpus && p.milli <= q.milli && p.amounts.iter().zip(&q.amounts).all(|(a, b)| a <= b)
}

/// What a pod needs, as shares of a machine.
fn needs(kit: &Kit, o: &Offer, pod: usize, to: &mut Vec<f64>) {
    let p = &kit.pods[pod];
    to.extend(p.amounts.iter().zip(&o.amounts).map(|(a, all)| *a as f64 / (*all).max(1) as f64));
    let each = if o.gpus == 0 { 0.0 } else { f64::from(p.gpus) / f64::from(o.gpus) };
    let half = match (2 * p.milli).cmp(&WHOLE) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 1.0,
    };
    let thirds = if p.milli == WHOLE { 1.0 } else { (3 * p.milli / WHOLE) as f64 / 2.0 };
    to.extend([each * p.milli as f64 / WHOLE as f64, each * half, each * thirds]);
}

struct Search<'a> {
    kit: &'a Kit,
    goods: &'a Goods,
    /// Pod of each good.
    pods: &'a [usize],
    left: Vec<i64>,
    /// Shares of devices in use, whole ones too.
    shares: Vec<i64>,
    devices: u32,
    /// How many more of each good.
    of_each: Vec<u32>,
    put: Vec<(usize, u32)>,
    value: f64,
    target: f64,
    best: Option<Vec<(usize, u32)>>,
    /// Greatest bound of a branch that was not entered for want of looks.
    bound: f64,
    /// The relaxation there.
    mix: Option<Vec<(usize, f64)>>,
    looks: u32,
    completed: u32,
    capacity: Vec<f64>,
}

impl Search<'_> {
    /// Looks at all ways to go on with the given goods.
    fn branch(&mut self, mut among: Vec<usize>, depth: usize) {
        let mut relaxation = Relaxation::default();
        loop {
            among.retain(|g| self.of_each[*g] > 0 && self.has_amounts(*g) && self.has_devices(*g));
            let bound = self.value + relaxation.solve(self.goods, &among, &self.capacity);
            if bound <= self.target * (1.0 + 1e-9) {
                return;
            }
            if self.looks == 0 || depth == DEEPEST {
                if bound > self.bound {
                    self.bound = bound;
                    self.mix = Some(self.mixed(&relaxation));
                }
                return;
            }
            self.looks -= 1;
            if self.completed < COMPLETED {
                self.completed += 1;
                self.complete(&relaxation, &among);
            }
            if bound <= self.target * (1.0 + 1e-9) {
                return;
            }
            // What the relaxation would have most of, by worth: it decides soonest.
            let units = relaxation.basis.iter().zip(&relaxation.units);
            let main = units
                .filter_map(|(g, units)| g.map(|g| (self.goods.worth[g] * units, g)))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, good)) = main else { return };
            if self.put(good) {
                self.keep();
                self.branch(among.clone(), depth + 1);
                self.take_back(good);
            }
            among.retain(|g| *g != good);
        }
    }

    /// What is in, and what the relaxation adds.
    fn mixed(&self, relaxation: &Relaxation) -> Vec<(usize, f64)> {
        let units = relaxation.basis.iter().zip(&relaxation.units);
        let added = units.filter_map(|(g, units)| Some((self.pods[(*g)?], *units)));
        let mut mix: Vec<(usize, f64)> = Vec::new();
        for (i, n) in self.put.iter().map(|(i, n)| (*i, f64::from(*n))).chain(added) {
            match mix.iter_mut().find(|(k, _)| *k == i) {
                Some((_, m)) => *m += n,
                None => mix.push((i, n)),
            }
        }
        mix
    }

    /// Rounds the relaxation down, fills up with what is worth most for what it needs at the relaxation's prices, and keeps that if it is the best
    /// so far.
    fn complete(&mut self, relaxation: &Relaxation, among: &[usize]) {
        let units = relaxation.basis.iter().zip(&relaxation.units);
        let mut order: Vec<(f64, usize)> = units.filter_map(|(g, units)| Some((*units, (*g)?))).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut rest: Vec<(f64, usize)> =
            among.iter().map(|g| (relaxation.value(self.goods, *g), *g)).collect();
        rest.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let rounded = order.into_iter().map(|(units, good)| ((units + 1e-9).floor() as u32, good));
        let mut added = Vec::new();
        for (times, good) in rounded.chain(rest.into_iter().map(|(_, good)| (u32::MAX, good))) {
            for _ in 0..times {
                if !self.has_amounts(good) || self.of_each[good] == 0 || !self.put(good) {
                    break;
                }
                added.push(good);
            }
        }
        self.keep();
        for good in added.into_iter().rev() {
            self.take_back(good);
        }
    }

    fn keep(&mut self) {
        let better = self.value > self.target * (1.0 + 1e-9);
        if better && fits_devices(&self.shares, self.devices) == Some(true) {
            self.target = self.value;
            self.best = Some(self.put.clone());
        }
    }

    fn has_amounts(&self, good: usize) -> bool {
        self.kit.pods[self.pods[good]].amounts.iter().zip(&self.left).all(|(a, l)| a <= l)
    }

    /// Whether one more is not ruled out by the devices left, as far as the relaxation knows.
    fn has_devices(&self, good: usize) -> bool {
        let rows = self.goods.rows;
        let needs = &self.goods.needs[good * rows..][rows - DEVICE_ROWS..rows];
        needs.iter().zip(&self.capacity[rows - DEVICE_ROWS..]).all(|(n, c)| *n <= c + 1e-9)
    }

    /// Puts one more in, unless its shares are known not to fit.
    fn put(&mut self, good: usize) -> bool {
        let p = &self.kit.pods[self.pods[good]];
        if p.gpus > 0 {
            for _ in 0..p.gpus {
                let at = self.shares.partition_point(|s| *s > p.milli);
                self.shares.insert(at, p.milli);
            }
            if fits_devices(&self.shares, self.devices) == Some(false) {
                self.unshare(good);
                return false;
            }
        }
        for (l, a) in self.left.iter_mut().zip(&p.amounts) {
            *l -= a;
        }
        self.of_each[good] = self.of_each[good].saturating_sub(1);
        self.value += self.goods.worth[good];
        self.put.push((self.pods[good], 1));
        let needs = &self.goods.needs[good * self.goods.rows..][..self.goods.rows];
        self.capacity.iter_mut().zip(needs).for_each(|(c, n)| *c -= n);
        true
    }

    fn take_back(&mut self, good: usize) {
        let p = &self.kit.pods[self.pods[good]];
        self.unshare(good);
        for (l, a) in self.left.iter_mut().zip(&p.amounts) {
            *l += a;
        }
        self.of_each[good] = self.of_each[good].saturating_add(1);
        self.value -= self.goods.worth[good];
        self.put.pop();
        let needs = &self.goods.needs[good * self.goods.rows..][..self.goods.rows];
        self.capacity.iter_mut().zip(needs).for_each(|(c, n)| *c += n);
    }

    fn unshare(&mut self, good: usize) {
        let p = &self.kit.pods[self.pods[good]];
        for _ in 0..p.gpus {
            if let Some(at) = self.shares.iter().position(|s| *s == p.milli) {
                self.shares.remove(at);
            }
        }
    }
}

/// Whether shares, largest first, fit into that many devices; nothing when that could not be told soon.
fn fits_devices(shares: &[i64], devices: u32) -> Option<bool> {
    if shares.iter().sum::<i64>() > WHOLE * i64::from(devices) {
        return Some(false);
    }
    let mut steps = PACKINGS;
    pack(shares, &mut vec![WHOLE; devices as usize], &mut steps)
}

fn pack(shares: &[i64], devices: &mut [i64], steps: &mut u32) -> Option<bool> {
    let Some((first, rest)) = shares.split_first() else { return Some(true) };
    if *steps == 0 {
        return None;
    }
    *steps -= 1;
    for d in 0..devices.len() {
        if devices[d] >= *first && !devices[..d].contains(&devices[d]) {
            devices[d] -= first;
            let found = pack(rest, devices, steps);
            devices[d] += first;
            if found != Some(false) {
                return found;
            }
        }
    }
    Some(false)
}
