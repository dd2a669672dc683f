//! Simulated annealing over shifts and swaps.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::state::State;

/// Uniform number below `n`, by multiplication: the bias of 2^-32·n does not matter to a search.
#[inline(always)]
pub(crate) fn below(rng: &mut Xoshiro256PlusPlus, n: usize) -> usize {
    ((rng.next_u64() >> 32).wrapping_mul(n as u64) >> 32) as usize
}

pub(crate) struct Anneal {
    pub rng: Xoshiro256PlusPlus,
    pub thresholds: Vec<f64>,
}

impl Anneal {
    pub(crate) fn new(seed: u64) -> Self {
        let thresholds = (0..4096).map(|i| -((f64::from(i) + 0.5) / 4096.0).ln()).collect();
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(seed), thresholds }
    }

    pub(crate) fn run<const W: usize>(
        &mut self,
        state: &mut State<'_, W>,
        best: &mut (i64, Vec<u32>),
        hot: f64,
        cold: f64,
        swap_share: f64,
        spent: &dyn Fn(u64) -> f64,
    ) -> u64 {
        let (n, m) = (state.assignment.len(), state.instance.machines);
        let mut steps = 0u64;
        let swap_below = (swap_share * 65536.0) as u64;
        let mut last_report = 0.0;
        let (mut acc, mut acc_n, mut cap_rej, mut rel_rej) = (0u64, 0u64, 0u64, 0u64);
        loop {
            let f = spent(steps);
            if f >= 1.0 {
                break;
            }
            let t = hot * (cold / hot).powf(f);
            if f >= last_report + 0.1 {
                last_report = f;
                eprintln!(
                    "  f={f:.2} T={t:.0} cost={} best={} steps={}M acc%={:.3} accnz%={:.4} cap%={:.1} rel%={:.3}",
                    state.total,
                    best.0,
                    steps / 1_000_000,
                    100.0 * acc as f64 / steps as f64,
                    100.0 * acc_n as f64 / steps as f64,
                    100.0 * cap_rej as f64 / steps as f64,
                    100.0 * rel_rej as f64 / steps as f64
                );
            }
            for _ in 0..1024 {
                let draw = self.rng.next_u64();
                let limit = (t * self.thresholds[(draw & 4095) as usize]) as i64;
                let p = below(&mut self.rng, n);
                if (draw >> 16 & 65535) < swap_below {
                    let q = below(&mut self.rng, n);
                    if state.assignment[p] == state.assignment[q] {
                        continue;
                    }
                    let Some(priced) = state.price_swap(p, q) else { cap_rej += 1; continue };
                    if priced.delta > limit {
                        continue;
                    }
                    if !state.may_swap(p, q) {
                        rel_rej += 1;
                        continue;
                    }
                    state.swap(p, q, priced);
                    acc += 1;
                    acc_n += u64::from(priced.delta != 0);
                } else {
                    let to = below(&mut self.rng, m) as u32;
                    if state.assignment[p] == to {
                        continue;
                    }
                    let Some(priced) = state.price_shift(p, to) else { cap_rej += 1; continue };
                    if priced.delta > limit {
                        continue;
                    }
                    if !state.may_shift(p, to) {
                        rel_rej += 1;
                        continue;
                    }
                    state.shift(p, to, priced);
                    acc += 1;
                    acc_n += u64::from(priced.delta != 0);
                }
            }
            steps += 1024;
            if state.total < best.0 {
                best.0 = state.total;
                best.1.copy_from_slice(&state.assignment);
            }
        }
        steps
    }
}
