//! Judges an assignment by the rules of the competition, with its own arithmetic: it shares no code
//! with the search and computes in 128 bits from the file's numbers.

use std::collections::{BTreeMap, BTreeSet};

use lepton_schedule::search::InstanceInput;
use thiserror::Error;

/// A broken rule.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{rule}: {what}")]
pub struct Broken {
    rule: &'static str,
    what: String,
}

fn broken(rule: &'static str, what: String) -> Broken {
    Broken { rule, what }
}

/// The exact cost of `assignment`, or the first rule it breaks.
pub fn check(input: &InstanceInput, initial: &[u32], assignment: &[u32]) -> Result<i128, Broken> {
    if assignment.len() != input.processes.len() || initial.len() != input.processes.len() {
        return Err(broken(
            "length",
            format!("{} machines for {} processes", assignment.len(), input.processes.len()),
        ));
    }
    if let Some(m) = assignment.iter().chain(initial).find(|&&m| m as usize >= input.machines.len()) {
        return Err(broken("machine", format!("there is no machine {m}")));
    }
    check_capacity(input, initial, assignment)?;
    check_services(input, assignment)?;
    Ok(cost(input, initial, assignment))
}

fn check_capacity(input: &InstanceInput, initial: &[u32], assignment: &[u32]) -> Result<(), Broken> {
    for (r, resource) in input.resources.iter().enumerate() {
        let mut used = vec![0i128; input.machines.len()];
        for (p, process) in input.processes.iter().enumerate() {
            let need = i128::from(process.requirement[r]);
            used[assignment[p] as usize] += need;
            if resource.transient && initial[p] != assignment[p] {
                used[initial[p] as usize] += need;
            }
        }
        for (m, machine) in input.machines.iter().enumerate() {
            if used[m] > i128::from(machine.capacity[r]) {
                return Err(broken(
                    "capacity",
                    format!("machine {m} resource {r}: {} of {}", used[m], machine.capacity[r]),
                ));
            }
        }
    }
    Ok(())
}

fn check_services(input: &InstanceInput, assignment: &[u32]) -> Result<(), Broken> {
    let mut machines: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (p, process) in input.processes.iter().enumerate() {
        if !machines.entry(process.service).or_default().insert(assignment[p]) {
            return Err(broken(
                "conflict",
                format!("service {} twice on machine {}", process.service, assignment[p]),
            ));
        }
    }
    let neighbourhoods: BTreeMap<u32, BTreeSet<u32>> = machines
        .iter()
        .map(|(&s, on)| (s, on.iter().map(|&m| input.machines[m as usize].neighbourhood).collect()))
        .collect();
    let nowhere = BTreeSet::new();
    for (&s, on) in &machines {
        let service = &input.services[s as usize];
        let locations: BTreeSet<u32> = on.iter().map(|&m| input.machines[m as usize].location).collect();
        if locations.len() < service.spread_min as usize {
            return Err(broken(
                "spread",
                format!("service {s}: {} of {}", locations.len(), service.spread_min),
            ));
        }
        for d in &service.dependencies {
            let near = neighbourhoods.get(d).unwrap_or(&nowhere);
            if let Some(n) = neighbourhoods[&s].difference(near).next() {
                return Err(broken("dependency", format!("service {s} needs {d} in neighbourhood {n}")));
            }
        }
    }
    Ok(())
}

fn cost(input: &InstanceInput, initial: &[u32], assignment: &[u32]) -> i128 {
    let mut left: Vec<Vec<i128>> = input
        .machines
        .iter()
        .map(|machine| machine.capacity.iter().copied().map(i128::from).collect())
        .collect();
    let mut moved: BTreeMap<u32, i128> = BTreeMap::new();
    let mut cost: i128 = 0;
    for (p, process) in input.processes.iter().enumerate() {
        for (left, need) in left[assignment[p] as usize].iter_mut().zip(&process.requirement) {
            *left -= i128::from(*need);
        }
        if initial[p] != assignment[p] {
            *moved.entry(process.service).or_default() += 1;
            cost += i128::from(input.weights.process_move) * i128::from(process.move_cost);
        }
        let between = initial[p] as usize * input.machines.len() + assignment[p] as usize;
        cost += i128::from(input.weights.machine_move) * i128::from(input.machine_move_cost[between]);
    }
    cost += i128::from(input.weights.service_move) * moved.values().copied().max().unwrap_or(0);
    for (machine, left) in input.machines.iter().zip(&left) {
        for (r, resource) in input.resources.iter().enumerate() {
            let used = i128::from(machine.capacity[r]) - left[r];
            cost += i128::from(resource.weight) * (used - i128::from(machine.safety[r])).max(0);
        }
        for balance in &input.balances {
            let wanted = i128::from(balance.target) * left[balance.first as usize];
            cost += i128::from(balance.weight) * (wanted - left[balance.second as usize]).max(0);
        }
    }
    cost
}
