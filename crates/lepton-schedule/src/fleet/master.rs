//! The master program: how many machines of each pattern, so that every pod has a place, at least cost.
//!
//! Revised simplex with an explicit inverse of the basis; there is a row for each kind of pod, so it is small.

use super::pattern::{Kit, Pattern};

/// Reduced costs above this are not negative.
const NEGATIVE: f64 = -1e-9;
/// Less than this of a column comes of rounding and of what demand is raised by.
pub(super) const NOISE: f64 = 1e-4;
/// Pivots between rebuilding the inverse from scratch.
const REBUILD: u32 = 300;

/// A machine and what it holds; fractions where it is not a machine but a mix that none can be better than.
#[derive(Debug)]
pub(super) struct Column {
    pub cost: f64,
    pub pods: Vec<(usize, f64)>,
}

impl Column {
    pub(super) fn of(kit: &Kit, pattern: &Pattern) -> Self {
        let pods = pattern.pods.iter().map(|(i, n)| (*i, f64::from(*n)));
        Self { cost: kit.offers[pattern.offer].price, pods: pods.collect() }
    }
}

/// What is in the basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basic {
    Column(usize),
    /// More of a pod than asked for.
    Surplus(usize),
}

/// The program and its current optimal basis.
#[derive(Debug)]
pub(super) struct Master {
    rows: usize,
    demand: Vec<f64>,
    columns: Vec<Column>,
    basis: Vec<Basic>,
    /// Row-major.
    inverse: Vec<f64>,
    values: Vec<f64>,
    prices: Vec<f64>,
    pivots: u32,
}

impl Master {
    /// Starts with columns that hold one kind of pod only, one for each in order.
    pub(super) fn new(demand: &[u32], alone: Vec<Column>) -> Self {
        let rows = demand.len();
        let mut master = Self {
            rows,
            demand: Vec::new(),
            columns: alone,
            basis: Vec::new(),
            inverse: Vec::new(),
            values: Vec::new(),
            prices: Vec::new(),
            pivots: 0,
        };
        master.restart(demand);
        master
    }

    /// Adds a column; [`Master::solve`] uses it.
    pub(super) fn add(&mut self, column: Column) {
        self.columns.push(column);
    }

    /// What one more of each pod would cost.
    pub(super) fn prices(&self) -> &[f64] {
        &self.prices
    }

    /// Columns in use and how often, as fractions.
    pub(super) fn solution(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.basis.iter().zip(&self.values).filter_map(|(b, v)| match b {
            Basic::Column(c) if *v > NOISE => Some((*c, *v)),
            _ => None,
        })
    }

    /// Changes the demand and starts again from single-pod columns, which are the first `rows`.
    pub(super) fn restart(&mut self, demand: &[u32]) {
        // A little more of each, of each a different little, or equal vertices would send the simplex round in circles.
        let more = |i: usize| 1e-6 * (1.0 + (i as f64 * 0.618_034).fract());
        self.demand = demand.iter().enumerate().map(|(i, d)| f64::from(*d) + more(i)).collect();
        self.basis = (0..self.rows).map(Basic::Column).collect();
        self.rebuild();
        self.solve();
    }

    /// Pivots until no known column helps.
    pub(super) fn solve(&mut self) {
        for _ in 0..50 * self.rows + 1000 {
            let Some(entering) = self.entering() else { return };
            if !self.pivot(entering) {
                return;
            }
        }
    }

    fn entering(&self) -> Option<Basic> {
        let mut best = (NEGATIVE, None);
        for (c, column) in self.columns.iter().enumerate() {
            let worth: f64 = column.pods.iter().map(|(i, n)| self.prices[*i] * n).sum();
            // Relative to cost, or the largest machines would always come first.
            let reduced = 1.0 - worth / column.cost;
            if reduced < best.0 {
                best = (reduced, Some(Basic::Column(c)));
            }
        }
        for (i, price) in self.prices.iter().enumerate() {
            if *price < best.0 {
                best = (*price, Some(Basic::Surplus(i)));
            }
        }
        best.1
    }

    fn pivot(&mut self, entering: Basic) -> bool {
        let n = self.rows;
        let mut direction = vec![0.0; n];
        let mut add = |column: usize, factor: f64, inverse: &[f64]| {
            for (r, d) in direction.iter_mut().enumerate() {
                *d += factor * inverse[r * n + column];
            }
        };
        match entering {
            Basic::Column(c) => {
                self.columns[c].pods.iter().for_each(|(i, k)| add(*i, *k, &self.inverse));
            }
            Basic::Surplus(i) => add(i, -1.0, &self.inverse),
        }
        let mut leaving: Option<(f64, usize)> = None;
        for (r, d) in direction.iter().enumerate().filter(|(_, d)| **d > 1e-9) {
            let ratio = self.values[r].max(0.0) / d;
            // Between equal ratios the larger pivot is the safer one.
            let better = leaving.is_none_or(|(best, row)| {
                ratio < best - 1e-12 || (ratio <= best + 1e-12 && *d > direction[row])
            });
            if better {
                leaving = Some((ratio, r));
            }
        }
        let Some((step, row)) = leaving else { return false };
        self.basis[row] = entering;
        self.pivots += 1;
        if self.pivots.is_multiple_of(REBUILD) {
            self.rebuild();
            return true;
        }
        for (r, d) in direction.iter().enumerate() {
            self.values[r] -= step * d;
        }
        self.values[row] = step;
        let scale = 1.0 / direction[row];
        for x in &mut self.inverse[row * n..][..n] {
            *x *= scale;
        }
        let pivot_row = self.inverse[row * n..][..n].to_vec();
        for (r, d) in direction.iter().enumerate().filter(|(r, d)| *r != row && d.abs() > 1e-14) {
            for (x, y) in self.inverse[r * n..][..n].iter_mut().zip(&pivot_row) {
                *x -= d * y;
            }
        }
        self.price();
        true
    }

    /// Prices by the basis: its costs times the inverse.
    fn price(&mut self) {
        let n = self.rows;
        self.prices = vec![0.0; n];
        for (r, b) in self.basis.iter().enumerate() {
            if let Basic::Column(c) = b {
                let cost = self.columns[*c].cost;
                for (price, x) in self.prices.iter_mut().zip(&self.inverse[r * n..][..n]) {
                    *price += cost * x;
                }
            }
        }
    }

    /// Inverse, values and prices from the basis alone (Gauss and Jordan, with row pivoting).
    fn rebuild(&mut self) {
        let n = self.rows;
        let mut matrix = vec![0.0; n * n];
        for (c, b) in self.basis.iter().enumerate() {
            match b {
                Basic::Column(column) => {
                    for (i, k) in &self.columns[*column].pods {
                        matrix[i * n + c] = *k;
                    }
                }
                Basic::Surplus(i) => matrix[i * n + c] = -1.0,
            }
        }
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            inverse[i * n + i] = 1.0;
        }
        for c in 0..n {
            let largest = (c..n).max_by(|a, b| matrix[a * n + c].abs().total_cmp(&matrix[b * n + c].abs()));
            let Some(row) = largest.filter(|r| matrix[r * n + c].abs() > 1e-12) else { continue };
            if row != c {
                for k in 0..n {
                    matrix.swap(row * n + k, c * n + k);
                    inverse.swap(row * n + k, c * n + k);
                }
            }
            let scale = 1.0 / matrix[c * n + c];
            for k in 0..n {
                matrix[c * n + k] *= scale;
                inverse[c * n + k] *= scale;
            }
            for r in (0..n).filter(|r| *r != c) {
                let factor = matrix[r * n + c];
                if factor != 0.0 {
                    for k in 0..n {
                        matrix[r * n + k] -= factor * matrix[c * n + k];
                        inverse[r * n + k] -= factor * inverse[c * n + k];
                    }
                }
            }
        }
        self.inverse = inverse;
        self.values = (0..n)
            .map(|r| self.inverse[r * n..][..n].iter().zip(&self.demand).map(|(x, d)| x * d).sum())
            .collect();
        self.price();
    }
}
