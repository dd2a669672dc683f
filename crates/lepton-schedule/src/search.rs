//! Anytime improvement of a whole assignment: the global half of the scheduler.
//!
//! ```text
//!   InstanceInput ──checked──► Instance ──► improve(start, budget, seed) ──► Improved
//!                                             │ each thread: price a shift or a swap in nanoseconds,
//!                                             │ take it as simulated annealing says; exchange bests
//! ```
//!
//! The problem is the one of the ROADEF/EURO challenge 2012 (machine reassignment, set by Google):
//! capacities, transient resources, conflicts, spread and dependencies are hard; load above safety
//! capacity, unbalanced leftovers and moves cost. Optional machine prices and sets of eligible machines
//! make it carry a cloud estate too. It is not an online scheduler (see the crate root) and it has no
//! clock: the caller's [`Budget`] says how much of its time is spent.

mod anneal;
mod bound;
mod evaluate;
mod instance;
mod relations;
mod state;
mod tables;
#[cfg(test)]
mod tests;

pub use bound::lower_bound;
pub use evaluate::{CostTerms, Violation};
pub use instance::{
    Balance, Instance, InstanceInput, InvalidInstance, MAX_RESOURCES, MAX_VALUE, Machine, Process, Resource,
    Service, Weights,
};

use anneal::{Annealer, Range};
use state::State;
use tables::Tables;

/// How long to search. The first limit reached ends it.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Changes each thread may try. The answer depends on this alone when `spent` stays at zero.
    pub steps: u64,
    /// Worker threads, at least one.
    pub threads: usize,
    /// How much of the time allowed has passed, 0 to 1. The caller has a clock and may cancel by
    /// answering 1; it is asked about every ten microseconds by every thread.
    pub spent: &'a (dyn Fn() -> f64 + Sync),
}

/// The best assignment found.
#[derive(Clone, Debug)]
pub struct Improved {
    /// Machine of each process, in the caller's order.
    pub assignment: Vec<u32>,
    /// Its cost by term.
    pub cost: CostTerms,
    /// Cost no feasible assignment can be below, see [`lower_bound`].
    pub bound: i64,
    /// Changes tried by one thread; the others tried about as many.
    pub steps: u64,
}

/// One stretch of the search, all threads side by side.
struct Round {
    /// Part of the budget at which it ends.
    until: f64,
    /// How far down the range of temperatures it begins.
    depth: f64,
    /// Begins from the best answer so far rather than from the start.
    resume: bool,
}

/// Short whole runs that differ in how strongly processes are held at home, the best of which sets the
/// tone; a long whole run; then a colder one from the best.
const ROUNDS: [Round; 3] = [
    Round { until: 0.15, depth: 0.0, resume: false },
    Round { until: 0.8, depth: 0.0, resume: false },
    Round { until: 1.0, depth: 0.5, resume: true },
];

/// Extra charge for leaving home, in units of temperature. Which is best depends on how full the
/// estate is and how far from good its start; the first round finds out.
const HOMING: [f64; 3] = [2.5, 5.0, 10.0];

/// Improves `start` (the caller's order) until the budget is spent. The answer is feasible and never
/// dearer than `start`. With one thread and a budget of steps alone, the same input gives the same answer.
///
/// # Errors
/// The first [`Violation`] of `start`.
pub fn improve(
    instance: &Instance,
    start: &[u32],
    budget: Budget<'_>,
    seed: u64,
) -> Result<Improved, Violation> {
    instance.evaluate(start)?;
    // Compiled widths, so that loops over lanes have a fixed length.
    let (assignment, steps) = match instance.lanes() {
        0..=4 => search::<4>(instance, start, budget, seed),
        5..=8 => search::<8>(instance, start, budget, seed),
        9..=12 => search::<12>(instance, start, budget, seed),
        13..=16 => search::<16>(instance, start, budget, seed),
        _ => search::<{ instance::MAX_LANES }>(instance, start, budget, seed),
    };
    let cost = instance.evaluate(&assignment)?;
    Ok(Improved { assignment, cost, bound: lower_bound(instance), steps })
}

struct Outcome {
    cost: i64,
    assignment: Vec<u32>,
    homing: f64,
    steps: u64,
}

fn search<const W: usize>(
    instance: &Instance,
    start: &[u32],
    budget: Budget<'_>,
    seed: u64,
) -> (Vec<u32>, u64) {
    let tables = Tables::<W>::new(instance);
    let range = Range::of(instance);
    let start = instance.to_internal(start);
    let threads = budget.threads.max(1);
    let mut best = (State::new(instance, &tables, &start).total, start.clone());
    let mut homing = None;
    let (mut steps, mut began) = (0, 0.0);
    if instance.machines < 2 || instance.processes == 0 {
        return (instance.to_external(&start), 0);
    }
    for (number, round) in ROUNDS.iter().enumerate() {
        if (budget.spent)() >= 1.0 {
            break;
        }
        let from = if round.resume { best.clone() } else { (best.0, start.clone()) };
        // One thread tries each strength in turn; more threads try them side by side.
        let trials = if homing.is_none() { HOMING.len().div_ceil(threads) } else { 1 };
        let mut outcomes: Vec<Outcome> = Vec::new();
        for trial in 0..trials {
            let length = (round.until - began) / trials as f64;
            let first = began + length * trial as f64;
            let spent = |steps_of_thread: u64| {
                let all = (budget.spent)().max((steps + steps_of_thread) as f64 / budget.steps.max(1) as f64);
                if all >= 1.0 { 1.0 } else { (all - first) / length }
            };
            let workers = (0..threads).map(|thread| {
                let homing = homing.unwrap_or(HOMING[(trial * threads + thread) % HOMING.len()]);
                let lane = (number * ROUNDS.len() + trial) * threads + thread;
                (homing, seed ^ (lane as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            });
            let work = |homing: f64, seed: u64| {
                let mut state = State::new(instance, &tables, &from.1);
                let mut best = (state.total, from.1.clone());
                let range = range.from(round.depth);
                let steps = Annealer::new(seed).run(&mut state, &mut best, range, homing, &spent);
                Outcome { cost: best.0, assignment: best.1, homing, steps }
            };
            let trial_outcomes = side_by_side(workers.collect(), &work);
            steps += trial_outcomes.iter().map(|o| o.steps).max().unwrap_or(0);
            outcomes.extend(trial_outcomes);
        }
        began = round.until;
        if let Some(winner) = outcomes.into_iter().min_by_key(|o| o.cost) {
            homing = homing.or(Some(winner.homing));
            if winner.cost < best.0 {
                best = (winner.cost, winner.assignment);
            }
        }
    }
    (instance.to_external(&best.1), steps)
}

/// Runs one worker per entry, the first on this thread.
fn side_by_side(workers: Vec<(f64, u64)>, work: &(impl Fn(f64, u64) -> Outcome + Sync)) -> Vec<Outcome> {
    std::thread::scope(|scope| {
        let (first, rest) = match workers.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return Vec::new(),
        };
        let handles: Vec<_> =
            rest.iter().map(|&(homing, seed)| scope.spawn(move || work(homing, seed))).collect();
        let mut outcomes = vec![work(first.0, first.1)];
        // A worker that panicked is a bug; what the others found is still good.
        outcomes.extend(handles.into_iter().filter_map(|handle| handle.join().ok()));
        outcomes
    })
}
