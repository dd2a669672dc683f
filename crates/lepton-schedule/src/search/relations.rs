//! Constraints between processes: conflict, spread and dependency, kept as counts per service.

use super::instance::{Instance, NONE};

/// Counts that answer in a few reads whether a process may change machines.
#[derive(Clone, Debug)]
pub(crate) struct Relations {
    /// Per service, its row in `in_location`, or `NONE` when any spread will do.
    spread_row: Vec<u32>,
    /// Processes per location, for services with a spread to keep.
    in_location: Vec<u32>,
    /// Locations in use, per row.
    spread: Vec<u32>,
    /// Per service, its row in `near`, or `NONE` when it neither needs nor is needed.
    near_row: Vec<u32>,
    /// Processes per neighbourhood, for services that are part of a dependency.
    near: Vec<u32>,
}

impl Relations {
    pub(crate) fn new(instance: &Instance, assignment: &[u32]) -> Self {
        let services = instance.services();
        let mut relations = Self {
            spread_row: vec![NONE; services],
            in_location: Vec::new(),
            spread: Vec::new(),
            near_row: vec![NONE; services],
            near: Vec::new(),
        };
        let (mut spread_rows, mut near_rows) = (0, 0);
        for s in 0..services {
            if instance.spread_min[s] > 1 {
                relations.spread_row[s] = spread_rows;
                spread_rows += 1;
            }
            if !instance.needs[s].is_empty() || !instance.needed_by[s].is_empty() {
                relations.near_row[s] = near_rows;
                near_rows += 1;
            }
        }
        relations.in_location = vec![0; spread_rows as usize * instance.locations];
        relations.spread = vec![0; spread_rows as usize];
        relations.near = vec![0; near_rows as usize * instance.neighbourhoods];
        for (p, &machine) in assignment.iter().enumerate() {
            relations.arrive(instance, instance.service[p] as usize, machine);
        }
        relations
    }

    fn arrive(&mut self, instance: &Instance, service: usize, machine: u32) {
        let row = self.spread_row[service];
        if row != NONE {
            let count = &mut self.in_location
                [row as usize * instance.locations + instance.location[machine as usize] as usize];
            *count += 1;
            self.spread[row as usize] += u32::from(*count == 1);
        }
        let row = self.near_row[service];
        if row != NONE {
            self.near[row as usize * instance.neighbourhoods
                + instance.neighbourhood[machine as usize] as usize] += 1;
        }
    }

    fn depart(&mut self, instance: &Instance, service: usize, machine: u32) {
        let row = self.spread_row[service];
        if row != NONE {
            let count = &mut self.in_location
                [row as usize * instance.locations + instance.location[machine as usize] as usize];
            *count -= 1;
            self.spread[row as usize] -= u32::from(*count == 0);
        }
        let row = self.near_row[service];
        if row != NONE {
            self.near[row as usize * instance.neighbourhoods
                + instance.neighbourhood[machine as usize] as usize] -= 1;
        }
    }

    /// Records that a process of `service` went from one machine to another.
    pub(crate) fn relocate(&mut self, instance: &Instance, service: usize, from: u32, to: u32) {
        self.depart(instance, service, from);
        self.arrive(instance, service, to);
    }

    /// Whether spread and dependencies still hold after a process of `service` moves.
    pub(crate) fn allow(&self, instance: &Instance, service: usize, from: u32, to: u32) -> bool {
        self.spread_holds(instance, service, from, to) && self.near_holds(instance, service, from, to)
    }

    fn spread_holds(&self, instance: &Instance, service: usize, from: u32, to: u32) -> bool {
        let row = self.spread_row[service];
        if row == NONE {
            return true;
        }
        let (old, new) = (instance.location[from as usize], instance.location[to as usize]);
        if old == new {
            return true;
        }
        let counts = &self.in_location[row as usize * instance.locations..];
        let lost = u32::from(counts[old as usize] == 1);
        let won = u32::from(counts[new as usize] == 0);
        self.spread[row as usize] + won >= instance.spread_min[service] + lost
    }

    fn near_holds(&self, instance: &Instance, service: usize, from: u32, to: u32) -> bool {
        let row = self.near_row[service];
        if row == NONE {
            return true;
        }
        let (old, new) = (instance.neighbourhood[from as usize], instance.neighbourhood[to as usize]);
        if old == new {
            return true;
        }
        let count = |service: u32, neighbourhood: u32| {
            // A service that needs or is needed has a row, unless it is needed but has no process at all.
            let row = self.near_row[service as usize] as usize;
            self.near[row * instance.neighbourhoods + neighbourhood as usize]
        };
        let own = &self.near[row as usize * instance.neighbourhoods..];
        (own[new as usize] > 0 || instance.needs[service].iter().all(|&d| count(d, new) > 0))
            && (own[old as usize] > 1 || instance.needed_by[service].iter().all(|&d| count(d, old) == 0))
    }
}
