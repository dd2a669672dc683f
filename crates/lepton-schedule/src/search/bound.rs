//! A proven lower bound on the objective of any feasible assignment.
//!
//! Load: over all machines, use of a resource is what it is, so at least the use that exceeds the
//! sum of safety capacities is paid for. Balance: capacity left over all machines is fixed too, and
//! the sum of positive parts is at least the positive part of the sum. Both hold together because
//! they bound different terms. Moves and prices are bounded by zero.

use super::instance::Instance;

/// Least possible cost of `instance`: `sum of w_r * max(0, U_r - SC_r)` over resources plus
/// `w_b * max(0, target * A_first - A_second)` over balances.
pub fn lower_bound(instance: &Instance) -> i64 {
    let sum = |flat: &[i64], r: usize| -> i64 { flat.iter().skip(r).step_by(instance.resources).sum() };
    let used: Vec<i64> = (0..instance.resources).map(|r| sum(&instance.requirement, r)).collect();
    let load: i64 = (0..instance.resources)
        .map(|r| instance.weight[r] * (used[r] - sum(&instance.safety, r)).max(0))
        .sum();
    let left = |r: u32| sum(&instance.capacity, r as usize) - used[r as usize];
    let balance: i64 =
        instance.balances.iter().map(|b| b.weight * (b.target * left(b.first) - left(b.second)).max(0)).sum();
    load + balance
}
