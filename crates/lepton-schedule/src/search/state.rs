//! An assignment with everything the search needs to price a change in a few dozen nanoseconds.
//!
//! Per machine one row holds what is left of each resource and by how much use exceeds safety
//! capacity, so that pricing a move reads two rows and two requirement vectors. `W` is the number
//! of resources rounded up to a compiled width: fixed-length loops are what makes this fast.

use super::instance::{Instance, NONE, NOWHERE};
use super::relations::Relations;

/// Read-only tables shared by all threads: process and machine rows padded to `W`.
#[derive(Debug)]
pub(crate) struct Tables<const W: usize> {
    requirement: Vec<[i64; W]>,
    weight: [i64; W],
    /// All ones where the resource is transient.
    transient: [i64; W],
    /// Capacity less safety capacity.
    margin: Vec<[i64; W]>,
    pub(crate) priced: bool,
}

impl<const W: usize> Tables<W> {
    pub(crate) fn new(instance: &Instance) -> Self {
        let pad = |row: &[i64]| {
            let mut out = [0; W];
            out[..row.len()].copy_from_slice(row);
            out
        };
        let transient: Vec<i64> = instance.transient.iter().map(|&t| if t { -1 } else { 0 }).collect();
        Self {
            requirement: (0..instance.processes)
                .map(|p| pad(instance.row(&instance.requirement, p)))
                .collect(),
            weight: pad(&instance.weight),
            transient: pad(&transient),
            margin: (0..instance.machines)
                .map(|m| {
                    let mut row = pad(instance.row(&instance.capacity, m));
                    for (left, safety) in row.iter_mut().zip(instance.row(&instance.safety, m)) {
                        *left -= safety;
                    }
                    row
                })
                .collect(),
            priced: instance.price.iter().any(|&p| p > 0),
        }
    }
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Row<const W: usize> {
    /// Capacity less use and less what is held for processes that left home.
    free: [i64; W],
    /// Use less safety capacity.
    excess: [i64; W],
    /// Load and balance cost of this row.
    cost: i64,
    count: u32,
}

/// An assignment and its running totals.
#[derive(Clone, Debug)]
pub(crate) struct State<'a, const W: usize> {
    pub(crate) instance: &'a Instance,
    tables: &'a Tables<W>,
    pub(crate) assignment: Vec<u32>,
    rows: Vec<Row<W>>,
    relations: Relations,
    /// Moved processes per service, and how many services have each such number.
    moved: Vec<u32>,
    services_with: Vec<u32>,
    most_moved: u32,
    pub(crate) total: i64,
}

/// A priced change: the new price of both machines, and the change of the objective.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priced {
    pub(crate) delta: i64,
    source: i64,
    target: i64,
}

impl<'a, const W: usize> State<'a, W> {
    /// `assignment` is in the search's order and feasible.
    pub(crate) fn new(instance: &'a Instance, tables: &'a Tables<W>, assignment: Vec<u32>) -> Self {
        let rows = (0..instance.machines)
            .map(|m| {
                let mut row = Row { free: [0; W], excess: [0; W], cost: 0, count: 0 };
                for r in 0..instance.resources {
                    row.free[r] = instance.row(&instance.capacity, m)[r];
                    row.excess[r] = -instance.row(&instance.safety, m)[r];
                }
                row
            })
            .collect();
        let relations = Relations::new(instance, &assignment);
        let largest =
            (0..instance.services()).map(|s| instance.members(s).len()).max().unwrap_or(0);
        let mut state = Self {
            instance,
            tables,
            assignment,
            rows,
            relations,
            moved: vec![0; instance.services()],
            services_with: vec![0; largest + 1],
            most_moved: 0,
            total: 0,
        };
        state.fill();
        state
    }

    fn fill(&mut self) {
        for p in 0..self.assignment.len() {
            let (home, machine) = (self.instance.home[p], self.assignment[p]);
            let requirement = &self.tables.requirement[p];
            let row = &mut self.rows[machine as usize];
            row.count += 1;
            for r in 0..W {
                row.free[r] -= requirement[r];
                row.excess[r] += requirement[r];
            }
            if home != machine && home != NOWHERE {
                for r in 0..W {
                    self.rows[home as usize].free[r] -= requirement[r] & self.tables.transient[r];
                }
                self.moved[self.instance.service[p] as usize] += 1;
                self.total += self.instance.move_price(p, machine);
            }
        }
        for m in 0..self.rows.len() {
            self.rows[m].cost = self.row_cost(m as u32, &self.rows[m].excess);
            self.total += self.rows[m].cost;
            if self.rows[m].count > 0 {
                self.total += self.instance.price[m];
            }
        }
        for &moved in &self.moved {
            self.services_with[moved as usize] += 1;
            self.most_moved = self.most_moved.max(moved);
        }
        self.total += self.instance.service_move_weight * i64::from(self.most_moved);
    }

    #[inline(always)]
    fn row_cost(&self, machine: u32, excess: &[i64; W]) -> i64 {
        let mut cost = 0;
        for r in 0..W {
            cost += self.tables.weight[r] * excess[r].max(0);
        }
        for balance in &self.instance.balances {
            let margin = &self.tables.margin[machine as usize];
            let left = |r: u32| margin[r as usize] - excess[r as usize];
            cost += balance.weight * (balance.target * left(balance.first) - left(balance.second)).max(0);
        }
        cost
    }

    /// What `process` takes from `free` when it arrives at `machine`, and gives back when it leaves:
    /// transient resources stay held at home throughout.
    #[inline(always)]
    fn held(&self, process: usize, machine: u32) -> [i64; W] {
        let at_home = -i64::from(self.instance.home[process] == machine);
        let requirement = &self.tables.requirement[process];
        let mut held = [0; W];
        for r in 0..W {
            held[r] = requirement[r] & !(self.tables.transient[r] & at_home);
        }
        held
    }

    /// Prices moving `process` to `to`; `None` when `to` has too little capacity. Relations are not
    /// looked at: ask `may_shift` once the price is right.
    #[inline(always)]
    pub(crate) fn price_shift(&self, process: usize, to: u32) -> Option<Priced> {
        let from = self.assignment[process];
        let (source, target) = (&self.rows[from as usize], &self.rows[to as usize]);
        let requirement = &self.tables.requirement[process];
        let held = self.held(process, to);
        let (mut short, mut less, mut more) = (0, [0; W], [0; W]);
        for r in 0..W {
            short |= target.free[r] - held[r];
            less[r] = source.excess[r] - requirement[r];
            more[r] = target.excess[r] + requirement[r];
        }
        if short < 0 {
            return None;
        }
        let (new_source, new_target) = (self.row_cost(from, &less), self.row_cost(to, &more));
        let mut delta = new_source + new_target - source.cost - target.cost
            + self.instance.move_price(process, to)
            - self.instance.move_price(process, from)
            + self.service_delta(self.instance.service[process], self.step_from_home(process, from, to));
        if self.tables.priced {
            delta += if target.count == 0 { self.instance.price[to as usize] } else { 0 };
            delta -= if source.count == 1 { self.instance.price[from as usize] } else { 0 };
        }
        Some(Priced { delta, source: new_source, target: new_target })
    }

    /// Prices exchanging the machines of two processes on different machines; `None` when either
    /// machine has too little capacity.
    #[inline(always)]
    pub(crate) fn price_swap(&self, p: usize, q: usize) -> Option<Priced> {
        let (a, b) = (self.assignment[p], self.assignment[q]);
        let (row_a, row_b) = (&self.rows[a as usize], &self.rows[b as usize]);
        let (need_p, need_q) = (&self.tables.requirement[p], &self.tables.requirement[q]);
        let (p_at_a, p_at_b) = (self.held(p, a), self.held(p, b));
        let (q_at_a, q_at_b) = (self.held(q, a), self.held(q, b));
        let (mut short, mut new_a, mut new_b) = (0, [0; W], [0; W]);
        for r in 0..W {
            short |= row_a.free[r] + p_at_a[r] - q_at_a[r];
            short |= row_b.free[r] + q_at_b[r] - p_at_b[r];
            let change = need_q[r] - need_p[r];
            new_a[r] = row_a.excess[r] + change;
            new_b[r] = row_b.excess[r] - change;
        }
        if short < 0 {
            return None;
        }
        let (cost_a, cost_b) = (self.row_cost(a, &new_a), self.row_cost(b, &new_b));
        let delta = cost_a + cost_b - row_a.cost - row_b.cost
            + self.instance.move_price(p, b)
            - self.instance.move_price(p, a)
            + self.instance.move_price(q, a)
            - self.instance.move_price(q, b)
            + self.swap_service_delta(p, q, a, b);
        Some(Priced { delta, source: cost_a, target: cost_b })
    }

    /// +1 when the process leaves home, -1 when it returns, else 0.
    #[inline(always)]
    fn step_from_home(&self, process: usize, from: u32, to: u32) -> i32 {
        let home = self.instance.home[process];
        i32::from(home == from) - i32::from(home == to)
    }

    #[inline(always)]
    fn service_delta(&self, service: u32, step: i32) -> i64 {
        let moved = self.moved[service as usize];
        let change = if step > 0 && moved == self.most_moved {
            1
        } else if step < 0 && moved == self.most_moved && self.services_with[moved as usize] == 1 {
            -1
        } else {
            0
        };
        change * self.instance.service_move_weight
    }

    fn swap_service_delta(&self, p: usize, q: usize, a: u32, b: u32) -> i64 {
        let (step_p, step_q) = (self.step_from_home(p, a, b), self.step_from_home(q, b, a));
        if step_p == 0 && step_q == 0 {
            return 0;
        }
        let (s, t) = (self.instance.service[p] as usize, self.instance.service[q] as usize);
        let raise = |service: usize, step: i32| self.moved[service].saturating_add_signed(step);
        let most = if s == t {
            self.most_after(&[(s, raise(s, step_p + step_q))])
        } else {
            self.most_after(&[(s, raise(s, step_p)), (t, raise(t, step_q))])
        };
        self.instance.service_move_weight * (i64::from(most) - i64::from(self.most_moved))
    }

    /// The largest number of moved processes once these services have these numbers.
    fn most_after(&self, changes: &[(usize, u32)]) -> u32 {
        let new = changes.iter().map(|&(_, moved)| moved).max().unwrap_or(0);
        if new >= self.most_moved {
            return new;
        }
        let leaving = changes.iter().filter(|&&(s, _)| self.moved[s] == self.most_moved).count() as u32;
        // Each change is by one at most two, so the maximum falls at most to the next lower number in use.
        if leaving < self.services_with[self.most_moved as usize] {
            return self.most_moved;
        }
        let below = (0..self.most_moved).rev().find(|&n| self.services_with[n as usize] > 0).unwrap_or(0);
        new.max(below)
    }

    /// Whether every constraint but capacity allows `process` on `to`.
    pub(crate) fn may_shift(&self, process: usize, to: u32) -> bool {
        let service = self.instance.service[process] as usize;
        self.eligible(process, to)
            && !self.assignment[self.instance.members(service)].contains(&to)
            && self.relations.allow(self.instance, service, self.assignment[process], to)
    }

    /// Whether every constraint but capacity allows the exchange.
    pub(crate) fn may_swap(&mut self, p: usize, q: usize) -> bool {
        let (a, b) = (self.assignment[p], self.assignment[q]);
        let (s, t) = (self.instance.service[p] as usize, self.instance.service[q] as usize);
        if !self.eligible(p, b) || !self.eligible(q, a) {
            return false;
        }
        if s == t {
            // The service stays on the same set of machines.
            return true;
        }
        if self.assignment[self.instance.members(s)].contains(&b)
            || self.assignment[self.instance.members(t)].contains(&a)
            || !self.relations.allow(self.instance, s, a, b)
        {
            return false;
        }
        // The two services may depend on each other: judge the second with the first one moved.
        // That is at worst too strict, never too lax.
        self.relations.relocate(self.instance, s, a, b);
        let allowed = self.relations.allow(self.instance, t, b, a);
        self.relations.relocate(self.instance, s, b, a);
        allowed
    }

    #[inline(always)]
    fn eligible(&self, process: usize, machine: u32) -> bool {
        let set = self.instance.eligible[process];
        set == NONE || self.instance.eligibility[set as usize][machine as usize]
    }

    /// Carries out a shift that was priced and allowed.
    pub(crate) fn shift(&mut self, process: usize, to: u32, priced: Priced) {
        let from = self.assignment[process];
        self.relocate(process, from, to);
        self.rows[from as usize].cost = priced.source;
        self.rows[to as usize].cost = priced.target;
        self.total += priced.delta;
    }

    /// Carries out a swap that was priced and allowed.
    pub(crate) fn swap(&mut self, p: usize, q: usize, priced: Priced) {
        let (a, b) = (self.assignment[p], self.assignment[q]);
        self.relocate(p, a, b);
        self.relocate(q, b, a);
        self.rows[a as usize].cost = priced.source;
        self.rows[b as usize].cost = priced.target;
        self.total += priced.delta;
    }

    fn relocate(&mut self, process: usize, from: u32, to: u32) {
        let (leaving, arriving) = (self.held(process, from), self.held(process, to));
        let requirement = &self.tables.requirement[process];
        let source = &mut self.rows[from as usize];
        for r in 0..W {
            source.free[r] += leaving[r];
            source.excess[r] -= requirement[r];
        }
        source.count -= 1;
        let target = &mut self.rows[to as usize];
        for r in 0..W {
            target.free[r] -= arriving[r];
            target.excess[r] += requirement[r];
        }
        target.count += 1;
        let service = self.instance.service[process] as usize;
        self.relations.relocate(self.instance, service, from, to);
        self.assignment[process] = to;
        let step = self.step_from_home(process, from, to);
        if step != 0 {
            let old = self.moved[service];
            let new = old.saturating_add_signed(step);
            self.services_with[old as usize] -= 1;
            self.services_with[new as usize] += 1;
            self.moved[service] = new;
            self.most_moved = self.most_moved.max(new);
            while self.most_moved > 0 && self.services_with[self.most_moved as usize] == 0 {
                self.most_moved -= 1;
            }
        }
    }
}
