//! Simulated annealing over shifts and swaps.
//!
//! Two things make it work on estates that are nearly full. Temperatures start where only the largest
//! processes can tell a good machine from a bad one, so that they settle first and the small ones fill
//! in. And leaving home is charged an extra `homing × temperature`: there are many machines to be away
//! on and one home, so plain annealing scatters processes, which fills up transient resources (held at
//! home until the move is over) and costs moves. The charge vanishes as the temperature does.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::instance::Instance;
use super::state::State;

/// Changes tried between two looks at the budget.
const SWEEP: u32 = 1024;
/// Entries of the table of acceptance thresholds.
const THRESHOLDS: u32 = 4096;

/// Temperatures of one annealing run, in units of the objective.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) hot: f64,
    pub(crate) cold: f64,
}

impl Range {
    /// From where the largest hundredth of processes decides, down to where single moves do.
    pub(crate) fn of(instance: &Instance) -> Self {
        let mut sizes: Vec<f64> = (0..instance.processes)
            .map(|p| {
                let requirement = instance.row(&instance.requirement, p);
                requirement.iter().zip(&instance.weight).map(|(&q, &w)| q as f64 * w as f64).sum()
            })
            .collect();
        sizes.sort_by(f64::total_cmp);
        let large = sizes.get(sizes.len() * 99 / 100).copied().unwrap_or(0.0);
        let prices = instance.price.iter().copied().max().unwrap_or(0) as f64;
        let hot = (large / 6.0).max(prices).max(1.0);
        let (mut sum, mut count) = (0.0, 0.0);
        for p in (0..instance.processes).step_by(instance.processes / 256 + 1) {
            for m in (0..instance.machines).step_by(instance.machines / 16 + 1) {
                let price = instance.move_price(p, m as u32);
                if price > 0 {
                    sum += price as f64;
                    count += 1.0;
                }
            }
        }
        let move_price = if count > 0.0 { sum / count } else { 0.0 };
        Self { hot, cold: (move_price / 50.0).clamp(hot * 1e-7, hot * 1e-4) }
    }

    /// The colder part, for improving an answer without forgetting it: `depth` of the way down.
    pub(crate) fn from(self, depth: f64) -> Self {
        Self { hot: self.at(depth), cold: self.cold }
    }

    fn at(self, part: f64) -> f64 {
        self.hot * (self.cold / self.hot).powf(part)
    }
}

/// One worker's source of chance.
pub(crate) struct Annealer {
    rng: Xoshiro256PlusPlus,
    /// `-ln(u)` for evenly spaced `u`: an acceptance limit is one of them times the temperature.
    thresholds: Vec<f64>,
}

impl Annealer {
    pub(crate) fn new(seed: u64) -> Self {
        let thresholds =
            (0..THRESHOLDS).map(|i| -((f64::from(i) + 0.5) / f64::from(THRESHOLDS)).ln()).collect();
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(seed), thresholds }
    }

    /// Uniform number below `n`, by multiplication: a bias of 2^-32·n does not matter to a search.
    #[inline(always)]
    fn below(&mut self, n: usize) -> usize {
        ((self.rng.next_u64() >> 32).wrapping_mul(n as u64) >> 32) as usize
    }

    /// Anneals `state` while `spent` (of the number of changes tried) is below one, and keeps the best
    /// assignment seen in `best`. Returns the number of changes tried.
    pub(crate) fn run<const W: usize>(
        &mut self,
        state: &mut State<'_, W>,
        best: &mut (i64, Vec<u32>),
        range: Range,
        homing: f64,
        spent: &dyn Fn(u64) -> f64,
    ) -> u64 {
        let mut steps = 0;
        loop {
            let part = spent(steps);
            if part >= 1.0 {
                return steps;
            }
            let temperature = range.at(part);
            for _ in 0..SWEEP {
                self.step(state, temperature, homing * temperature);
            }
            steps += u64::from(SWEEP);
            if state.total < best.0 {
                best.0 = state.total;
                best.1.copy_from_slice(&state.assignment);
            }
        }
    }

    #[inline(always)]
    fn step<const W: usize>(&mut self, state: &mut State<'_, W>, temperature: f64, homing: f64) {
        let draw = self.rng.next_u64();
        let limit = temperature * self.thresholds[(draw % u64::from(THRESHOLDS)) as usize];
        let p = self.below(state.assignment.len());
        if draw >> 63 == 0 {
            let q = self.below(state.assignment.len());
            if state.machine_of(p) != state.machine_of(q)
                && let Some(priced) = state.price_swap(p, q, homing, limit)
                && state.may_swap(p, q)
            {
                state.swap(p, q, priced);
            }
        } else {
            let to = self.below(state.instance.machines) as u32;
            if state.machine_of(p) != to
                && let Some(priced) = state.price_shift(p, to, homing, limit)
                && state.may_shift(p, to)
            {
                state.shift(p, to, priced);
            }
        }
    }
}
