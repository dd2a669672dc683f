//! The dense problem: what the caller fills in, and what the search reads.

use thiserror::Error;

/// Values that come from outside are kept below this, so that sums of them stay far from overflow.
pub const MAX_VALUE: i64 = 1 << 50;
/// The objective of any feasible assignment must stay below this.
const MAX_OBJECTIVE: i128 = 1 << 61;
/// More resources than this are refused: rows are padded to one of a few compiled widths.
pub const MAX_RESOURCES: usize = 32;
/// Resources and balances together: each is a lane of the search's rows.
pub(crate) const MAX_LANES: usize = MAX_RESOURCES;
/// Marks a process that runs nowhere yet.
pub(crate) const NOWHERE: u32 = u32::MAX;
/// Marks a service without an entry in a side table.
pub(crate) const NONE: u32 = u32::MAX;

/// One resource dimension, such as cpu or memory.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    /// Held on both the old and the new machine while a process moves (disk, for example).
    pub transient: bool,
    /// Price of one unit of use above a machine's safety capacity.
    pub weight: i64,
}

/// One machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Dependencies are satisfied inside one neighbourhood (a zone, a rack, a cloud).
    pub neighbourhood: u32,
    /// Services spread over locations (a failure domain).
    pub location: u32,
    /// Hard limit per resource.
    pub capacity: Vec<i64>,
    /// Use above this costs `Resource::weight` per unit.
    pub safety: Vec<i64>,
    /// Paid once while the machine runs at least one process.
    pub price: i64,
}

/// One service: a set of processes that must run on distinct machines.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Least number of distinct locations the service's processes occupy.
    pub spread_min: u32,
    /// Services of which a process must run in each neighbourhood this service runs in.
    pub dependencies: Vec<u32>,
}

/// One process (a replica, a pod, a task).
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Index of its service.
    pub service: u32,
    /// Use per resource.
    pub requirement: Vec<i64>,
    /// Price of moving it away from its home, before `Weights::process_move`.
    pub move_cost: i64,
    /// Where it runs now; `None` when it runs nowhere, which makes its first placement free.
    pub home: Option<u32>,
    /// Index into `InstanceInput::eligibility`; `None` when every machine will do.
    pub eligibility: Option<u32>,
}

/// Wants `capacity left of second >= target * capacity left of first` on every machine.
#[derive(Clone, Debug)]
pub struct Balance {
    /// Index of the first resource.
    pub first: u32,
    /// Index of the second resource.
    pub second: u32,
    /// Wanted units of the second per unit of the first.
    pub target: i64,
    /// Price of a missing unit.
    pub weight: i64,
}

/// Prices of moving things.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Multiplies the sum of `Process::move_cost` over moved processes.
    pub process_move: i64,
    /// Multiplies the largest number of moved processes of one service.
    pub service_move: i64,
    /// Multiplies the sum of `InstanceInput::machine_move_cost[home][now]`.
    pub machine_move: i64,
}

/// The problem as a caller states it. Indices are positions in these vectors.
#[derive(Clone, Debug, Default)]
pub struct InstanceInput {
    /// Resource dimensions.
    pub resources: Vec<Resource>,
    /// Machines.
    pub machines: Vec<Machine>,
    /// Row-major `machines × machines` matrix (from, to), or empty for no such cost.
    pub machine_move_cost: Vec<u32>,
    /// Services.
    pub services: Vec<Service>,
    /// Processes.
    pub processes: Vec<Process>,
    /// Sets of machines, one flag per machine, that processes refer to.
    pub eligibility: Vec<Vec<bool>>,
    /// Balance objectives.
    pub balances: Vec<Balance>,
    /// Prices of moving.
    pub weights: Weights,
}

/// Why an instance is refused. The path says where, the rest what would be right.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidInstance {
    /// A list has the wrong number of entries.
    #[error("{path}: {found} entries, expected {expected}")]
    Length {
        /// Where.
        path: String,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// An index points past the end of the list it indexes.
    #[error("{path}: index {found}, expected less than {limit}")]
    Index {
        /// Where.
        path: String,
        /// The index.
        found: u64,
        /// Length of the list.
        limit: usize,
    },
    /// A quantity is negative or too large.
    #[error("{path}: {found}, expected 0 to 2^50")]
    Range {
        /// Where.
        path: String,
        /// The quantity.
        found: i64,
    },
    /// There are more of something than the search can number.
    #[error("{path}: {found} entries, expected at most {limit}")]
    TooMany {
        /// Where.
        path: String,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Costs could overflow 64 bits.
    #[error("objective could exceed 2^61: scale weights or quantities down")]
    ObjectiveOverflow,
}

/// A checked instance in the form the search reads: flat rows, processes renumbered so that
/// those of one service are neighbours in memory.
#[derive(Clone, Debug)]
pub struct Instance {
    pub(crate) resources: usize,
    pub(crate) machines: usize,
    pub(crate) processes: usize,
    pub(crate) locations: usize,
    pub(crate) neighbourhoods: usize,
    pub(crate) weight: Vec<i64>,
    pub(crate) transient: Vec<bool>,
    pub(crate) neighbourhood: Vec<u32>,
    pub(crate) location: Vec<u32>,
    /// `machines × resources`.
    pub(crate) capacity: Vec<i64>,
    /// `machines × resources`.
    pub(crate) safety: Vec<i64>,
    pub(crate) price: Vec<i64>,
    pub(crate) machine_move: Vec<u32>,
    /// Processes of service `s` are `service_start[s]..service_start[s + 1]`.
    pub(crate) service_start: Vec<u32>,
    pub(crate) spread_min: Vec<u32>,
    pub(crate) needs: Vec<Vec<u32>>,
    pub(crate) needed_by: Vec<Vec<u32>>,
    pub(crate) service: Vec<u32>,
    pub(crate) home: Vec<u32>,
    /// Already multiplied by `Weights::process_move`.
    pub(crate) process_move: Vec<i64>,
    /// `processes × resources`.
    pub(crate) requirement: Vec<i64>,
    pub(crate) eligible: Vec<u32>,
    pub(crate) eligibility: Vec<Vec<bool>>,
    pub(crate) balances: Vec<Balance>,
    pub(crate) service_move_weight: i64,
    pub(crate) machine_move_weight: i64,
    /// Caller's index of each renumbered process.
    pub(crate) external: Vec<u32>,
}

impl Instance {
    /// Checks `input` and lays it out. Costs O(size of the input).
    pub fn new(input: &InstanceInput) -> Result<Self, InvalidInstance> {
        let resources = input.resources.len();
        let machines = input.machines.len();
        check_limit("resources", resources, MAX_RESOURCES)?;
        check_limit("resources and balances", resources + input.balances.len(), MAX_LANES)?;
        check_limit("machines", machines, (u32::MAX - 1) as usize)?;
        check_limit("services", input.services.len(), (u32::MAX - 1) as usize)?;
        check_limit("processes", input.processes.len(), (u32::MAX - 1) as usize)?;
        for (r, resource) in input.resources.iter().enumerate() {
            check_value(resource.weight, || format!("resources[{r}].weight"))?;
        }
        check_machines(input)?;
        check_services(input)?;
        check_processes(input)?;
        for (b, balance) in input.balances.iter().enumerate() {
            check_index(balance.first, resources, || format!("balances[{b}].first"))?;
            check_index(balance.second, resources, || format!("balances[{b}].second"))?;
            check_value(balance.target, || format!("balances[{b}].target"))?;
            check_value(balance.weight, || format!("balances[{b}].weight"))?;
        }
        check_value(input.weights.process_move, || "weights.process_move".into())?;
        check_value(input.weights.service_move, || "weights.service_move".into())?;
        check_value(input.weights.machine_move, || "weights.machine_move".into())?;
        check_objective(input)?;
        Ok(Self::lay_out(input))
    }

    fn lay_out(input: &InstanceInput) -> Self {
        let services = input.services.len();
        let mut external: Vec<u32> = (0..input.processes.len() as u32).collect();
        external.sort_by_key(|&p| input.processes[p as usize].service);
        let mut service_start = vec![0u32; services + 1];
        for process in &input.processes {
            service_start[process.service as usize + 1] += 1;
        }
        for s in 0..services {
            service_start[s + 1] += service_start[s];
        }
        let mut needs = vec![Vec::new(); services];
        let mut needed_by = vec![Vec::new(); services];
        for (s, service) in input.services.iter().enumerate() {
            // An empty service runs nowhere and so needs nothing; a service is always near itself.
            if service_start[s] == service_start[s + 1] {
                continue;
            }
            let mut wanted: Vec<u32> =
                service.dependencies.iter().copied().filter(|&d| d as usize != s).collect();
            wanted.sort_unstable();
            wanted.dedup();
            for &d in &wanted {
                needed_by[d as usize].push(s as u32);
            }
            needs[s] = wanted;
        }
        let ordered = || external.iter().map(|&p| &input.processes[p as usize]);
        Self {
            resources: input.resources.len(),
            machines: input.machines.len(),
            processes: input.processes.len(),
            locations: input.machines.iter().map(|m| m.location as usize + 1).max().unwrap_or(0),
            neighbourhoods: input.machines.iter().map(|m| m.neighbourhood as usize + 1).max().unwrap_or(0),
            weight: input.resources.iter().map(|r| r.weight).collect(),
            transient: input.resources.iter().map(|r| r.transient).collect(),
            neighbourhood: input.machines.iter().map(|m| m.neighbourhood).collect(),
            location: input.machines.iter().map(|m| m.location).collect(),
            capacity: input.machines.iter().flat_map(|m| m.capacity.iter().copied()).collect(),
            safety: input.machines.iter().flat_map(|m| m.safety.iter().copied()).collect(),
            price: input.machines.iter().map(|m| m.price).collect(),
            machine_move: input.machine_move_cost.clone(),
            spread_min: input.services.iter().map(|s| s.spread_min).collect(),
            needs,
            needed_by,
            service: ordered().map(|p| p.service).collect(),
            home: ordered().map(|p| p.home.unwrap_or(NOWHERE)).collect(),
            process_move: ordered().map(|p| p.move_cost * input.weights.process_move).collect(),
            requirement: ordered().flat_map(|p| p.requirement.iter().copied()).collect(),
            eligible: ordered().map(|p| p.eligibility.unwrap_or(NONE)).collect(),
            eligibility: input.eligibility.clone(),
            balances: input.balances.clone(),
            service_move_weight: input.weights.service_move,
            machine_move_weight: input.weights.machine_move,
            service_start,
            external,
        }
    }

    /// Number of processes, the length of every assignment.
    pub fn processes(&self) -> usize {
        self.processes
    }

    /// Number of machines; entries of an assignment are below it.
    pub fn machines(&self) -> usize {
        self.machines
    }

    pub(crate) fn lanes(&self) -> usize {
        self.resources + self.balances.len()
    }

    pub(crate) fn services(&self) -> usize {
        self.service_start.len() - 1
    }

    pub(crate) fn members(&self, service: usize) -> std::ops::Range<usize> {
        self.service_start[service] as usize..self.service_start[service + 1] as usize
    }

    pub(crate) fn row<'a>(&self, flat: &'a [i64], index: usize) -> &'a [i64] {
        &flat[index * self.resources..(index + 1) * self.resources]
    }

    /// Price of `process` running on `machine` instead of at home, service moves aside.
    pub(crate) fn move_price(&self, process: usize, machine: u32) -> i64 {
        let home = self.home[process];
        if home == machine || home == NOWHERE {
            return 0;
        }
        let between = match self.machine_move.get(home as usize * self.machines + machine as usize) {
            Some(&cost) => i64::from(cost) * self.machine_move_weight,
            None => 0,
        };
        self.process_move[process] + between
    }

    /// Price of a machine with this use per resource, its fixed price aside.
    pub(crate) fn machine_cost(&self, machine: usize, usage: &[i64]) -> (i64, i64) {
        let capacity = self.row(&self.capacity, machine);
        let safety = self.row(&self.safety, machine);
        let load =
            self.weight.iter().zip(usage).zip(safety).map(|((w, u), s)| w * (u - s).max(0)).sum::<i64>();
        let left = |r: u32| capacity[r as usize] - usage[r as usize];
        let balance =
            self.balances.iter().map(|b| b.weight * (b.target * left(b.first) - left(b.second)).max(0)).sum();
        (load, balance)
    }

    /// Caller's order to the search's order.
    pub(crate) fn to_internal(&self, assignment: &[u32]) -> Vec<u32> {
        self.external.iter().map(|&p| assignment[p as usize]).collect()
    }

    /// The search's order to the caller's order.
    pub(crate) fn to_external(&self, assignment: &[u32]) -> Vec<u32> {
        let mut out = vec![0; assignment.len()];
        for (&p, &m) in self.external.iter().zip(assignment) {
            out[p as usize] = m;
        }
        out
    }
}

fn check_machines(input: &InstanceInput) -> Result<(), InvalidInstance> {
    let resources = input.resources.len();
    let machines = input.machines.len();
    for (m, machine) in input.machines.iter().enumerate() {
        check_row(&machine.capacity, resources, || format!("machines[{m}].capacity"))?;
        check_row(&machine.safety, resources, || format!("machines[{m}].safety"))?;
        check_value(machine.price, || format!("machines[{m}].price"))?;
        // Tables over locations and neighbourhoods are dense, so numbers beyond the count of machines are a mistake.
        check_index(machine.location, machines, || format!("machines[{m}].location"))?;
        check_index(machine.neighbourhood, machines, || format!("machines[{m}].neighbourhood"))?;
    }
    if !input.machine_move_cost.is_empty() {
        check_length(input.machine_move_cost.len(), machines * machines, || "machine_move_cost".into())?;
    }
    for (e, set) in input.eligibility.iter().enumerate() {
        check_length(set.len(), machines, || format!("eligibility[{e}]"))?;
    }
    Ok(())
}

fn check_services(input: &InstanceInput) -> Result<(), InvalidInstance> {
    for (s, service) in input.services.iter().enumerate() {
        for (d, &dependency) in service.dependencies.iter().enumerate() {
            check_index(dependency, input.services.len(), || format!("services[{s}].dependencies[{d}]"))?;
        }
    }
    Ok(())
}

fn check_processes(input: &InstanceInput) -> Result<(), InvalidInstance> {
    let resources = input.resources.len();
    for (p, process) in input.processes.iter().enumerate() {
        check_index(process.service, input.services.len(), || format!("processes[{p}].service"))?;
        check_row(&process.requirement, resources, || format!("processes[{p}].requirement"))?;
        check_value(process.move_cost, || format!("processes[{p}].move_cost"))?;
        if let Some(home) = process.home {
            check_index(home, input.machines.len(), || format!("processes[{p}].home"))?;
        }
        if let Some(set) = process.eligibility {
            check_index(set, input.eligibility.len(), || format!("processes[{p}].eligibility"))?;
        }
    }
    Ok(())
}

/// Bounds the objective from above term by term, with 128 bits.
fn check_objective(input: &InstanceInput) -> Result<(), InvalidInstance> {
    let times = |a: i128, b: i64| a.saturating_mul(i128::from(b));
    let wide = |value: i64| i128::from(value);
    let mut worst: i128 = 0;
    for (r, resource) in input.resources.iter().enumerate() {
        let used: i128 = input.processes.iter().map(|p| wide(p.requirement[r])).sum();
        worst = worst.saturating_add(times(used, resource.weight.max(1)));
    }
    for balance in &input.balances {
        let left: i128 = input
            .machines
            .iter()
            .map(|m| wide(m.capacity[balance.first as usize]) + wide(m.capacity[balance.second as usize]))
            .sum();
        worst = worst.saturating_add(times(times(left, balance.target.max(1)), balance.weight.max(1)));
    }
    let dearest = i128::from(input.machine_move_cost.iter().copied().max().unwrap_or(0));
    let moved: i128 = input.processes.iter().map(|p| wide(p.move_cost)).sum();
    let count = input.processes.len() as i128;
    worst = worst.saturating_add(times(moved, input.weights.process_move));
    worst = worst.saturating_add(times(count, input.weights.service_move));
    worst = worst.saturating_add(times(count * dearest, input.weights.machine_move));
    worst = worst.saturating_add(input.machines.iter().map(|m| wide(m.price)).sum());
    if worst < MAX_OBJECTIVE { Ok(()) } else { Err(InvalidInstance::ObjectiveOverflow) }
}

fn check_limit(path: &str, found: usize, limit: usize) -> Result<(), InvalidInstance> {
    if found > limit {
        return Err(InvalidInstance::TooMany { path: path.into(), found, limit });
    }
    Ok(())
}

fn check_length(found: usize, expected: usize, path: impl FnOnce() -> String) -> Result<(), InvalidInstance> {
    if found != expected {
        return Err(InvalidInstance::Length { path: path(), found, expected });
    }
    Ok(())
}

fn check_index(found: u32, limit: usize, path: impl FnOnce() -> String) -> Result<(), InvalidInstance> {
    if found as usize >= limit {
        return Err(InvalidInstance::Index { path: path(), found: u64::from(found), limit });
    }
    Ok(())
}

fn check_value(found: i64, path: impl FnOnce() -> String) -> Result<(), InvalidInstance> {
    if !(0..=MAX_VALUE).contains(&found) {
        return Err(InvalidInstance::Range { path: path(), found });
    }
    Ok(())
}

fn check_row(row: &[i64], resources: usize, path: impl Fn() -> String) -> Result<(), InvalidInstance> {
    check_length(row.len(), resources, &path)?;
    for (r, &value) in row.iter().enumerate() {
        check_value(value, || format!("{}[{r}]", path()))?;
    }
    Ok(())
}
