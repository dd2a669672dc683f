//! An assignment with everything the search needs to price a change in a few dozen nanoseconds.

// One index into several rows of the same fixed width reads best, and is what the compiler vectorises.
#![allow(clippy::needless_range_loop)]

use super::instance::{Instance, NONE, NOWHERE};
use super::relations::Relations;
use super::tables::{Item, Row, Tables};

/// An assignment and its running totals.
#[derive(Clone, Debug)]
pub(crate) struct State<'a, const W: usize> {
    pub(crate) instance: &'a Instance,
    tables: &'a Tables<W>,
    pub(crate) assignment: Vec<u32>,
    items: Vec<Item<W>>,
    rows: Vec<Row<W>>,
    relations: Relations,
    /// Moved processes per service, and how many services have each such number.
    moved: Vec<u32>,
    services_with: Vec<u32>,
    most_moved: u32,
    /// The objective.
    pub(crate) total: i64,
}

/// A priced change: both machines after it, and its effect on the objective.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priced {
    pub(crate) delta: i64,
    source: i64,
    target: i64,
}

#[inline(always)]
fn positive<const W: usize>(row: &[i64; W]) -> i64 {
    row.iter().map(|&v| v.max(0)).sum()
}

impl<'a, const W: usize> State<'a, W> {
    /// `assignment` is in the search's order and feasible.
    pub(crate) fn new(instance: &'a Instance, tables: &'a Tables<W>, assignment: &[u32]) -> Self {
        let largest = (0..instance.services()).map(|s| instance.members(s).len()).max().unwrap_or(0);
        let mut state = Self {
            instance,
            tables,
            assignment: assignment.to_vec(),
            items: tables.items.clone(),
            rows: tables.rows.clone(),
            relations: Relations::new(instance, assignment),
            moved: vec![0; instance.services()],
            services_with: vec![0; largest + 1],
            most_moved: 0,
            total: 0,
        };
        state.fill();
        state
    }

    fn fill(&mut self) {
        for (p, item) in self.items.iter_mut().enumerate() {
            let machine = self.assignment[p];
            item.at = machine;
            item.paid = self.instance.move_price(p, machine);
            self.total += item.paid;
            let row = &mut self.rows[machine as usize];
            row.count += 1;
            for r in 0..W {
                row.free[r] -= item.need[r];
                row.excess[r] += item.need[r];
            }
            if item.home != machine && item.home != NOWHERE {
                for r in 0..W {
                    self.rows[item.home as usize].free[r] -= item.need[r] & self.tables.held[r];
                }
                self.moved[item.service as usize] += 1;
            }
        }
        for (row, price) in self.rows.iter_mut().zip(&self.instance.price) {
            row.cost = positive(&row.excess);
            self.total += row.cost + if row.count > 0 { *price } else { 0 };
        }
        for &moved in &self.moved {
            self.services_with[moved as usize] += 1;
            self.most_moved = self.most_moved.max(moved);
        }
        self.total += self.instance.service_move_weight * i64::from(self.most_moved);
    }

    pub(crate) fn machine_of(&self, process: usize) -> u32 {
        self.items[process].at
    }

    /// What `item` takes from `free` when it arrives at `machine`, and gives back when it leaves:
    /// transient resources stay held at home throughout.
    #[inline(always)]
    fn claim(&self, item: &Item<W>, machine: u32) -> [i64; W] {
        let at_home = -i64::from(item.home == machine);
        let mut claim = item.need;
        for r in 0..W {
            claim[r] &= !(self.tables.held[r] & at_home);
        }
        claim
    }

    /// Prices moving `process` to `to`; `None` when `to` has too little capacity or the price, plus
    /// `homing` for leaving home and less it for returning, exceeds `limit`. Relations are not looked
    /// at: ask `may_shift` once the price is right.
    #[inline(always)]
    pub(crate) fn price_shift(&self, process: usize, to: u32, homing: f64, limit: f64) -> Option<Priced> {
        let item = &self.items[process];
        let from = item.at;
        let (source, target) = (&self.rows[from as usize], &self.rows[to as usize]);
        let arrive = self.claim(item, to);
        let mut short = 0;
        for r in 0..W {
            short |= target.free[r] - arrive[r];
        }
        if short < 0 {
            return None;
        }
        let (mut less, mut more) = (0, 0);
        for r in 0..W {
            less += (source.excess[r] - item.need[r]).max(0);
            more += (target.excess[r] + item.need[r]).max(0);
        }
        let step = step_from_home(item, from, to);
        let pull = f64::from(step) * homing;
        let mut delta = less + more - source.cost - target.cost - item.paid;
        if to != item.home {
            // Before the move cost matrix is read: the least this can cost.
            if (delta + item.away) as f64 + pull > limit {
                return None;
            }
            delta += self.instance.move_price(process, to);
        }
        delta += self.service_delta(item.service, step);
        if self.tables.priced {
            delta += if target.count == 0 { self.instance.price[to as usize] } else { 0 };
            delta -= if source.count == 1 { self.instance.price[from as usize] } else { 0 };
        }
        (delta as f64 + pull <= limit).then_some(Priced { delta, source: less, target: more })
    }

    /// Prices exchanging the machines of two processes on different machines, as `price_shift` does.
    #[inline(always)]
    pub(crate) fn price_swap(&self, p: usize, q: usize, homing: f64, limit: f64) -> Option<Priced> {
        let (one, two) = (&self.items[p], &self.items[q]);
        let (a, b) = (one.at, two.at);
        let (row_a, row_b) = (&self.rows[a as usize], &self.rows[b as usize]);
        let (one_at_a, one_at_b) = (self.claim(one, a), self.claim(one, b));
        let (two_at_a, two_at_b) = (self.claim(two, a), self.claim(two, b));
        let mut short = 0;
        for r in 0..W {
            short |= row_a.free[r] + one_at_a[r] - two_at_a[r];
            short |= row_b.free[r] + two_at_b[r] - one_at_b[r];
        }
        if short < 0 {
            return None;
        }
        let (mut cost_a, mut cost_b) = (0, 0);
        for r in 0..W {
            let change = two.need[r] - one.need[r];
            cost_a += (row_a.excess[r] + change).max(0);
            cost_b += (row_b.excess[r] - change).max(0);
        }
        let steps = (step_from_home(one, a, b), step_from_home(two, b, a));
        let pull = f64::from(steps.0 + steps.1) * homing;
        let mut delta = cost_a + cost_b - row_a.cost - row_b.cost - one.paid - two.paid;
        let least = if b == one.home { 0 } else { one.away } + if a == two.home { 0 } else { two.away };
        if (delta + least) as f64 + pull > limit {
            return None;
        }
        delta += self.instance.move_price(p, b) + self.instance.move_price(q, a);
        delta += self.swap_service_delta((one.service, steps.0), (two.service, steps.1));
        (delta as f64 + pull <= limit).then_some(Priced { delta, source: cost_a, target: cost_b })
    }

    #[inline(always)]
    fn service_delta(&self, service: u32, step: i32) -> i64 {
        if step == 0 {
            return 0;
        }
        let moved = self.moved[service as usize];
        let change = if moved != self.most_moved {
            0
        } else if step > 0 {
            1
        } else {
            -i64::from(self.services_with[moved as usize] == 1)
        };
        change * self.instance.service_move_weight
    }

    fn swap_service_delta(&self, (s, step_s): (u32, i32), (t, step_t): (u32, i32)) -> i64 {
        if step_s == 0 && step_t == 0 {
            return 0;
        }
        let after =
            |service: u32, step: i32| (service, self.moved[service as usize].saturating_add_signed(step));
        let most = if s == t {
            self.most_after(&[after(s, step_s + step_t)])
        } else {
            self.most_after(&[after(s, step_s), after(t, step_t)])
        };
        self.instance.service_move_weight * (i64::from(most) - i64::from(self.most_moved))
    }

    /// The largest number of moved processes once these services have these numbers.
    fn most_after(&self, changes: &[(u32, u32)]) -> u32 {
        let new = changes.iter().map(|&(_, moved)| moved).max().unwrap_or(0);
        let leaving =
            changes.iter().filter(|&&(s, _)| self.moved[s as usize] == self.most_moved).count() as u32;
        if new >= self.most_moved {
            return new;
        }
        if leaving < self.services_with[self.most_moved as usize] {
            return self.most_moved;
        }
        let below = (0..self.most_moved).rev().find(|&n| self.services_with[n as usize] > 0);
        new.max(below.unwrap_or(0))
    }

    /// Whether every constraint but capacity allows `process` on `to`.
    pub(crate) fn may_shift(&self, process: usize, to: u32) -> bool {
        let item = &self.items[process];
        let service = item.service as usize;
        self.eligible(process, to)
            && !self.assignment[self.instance.members(service)].contains(&to)
            && self.relations.allow(self.instance, service, item.at, to)
    }

    /// Whether every constraint but capacity allows the exchange.
    pub(crate) fn may_swap(&mut self, p: usize, q: usize) -> bool {
        let (a, b) = (self.items[p].at, self.items[q].at);
        let (s, t) = (self.items[p].service as usize, self.items[q].service as usize);
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
        let from = self.items[process].at;
        self.relocate(process, to);
        self.settle(from, to, priced);
    }

    /// Carries out a swap that was priced and allowed.
    pub(crate) fn swap(&mut self, p: usize, q: usize, priced: Priced) {
        let (a, b) = (self.items[p].at, self.items[q].at);
        self.relocate(p, b);
        self.relocate(q, a);
        self.settle(a, b, priced);
    }

    fn settle(&mut self, from: u32, to: u32, priced: Priced) {
        self.rows[from as usize].cost = priced.source;
        self.rows[to as usize].cost = priced.target;
        self.total += priced.delta;
    }

    fn relocate(&mut self, process: usize, to: u32) {
        let item = self.items[process];
        let from = item.at;
        let (leave, arrive) = (self.claim(&item, from), self.claim(&item, to));
        let source = &mut self.rows[from as usize];
        for r in 0..W {
            source.free[r] += leave[r];
            source.excess[r] -= item.need[r];
        }
        source.count -= 1;
        let target = &mut self.rows[to as usize];
        for r in 0..W {
            target.free[r] -= arrive[r];
            target.excess[r] += item.need[r];
        }
        target.count += 1;
        let service = item.service as usize;
        self.relations.relocate(self.instance, service, from, to);
        self.assignment[process] = to;
        self.items[process].at = to;
        self.items[process].paid = self.instance.move_price(process, to);
        let step = step_from_home(&item, from, to);
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

/// +1 when the process leaves home, -1 when it returns, else 0.
#[inline(always)]
fn step_from_home<const W: usize>(item: &Item<W>, from: u32, to: u32) -> i32 {
    i32::from(item.home == from) - i32::from(item.home == to)
}
