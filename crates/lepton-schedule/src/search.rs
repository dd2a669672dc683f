//! Anytime improvement of a whole assignment.

mod anneal;
mod bound;
mod evaluate;
mod instance;
mod relations;
mod state;

pub use bound::lower_bound;
pub use evaluate::{CostTerms, Violation};
pub use instance::{
    Balance, Instance, InstanceInput, InvalidInstance, MAX_RESOURCES, MAX_VALUE, Machine, Process, Resource,
    Service, Weights,
};

pub fn lab(instance: &Instance, start: &[u32], seed: u64, hot: f64, cold: f64, swap: f64, spent: &dyn Fn(u64) -> f64) -> (Vec<u32>, i64, u64) {
    match instance.resources {
        0..=4 => lab_w::<4>(instance, start, seed, hot, cold, swap, spent),
        5..=8 => lab_w::<8>(instance, start, seed, hot, cold, swap, spent),
        9..=12 => lab_w::<12>(instance, start, seed, hot, cold, swap, spent),
        _ => lab_w::<32>(instance, start, seed, hot, cold, swap, spent),
    }
}

fn lab_w<const W: usize>(instance: &Instance, start: &[u32], seed: u64, hot: f64, cold: f64, swap: f64, spent: &dyn Fn(u64) -> f64) -> (Vec<u32>, i64, u64) {
    let tables = state::Tables::<W>::new(instance);
    let mut state = state::State::new(instance, &tables, instance.to_internal(start));
    let mut best = (state.total, state.assignment.clone());
    let mut a = anneal::Anneal::new(seed);
    let steps = a.run(&mut state, &mut best, hot, cold, swap, spent);
    (instance.to_external(&best.1), best.0, steps)
}
