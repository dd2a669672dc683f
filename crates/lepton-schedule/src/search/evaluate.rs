//! The whole objective and every constraint, computed from nothing: slow, plain, and what the
//! incremental search is tested against.

use thiserror::Error;

use super::instance::{Instance, NONE, NOWHERE};

/// The objective, term by term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostTerms {
    /// Use above safety capacity.
    pub load: i64,
    /// Capacity left in the wrong proportion.
    pub balance: i64,
    /// Moved processes.
    pub process_move: i64,
    /// The most disturbed service.
    pub service_move: i64,
    /// Distance between old and new machines.
    pub machine_move: i64,
    /// Machines in use.
    pub price: i64,
}

impl CostTerms {
    /// What the search minimises.
    pub fn total(&self) -> i64 {
        self.load + self.balance + self.process_move + self.service_move + self.machine_move + self.price
    }
}

/// The first constraint an assignment breaks. Numbers are the caller's indices.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Violation {
    /// Not one machine per process.
    #[error("assignment has {found} entries, expected {expected}")]
    Length {
        /// Entries found.
        found: usize,
        /// Number of processes.
        expected: usize,
    },
    /// No such machine.
    #[error("process {process} is on machine {machine}, which does not exist")]
    NoMachine {
        /// The process.
        process: usize,
        /// Where it is said to run.
        machine: u32,
    },
    /// The process may not run there.
    #[error("process {process} is not eligible for machine {machine}")]
    NotEligible {
        /// The process.
        process: usize,
        /// The machine.
        machine: u32,
    },
    /// More is used (or held during moves) than there is.
    #[error("machine {machine} has too little of resource {resource}: {used} used of {capacity}")]
    Capacity {
        /// The machine.
        machine: usize,
        /// The resource.
        resource: usize,
        /// Use, with what is held during moves.
        used: i64,
        /// Capacity.
        capacity: i64,
    },
    /// Two processes of one service share a machine.
    #[error("service {service} has two processes on machine {machine}")]
    Conflict {
        /// The service.
        service: usize,
        /// The machine.
        machine: u32,
    },
    /// Too few locations.
    #[error("service {service} runs in {found} locations, expected at least {expected}")]
    Spread {
        /// The service.
        service: usize,
        /// Locations in use.
        found: usize,
        /// Locations wanted.
        expected: u32,
    },
    /// A dependency is not near.
    #[error("service {service} runs in neighbourhood {neighbourhood} without service {dependency}")]
    Dependency {
        /// The service.
        service: usize,
        /// The neighbourhood.
        neighbourhood: usize,
        /// The service it depends on.
        dependency: u32,
    },
}

impl Instance {
    /// Checks every constraint of `assignment` (the caller's order) and returns its cost.
    pub fn evaluate(&self, assignment: &[u32]) -> Result<CostTerms, Violation> {
        if assignment.len() != self.processes {
            return Err(Violation::Length { found: assignment.len(), expected: self.processes });
        }
        let internal = self.to_internal(assignment);
        self.check_machines_exist(&internal)?;
        let usage = self.check_capacity(&internal)?;
        self.check_services(&internal)?;
        Ok(self.cost(&internal, &usage))
    }

    fn check_machines_exist(&self, assignment: &[u32]) -> Result<(), Violation> {
        for (p, &machine) in assignment.iter().enumerate() {
            let process = self.external[p] as usize;
            if machine as usize >= self.machines {
                return Err(Violation::NoMachine { process, machine });
            }
            let set = self.eligible[p];
            if set != NONE && !self.eligibility[set as usize][machine as usize] {
                return Err(Violation::NotEligible { process, machine });
            }
        }
        Ok(())
    }

    fn check_capacity(&self, assignment: &[u32]) -> Result<Vec<i64>, Violation> {
        let width = self.resources;
        let mut usage = vec![0i64; self.machines * width];
        let mut held = vec![0i64; self.machines * width];
        for (p, &machine) in assignment.iter().enumerate() {
            let home = self.home[p];
            for (r, &need) in self.row(&self.requirement, p).iter().enumerate() {
                usage[machine as usize * width + r] += need;
                if self.transient[r] && home != machine && home != NOWHERE {
                    held[home as usize * width + r] += need;
                }
            }
        }
        for (at, (used, held)) in usage.iter().zip(&held).enumerate() {
            let (machine, resource) = (at / width, at % width);
            let (used, capacity) = (used + held, self.capacity[at]);
            if used > capacity {
                return Err(Violation::Capacity { machine, resource, used, capacity });
            }
        }
        Ok(usage)
    }

    fn check_services(&self, assignment: &[u32]) -> Result<(), Violation> {
        let mut near = vec![false; self.services() * self.neighbourhoods];
        for service in 0..self.services() {
            let mut on: Vec<u32> = assignment[self.members(service)].to_vec();
            on.sort_unstable();
            if let Some(pair) = on.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Violation::Conflict { service, machine: pair[0] });
            }
            let mut locations: Vec<u32> = on.iter().map(|&m| self.location[m as usize]).collect();
            locations.sort_unstable();
            locations.dedup();
            let expected = self.spread_min[service];
            if (locations.len() as u64) < u64::from(expected) {
                return Err(Violation::Spread { service, found: locations.len(), expected });
            }
            for &machine in &on {
                near[service * self.neighbourhoods + self.neighbourhood[machine as usize] as usize] = true;
            }
        }
        for service in 0..self.services() {
            for neighbourhood in 0..self.neighbourhoods {
                if !near[service * self.neighbourhoods + neighbourhood] {
                    continue;
                }
                let absent = |&&d: &&u32| !near[d as usize * self.neighbourhoods + neighbourhood];
                if let Some(&dependency) = self.needs[service].iter().find(absent) {
                    return Err(Violation::Dependency { service, neighbourhood, dependency });
                }
            }
        }
        Ok(())
    }

    fn cost(&self, assignment: &[u32], usage: &[i64]) -> CostTerms {
        let mut terms = CostTerms::default();
        let mut in_use = vec![false; self.machines];
        let mut moved = vec![0i64; self.services()];
        for (p, &machine) in assignment.iter().enumerate() {
            in_use[machine as usize] = true;
            let home = self.home[p];
            if home != machine && home != NOWHERE {
                terms.process_move += self.process_move[p];
                terms.machine_move += self.move_price(p, machine) - self.process_move[p];
                moved[self.service[p] as usize] += 1;
            }
        }
        terms.service_move = self.service_move_weight * moved.iter().copied().max().unwrap_or(0);
        for (machine, in_use) in in_use.into_iter().enumerate() {
            let (load, balance) = self.machine_cost(machine, self.row(usage, machine));
            terms.load += load;
            terms.balance += balance;
            terms.price += if in_use { self.price[machine] } else { 0 };
        }
        terms
    }
}
