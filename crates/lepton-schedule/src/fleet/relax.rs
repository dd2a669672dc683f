//! The linear relaxation of filling one machine: amounts of goods, none limited, that are worth most within a few capacities.
//!
//! Primal simplex with an explicit inverse; a program has a row for each capacity, so it is a matter of microseconds. Its prices
//! of capacity prove an upper bound whether or not it ended at the optimum.

/// Reduced worth below this is none.
const NONE: f64 = 1e-11;

/// Smallest number to divide by.
const SMALLEST: f64 = 1e-8;
/// Pivots for each capacity before what has been found is the answer.
const PIVOTS: usize = 20;

/// What one unit of each good needs, as shares of a whole machine, row by row, and what it is worth.
#[derive(Debug, Default)]
pub(super) struct Goods {
    /// Capacities.
    pub rows: usize,
    /// `rows` shares for each good.
    pub needs: Vec<f64>,
    pub worth: Vec<f64>,
}

impl Goods {
    fn needs(&self, good: usize) -> &[f64] {
        &self.needs[good * self.rows..][..self.rows]
    }
}

/// What a pivot brings into the solution: more of a good, or capacity left over.
#[derive(Debug, Clone, Copy)]
enum Entering {
    Good(usize),
    Left(usize),
}

/// A program solved again and again with other capacities and fewer goods.
#[derive(Debug, Default)]
pub(super) struct Relaxation {
    /// Good in each row of the basis, or none: that capacity is left over.
    pub basis: Vec<Option<usize>>,
    /// Units of it.
    pub units: Vec<f64>,
    inverse: Vec<f64>,
    prices: Vec<f64>,
    direction: Vec<f64>,
}

impl Relaxation {
    /// Solves for some of the goods; returns an upper bound of the worth.
    pub(super) fn solve(&mut self, goods: &Goods, among: &[usize], capacity: &[f64]) -> f64 {
        let n = goods.rows;
        self.basis.clear();
        self.basis.resize(n, None);
        self.units.clear();
        // A little more of each, of each a different little, or equal vertices would send the simplex round in circles. The bound is of the
        // true capacities.
        self.units.extend(capacity.iter().enumerate().map(|(r, c)| c + 1e-7 * (1.0 + 0.37 * r as f64)));
        self.inverse.clear();
        self.inverse.resize(n * n, 0.0);
        (0..n).for_each(|i| self.inverse[i * n + i] = 1.0);
        self.prices.clear();
        self.prices.resize(n, 0.0);
        self.direction.resize(n, 0.0);
        for _ in 0..PIVOTS * n {
            let gain = |g: &usize| goods.worth[*g] - dot(&self.prices, goods.needs(*g));
            let in_goods = among.iter().map(|g| (gain(g), Entering::Good(*g)));
            let in_leaving = self.prices.iter().enumerate().map(|(r, p)| (-p, Entering::Left(r)));
            let best = in_goods.chain(in_leaving).max_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, entering)) = best.filter(|(gain, _)| *gain > NONE) else { break };
            if !self.pivot(goods, entering) {
                return f64::INFINITY;
            }
        }
        self.bound(goods, among, capacity)
    }

    /// What a good is worth for what it needs, at the prices of capacity: 1 for the goods of the solution, less for others.
    pub(super) fn value(&self, goods: &Goods, good: usize) -> f64 {
        goods.worth[good] / dot(&self.prices, goods.needs(good)).max(1e-12)
    }

    fn pivot(&mut self, goods: &Goods, entering: Entering) -> bool {
        let n = goods.rows;
        for r in 0..n {
            let row = &self.inverse[r * n..][..n];
            self.direction[r] = match entering {
                Entering::Good(g) => dot(row, goods.needs(g)),
                Entering::Left(capacity) => row[capacity],
            };
        }
        let mut leaving: Option<(f64, usize)> = None;
        for (r, d) in self.direction.iter().enumerate().filter(|(_, d)| **d > SMALLEST) {
            let ratio = self.units[r].max(0.0) / d;
            // Between equal ratios the larger pivot is the safer one.
            let better = leaving.is_none_or(|(least, row)| {
                ratio < least - 1e-12 || (ratio <= least + 1e-12 && *d > self.direction[row])
            });
            if better {
                leaving = Some((ratio, r));
            }
        }
        let Some((step, row)) = leaving else { return false };
        for (units, d) in self.units.iter_mut().zip(&self.direction) {
            *units -= step * d;
        }
        self.units[row] = step;
        self.basis[row] = match entering {
            Entering::Good(g) => Some(g),
            Entering::Left(_) => None,
        };
        let pivot = self.direction[row];
        self.inverse[row * n..][..n].iter_mut().for_each(|x| *x /= pivot);
        for r in (0..n).filter(|r| *r != row) {
            let factor = self.direction[r];
            for c in 0..n {
                self.inverse[r * n + c] -= factor * self.inverse[row * n + c];
            }
        }
        for c in 0..n {
            let worth = |r: usize| self.basis[r].map_or(0.0, |g| goods.worth[g]);
            self.prices[c] = (0..n).map(|r| worth(r) * self.inverse[r * n + c]).sum();
        }
        true
    }

    /// What the capacities are worth at their prices, and whatever a good is worth beyond what it needs, as often as it could fit.
    fn bound(&mut self, goods: &Goods, among: &[usize], capacity: &[f64]) -> f64 {
        self.prices.iter_mut().for_each(|p| *p = p.max(0.0));
        let beyond = |g: usize| {
            let gain = goods.worth[g] - dot(&self.prices, goods.needs(g));
            let largest = goods.needs(g).iter().copied().fold(0.0, f64::max);
            if gain > 0.0 { gain / largest } else { 0.0 }
        };
        dot(&self.prices, capacity) + among.iter().map(|g| beyond(*g)).sum::<f64>()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<2>();
    let (b, b_rest) = b.as_chunks::<2>();
    // Two sums side by side, which the machine does at once.
    let [even, odd] = a.iter().zip(b).fold([0.0; 2], |s, (a, b)| [s[0] + a[0] * b[0], s[1] + a[1] * b[1]]);
    even + odd + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}
