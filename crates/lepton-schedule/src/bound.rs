//! What no answer can be cheaper than, however replicas are arranged: every resource taken alone and divisible at will.

use crate::compile::Model;
use crate::state::{NOWHERE, State};

/// A lower bound on the total objective of any answer that places the same replicas.
pub(crate) fn lower_bound(model: &Model<'_>, state: &State) -> f64 {
    let s = &model.problem.strategy;
    let mut demand = vec![0_i64; model.columns.len()];
    let mut egress = 0.0;
    for w in &model.works {
        let placed =
            (w.first..w.first + w.replicas).filter(|r| state.at[*r as usize] != NOWHERE).count() as i64;
        for &(c, amount) in &w.requests {
            demand[c as usize] += amount * placed;
        }
        let regions = model.machines.iter().chain(&model.offers).map(|m| {
            let region = model.classes.get(m.class).map_or("", |c| c.region());
            w.egress.get(region).copied().unwrap_or(0.0)
        });
        if !w.egress.is_empty() {
            egress += placed as f64 * regions.fold(f64::INFINITY, f64::min);
        }
    }
    let machines =
        (0..model.columns.len()).map(|c| machines(model, c, demand[c])).fold(sunk(model), f64::max);
    let balance = if model.offers.is_empty() { balance(model, &demand) } else { 0.0 };
    s.cost * s.horizon_hours * (machines + egress) + s.balance * s.horizon_hours * balance
}

/// An hour of the machines that cannot be given back.
fn sunk(model: &Model<'_>) -> f64 {
    model.machines.iter().filter(|m| !m.removable).map(|m| m.price).sum()
}

/// Cheapest machines, by price of a unit of one resource, that hold a demand, cut at will.
fn machines(model: &Model<'_>, column: usize, demand: i64) -> f64 {
    let fixed: i64 = model.machines.iter().filter(|m| !m.removable).map(|m| m.capacity[column]).sum();
    let mut left = (demand - fixed) as f64;
    let existing = model.machines.iter().filter(|m| m.removable).map(|m| (m.price, m.capacity[column], 1.0));
    let offers = model
        .offers
        .iter()
        .zip(&model.problem.offers)
        .map(|(m, o)| (m.price, m.capacity[column], o.quota.map_or(f64::INFINITY, f64::from)));
    let mut sources: Vec<(f64, f64, f64)> = existing
        .chain(offers)
        .filter(|(_, cap, _)| *cap > 0)
        .map(|(price, cap, count)| (price / cap as f64, cap as f64, count))
        .collect();
    sources.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut cost = sunk(model);
    for (unit_price, cap, count) in sources {
        if left <= 0.0 {
            break;
        }
        let used = left.min(cap * count);
        cost += used * unit_price;
        left -= used;
    }
    cost
}

/// Squares are least in sum when each node's use is in proportion to its capacity squared.
fn balance(model: &Model<'_>, demand: &[i64]) -> f64 {
    let width = demand.len().max(1) as f64;
    let squares = demand.iter().enumerate().map(|(c, &d)| {
        let capacity: f64 = model.machines.iter().map(|m| (m.capacity[c] as f64).powi(2)).sum();
        if capacity > 0.0 { (d as f64).powi(2) / capacity } else { 0.0 }
    });
    squares.sum::<f64>() / width * model.reference_price
}
