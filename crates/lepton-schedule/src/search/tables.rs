//! The instance as the inner loop wants it: every term of the objective a lane of one vector.
//!
//! A resource `r` is a lane in units of money: requirements, capacities and safety capacities are
//! multiplied by its weight once, so that the load cost of a machine is the sum of positive parts of
//! `use - safety` over lanes. A balance objective is linear in use too, `target·(C₁-U₁) - (C₂-U₂)`,
//! so it is one more lane with a requirement of `-(target·q₁ - q₂)` and no capacity. `W` is the
//! number of lanes rounded up to a compiled width: fixed-length loops are what makes this fast.

// One index into several rows of the same fixed width reads best, and is what the compiler vectorises.
#![allow(clippy::needless_range_loop)]

use super::instance::{Instance, NOWHERE};

/// Stands for "never short of this": far above any use, far below overflow.
const PLENTY: i64 = 1 << 61;

/// What a pricing of a change reads about a process, on one or two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Item<const W: usize> {
    pub(crate) need: [i64; W],
    /// Least price of being away from home.
    pub(crate) away: i64,
    /// Price paid now for being away from home.
    pub(crate) paid: i64,
    pub(crate) home: u32,
    pub(crate) at: u32,
    pub(crate) service: u32,
}

/// One machine.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Row<const W: usize> {
    /// Capacity less use and less what is held for processes that left home.
    pub(crate) free: [i64; W],
    /// Use less safety capacity.
    pub(crate) excess: [i64; W],
    /// Sum of positive parts of `excess`.
    pub(crate) cost: i64,
    pub(crate) count: u32,
}

/// An empty estate: items at home at no price, rows without use.
#[derive(Debug)]
pub(crate) struct Tables<const W: usize> {
    pub(crate) items: Vec<Item<W>>,
    pub(crate) rows: Vec<Row<W>>,
    /// All ones where a process that left home still holds its requirement there.
    pub(crate) held: [i64; W],
    pub(crate) priced: bool,
}

impl<const W: usize> Tables<W> {
    pub(crate) fn new(instance: &Instance) -> Self {
        let resources = instance.resources;
        let mut held = [0; W];
        for (held, &transient) in held.iter_mut().zip(&instance.transient) {
            *held = -i64::from(transient);
        }
        let scale: Vec<i64> = instance.weight.iter().map(|w| (*w).max(1)).collect();
        let items = (0..instance.processes)
            .map(|p| {
                let requirement = instance.row(&instance.requirement, p);
                let mut need = [0; W];
                for r in 0..resources {
                    need[r] = requirement[r] * scale[r];
                }
                for (lane, b) in need[resources..].iter_mut().zip(&instance.balances) {
                    let wanted = b.target * requirement[b.first as usize] - requirement[b.second as usize];
                    *lane = -b.weight * wanted;
                }
                let (away, home) = (instance.process_move[p], instance.home[p]);
                Item { need, away, paid: 0, home, at: NOWHERE, service: instance.service[p] }
            })
            .collect();
        // Capacity beyond twice all use is never felt; cutting it there keeps scaled values small.
        let used: Vec<i64> = (0..resources)
            .map(|r| instance.requirement.iter().skip(r).step_by(resources).sum::<i64>() * scale[r])
            .collect();
        let rows = (0..instance.machines)
            .map(|m| {
                let capacity = instance.row(&instance.capacity, m);
                let safety = instance.row(&instance.safety, m);
                let mut row = Row { free: [PLENTY; W], excess: [0; W], cost: 0, count: 0 };
                for r in 0..resources {
                    row.free[r] = capacity[r].saturating_mul(scale[r]).min(2 * used[r]);
                    let safe = safety[r].saturating_mul(scale[r]).min(used[r]);
                    row.excess[r] = if instance.weight[r] == 0 { -PLENTY } else { -safe };
                }
                for (lane, b) in row.excess[resources..].iter_mut().zip(&instance.balances) {
                    *lane = b.weight * (b.target * capacity[b.first as usize] - capacity[b.second as usize]);
                }
                row
            })
            .collect();
        Self { items, rows, held, priced: instance.price.iter().any(|&p| p > 0) }
    }
}
