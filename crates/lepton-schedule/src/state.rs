//! Who is where and what is left. Every change goes through [`State::enter`] and [`State::leave`], which keep all
//! counters exact.

use foldhash::{HashMap, HashMapExt};

use crate::compile::{Machine, Model, NO_DOMAIN};
use crate::index::{Index, Leaf, key_bit};
use crate::problem::NodeState;

/// "Nowhere".
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Replicas of one workload by domain, for one topology that somebody asks about.
#[derive(Debug, Clone, Default)]
struct Tally {
    topology: u32,
    by_domain: HashMap<u32, u32>,
}

/// Replicas of one workload by domain for one spread, and how many eligible domains have how many.
#[derive(Debug, Clone, Default)]
struct Histogram {
    /// Index: replicas in a domain; value: eligible domains, and others in use, with that many.
    eligible_with: Vec<u32>,
    /// The same for all domains in use.
    used_with: Vec<u32>,
    /// Fewest in any of those.
    fewest: u32,
    /// Most in any domain.
    most: u32,
    /// Distinct domains in use.
    used: u32,
    by_domain: HashMap<u32, u32>,
}

impl Histogram {
    fn step(&mut self, domain: u32, eligible: bool, enters: bool) {
        let n = self.by_domain.entry(domain).or_insert(0);
        let before = *n;
        let after = if enters { before + 1 } else { before - 1 };
        *n = after;
        let top = before.max(after) as usize;
        for list in [&mut self.eligible_with, &mut self.used_with] {
            if list.len() <= top {
                list.resize(top + 1, 0);
            }
        }
        if before > 0 {
            self.used_with[before as usize] -= 1;
        }
        if after > 0 {
            self.used_with[after as usize] += 1;
        }
        match (before, after) {
            (0, _) => self.used += 1,
            (_, 0) => self.used -= 1,
            _ => {}
        }
        self.most = self.most.max(after);
        if self.used_with.get(self.most as usize) == Some(&0) {
            self.most -= 1;
        }
        // A domain that only launched machines have counts as long as it is in use.
        if eligible || before > 0 {
            self.eligible_with[before as usize] -= 1;
        }
        if eligible || after > 0 {
            self.eligible_with[after as usize] += 1;
            self.fewest = self.fewest.min(after);
        }
        if self.eligible_with.get(self.fewest as usize) == Some(&0) {
            let least = self.eligible_with.iter().position(|n| *n > 0);
            self.fewest = least.map_or(0, |n| n as u32);
        }
        if after == 0 {
            self.by_domain.remove(&domain);
        }
    }
}

/// A state of the estate.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// Existing nodes, then launched ones.
    pub machines: Vec<Machine>,
    width: usize,
    free: Vec<i64>,
    pub gpu_free: Vec<Box<[i64]>>,
    /// Replicas on each node.
    pub on: Vec<Vec<u32>>,
    /// Node of each replica.
    pub at: Vec<u32>,
    /// Devices of each replica that has some.
    pub devices: HashMap<u32, Vec<u32>>,
    /// Where each replica ran before; its held resources stay there when it moves.
    pub home: Vec<u32>,
    home_devices: HashMap<u32, Vec<u32>>,
    keys: HashMap<(u32, u32), u32>,
    /// By node: lowest priority of what runs there, and bits of exclusive keys taken.
    lowest: Vec<Option<i32>>,
    taken: Vec<u64>,
    tallies: Vec<Vec<Tally>>,
    histograms: Vec<Vec<Histogram>>,
    running: Vec<u32>,
    pub index: Index,
    /// By profile: kinds of open nodes that it admits.
    pub admitted: Vec<Vec<u32>>,
    /// Machines launched from each offer.
    pub launched: Vec<u32>,
    next_domain: u32,
}

impl State {
    /// Nothing placed.
    pub(crate) fn new(model: &Model<'_>) -> Self {
        let width = model.columns.len();
        let mut tallies: Vec<Vec<Tally>> = vec![Vec::new(); model.works.len()];
        let mut watch = |work: u32, topology: u32| {
            let list = &mut tallies[work as usize];
            if !list.iter().any(|t| t.topology == topology) {
                list.push(Tally { topology, by_domain: HashMap::new() });
            }
        };
        for (i, w) in model.works.iter().enumerate() {
            for p in w.near.iter().chain(&w.apart) {
                watch(p.work, p.topology);
                watch(i as u32, p.topology);
            }
            for (wish, _) in &w.wishes {
                if let crate::compile::WishAt::Near(p) | crate::compile::WishAt::Apart(p) = wish {
                    watch(p.work, p.topology);
                }
            }
        }
        let histograms = model.works.iter().map(|w| {
            w.spread
                .iter()
                .map(|s| Histogram {
                    eligible_with: vec![s.eligible.len() as u32],
                    used_with: vec![0],
                    ..Histogram::default()
                })
                .collect()
        });
        let mut state = Self {
            machines: Vec::with_capacity(model.machines.len()),
            width,
            free: Vec::with_capacity(model.machines.len() * width),
            gpu_free: Vec::with_capacity(model.machines.len()),
            on: Vec::with_capacity(model.machines.len()),
            at: vec![NOWHERE; model.replicas as usize],
            devices: HashMap::new(),
            home: vec![NOWHERE; model.replicas as usize],
            home_devices: HashMap::new(),
            keys: HashMap::new(),
            lowest: Vec::with_capacity(model.machines.len()),
            taken: Vec::with_capacity(model.machines.len()),
            tallies,
            histograms: histograms.collect(),
            running: vec![0; model.works.len()],
            index: Index::new(width),
            admitted: vec![Vec::new(); model.profiles()],
            launched: vec![0; model.offers.len()],
            next_domain: model.domains.len(),
        };
        for m in &model.machines {
            state.add(model, m.clone());
        }
        state
    }

    /// Adds a node and returns its number.
    fn add(&mut self, model: &Model<'_>, machine: Machine) -> u32 {
        let n = self.machines.len() as u32;
        self.free.extend_from_slice(&machine.capacity);
        self.gpu_free.push(machine.gpus.iter().map(|g| g.milli).collect());
        self.on.push(Vec::new());
        for k in &machine.taken {
            self.keys.insert((n, *k), 1);
        }
        let taken = machine.taken.iter().fold(0, |bits, k| bits | key_bit(*k));
        self.lowest.push(None);
        self.taken.push(taken);
        let gpu_free = self.gpu_free.last().map_or(&[][..], |g| g);
        let leaf = Leaf { free: &machine.capacity, gpu_free, used: false, lowest: None, taken };
        if let Some(kind) = self.index.add(&machine, &leaf).filter(|_| machine.state == NodeState::Open) {
            for profile in model.admitting(machine.class) {
                self.admitted[profile].push(kind);
            }
        }
        self.machines.push(machine);
        n
    }

    /// Launches a machine of an offer.
    pub(crate) fn launch(&mut self, model: &Model<'_>, offer: usize) -> u32 {
        let mut machine = model.offers[offer].clone();
        machine.name = loop {
            self.launched[offer] += 1;
            let name = format!("{}#{}", machine.name, self.launched[offer]);
            if !model.problem.nodes.iter().any(|n| n.name == name) {
                break name;
            }
        };
        machine.domains[0] = self.next_domain;
        self.next_domain += 1;
        self.add(model, machine)
    }

    /// Drops launched machines from the end while they are empty. Their numbers are used again.
    pub(crate) fn drop_idle_tail(&mut self, existing: usize) {
        while self.machines.len() > existing && self.on.last().is_some_and(Vec::is_empty) {
            if let Some(offer) = self.machines.pop().and_then(|m| m.offer) {
                self.launched[offer as usize] -= 1;
            }
            self.on.pop();
            self.index.drop_last();
            self.gpu_free.pop();
            self.lowest.pop();
            self.taken.pop();
            self.free.truncate(self.machines.len() * self.width);
        }
    }

    pub(crate) fn free(&self, node: u32) -> &[i64] {
        &self.free[node as usize * self.width..][..self.width]
    }

    fn free_mut(&mut self, node: u32) -> &mut [i64] {
        &mut self.free[node as usize * self.width..][..self.width]
    }

    pub(crate) fn key_taken(&self, node: u32, key: u32) -> bool {
        self.keys.get(&(node, key)).is_some_and(|n| *n > 0)
    }

    /// Replicas of a workload in a domain of a topology that somebody watches.
    pub(crate) fn count(&self, work: u32, topology: u32, domain: u32) -> u32 {
        let tally = self.tallies[work as usize].iter().find(|t| t.topology == topology);
        tally.and_then(|t| t.by_domain.get(&domain)).copied().unwrap_or(0)
    }

    /// Whether every domain with replicas of `one` has replicas of `other`.
    pub(crate) fn all_near(&self, one: u32, other: u32, topology: u32) -> bool {
        let tally = |w: u32| self.tallies[w as usize].iter().find(|t| t.topology == topology);
        match (tally(one), tally(other)) {
            (Some(one), Some(other)) => one.by_domain.keys().all(|d| other.by_domain.contains_key(d)),
            (one, _) => one.is_none_or(|t| t.by_domain.is_empty()),
        }
    }

    /// Distinct domains of a workload's replicas, in a topology that somebody watches.
    pub(crate) fn domains_of(&self, work: u32, topology: u32) -> usize {
        self.tallies[work as usize].iter().find(|t| t.topology == topology).map_or(0, |t| t.by_domain.len())
    }

    /// Of one spread of a workload: replicas in the domain, fewest in any eligible domain, distinct domains used.
    pub(crate) fn spread(&self, work: u32, spread: usize, domain: u32) -> (u32, u32, u32) {
        let h = &self.histograms[work as usize][spread];
        (h.by_domain.get(&domain).copied().unwrap_or(0), h.fewest, h.used)
    }

    /// Most replicas in any domain, of one spread of a workload.
    pub(crate) fn most(&self, work: u32, spread: usize) -> u32 {
        self.histograms[work as usize][spread].most
    }

    /// How many replicas of a workload run.
    pub(crate) fn running(&self, work: u32) -> u32 {
        self.running[work as usize]
    }

    /// Whether nothing runs on a node.
    pub(crate) fn is_idle(&self, node: u32) -> bool {
        self.on[node as usize].is_empty()
    }

    /// Puts a replica on a node. The caller has checked that it may.
    pub(crate) fn enter(&mut self, model: &Model<'_>, replica: u32, work: u32, node: u32, devices: Vec<u32>) {
        let w = &model.works[work as usize];
        let back = self.home[replica as usize] == node;
        for &(c, amount) in &w.requests {
            // Coming home, what is held is there already.
            if !(back && w.held.contains(&c)) {
                self.free_mut(node)[c as usize] -= amount;
            }
        }
        for &d in &devices {
            self.gpu_free[node as usize][d as usize] -= w.milli;
        }
        if !devices.is_empty() {
            self.devices.insert(replica, devices);
        }
        for &k in &w.exclusive {
            *self.keys.entry((node, k)).or_insert(0) += 1;
            self.taken[node as usize] |= key_bit(k);
        }
        let lowest = &mut self.lowest[node as usize];
        *lowest = Some(lowest.map_or(w.priority, |l| l.min(w.priority)));
        self.on[node as usize].push(replica);
        self.at[replica as usize] = node;
        self.running[work as usize] += 1;
        self.tally(model, work, node, true);
        self.reindex(node);
    }

    /// Takes a replica off its node.
    pub(crate) fn leave(&mut self, model: &Model<'_>, replica: u32, work: u32) {
        let node = self.at[replica as usize];
        if node == NOWHERE {
            return;
        }
        let w = &model.works[work as usize];
        let from_home = self.home[replica as usize] == node;
        for &(c, amount) in &w.requests {
            if !(from_home && w.held.contains(&c)) {
                self.free_mut(node)[c as usize] += amount;
            }
        }
        for d in self.devices.remove(&replica).unwrap_or_default() {
            self.gpu_free[node as usize][d as usize] += w.milli;
        }
        for &k in &w.exclusive {
            if let Some(n) = self.keys.get_mut(&(node, k)) {
                *n -= 1;
                if *n == 0 {
                    self.taken[node as usize] &= !key_bit(k);
                }
            }
        }
        let on = &mut self.on[node as usize];
        if let Some(i) = on.iter().rposition(|r| *r == replica) {
            on.remove(i);
        }
        if self.lowest[node as usize] == Some(w.priority) {
            self.lowest[node as usize] = on.iter().map(|r| model.works[model.work_of(*r)].priority).min();
        }
        self.at[replica as usize] = NOWHERE;
        self.running[work as usize] -= 1;
        self.tally(model, work, node, false);
        self.reindex(node);
    }

    fn reindex(&mut self, node: u32) {
        let free = &self.free[node as usize * self.width..][..self.width];
        let leaf = Leaf {
            free,
            gpu_free: &self.gpu_free[node as usize],
            used: !self.on[node as usize].is_empty(),
            lowest: self.lowest[node as usize],
            taken: self.taken[node as usize],
        };
        self.index.update(node, &leaf);
    }

    /// Makes where a replica runs now its home.
    pub(crate) fn settle(&mut self, replica: u32) {
        self.home[replica as usize] = self.at[replica as usize];
        if let Some(devices) = self.devices.get(&replica) {
            self.home_devices.insert(replica, devices.clone());
        }
    }

    /// Forgets that a replica, which is there, has its home there.
    pub(crate) fn unsettle(&mut self, replica: u32) {
        self.home[replica as usize] = NOWHERE;
        self.home_devices.remove(&replica);
    }

    /// Devices a replica had at home.
    pub(crate) fn home_devices(&self, replica: u32) -> &[u32] {
        self.home_devices.get(&replica).map_or(&[], Vec::as_slice)
    }

    /// Forgets where a replica ran, giving back what it held there. It must not run anywhere.
    pub(crate) fn forget_home(&mut self, model: &Model<'_>, replica: u32, work: u32) {
        let home = std::mem::replace(&mut self.home[replica as usize], NOWHERE);
        if home == NOWHERE {
            return;
        }
        let w = &model.works[work as usize];
        for &(c, amount) in w.requests.iter().filter(|(c, _)| w.held.contains(c)) {
            self.free_mut(home)[c as usize] += amount;
        }
        self.reindex(home);
    }

    /// Undoes [`State::forget_home`] of a replica that runs somewhere again.
    pub(crate) fn restore_home(&mut self, model: &Model<'_>, replica: u32, work: u32, home: u32) {
        self.home[replica as usize] = home;
        if home == NOWHERE || self.at[replica as usize] == home {
            return;
        }
        let w = &model.works[work as usize];
        for &(c, amount) in w.requests.iter().filter(|(c, _)| w.held.contains(c)) {
            self.free_mut(home)[c as usize] -= amount;
        }
        self.reindex(home);
    }

    fn tally(&mut self, model: &Model<'_>, work: u32, node: u32, enters: bool) {
        let step = |slot: &mut u32| if enters { *slot += 1 } else { *slot -= 1 };
        for t in &mut self.tallies[work as usize] {
            let domain = self.machines[node as usize].domains[t.topology as usize];
            if domain == NO_DOMAIN {
                continue;
            }
            let n = t.by_domain.entry(domain).or_insert(0);
            step(n);
            if *n == 0 {
                t.by_domain.remove(&domain);
            }
        }
        let spreads = &model.works[work as usize].spread;
        for (h, s) in self.histograms[work as usize].iter_mut().zip(spreads) {
            let domain = self.machines[node as usize].domains[s.topology as usize];
            if domain != NO_DOMAIN {
                h.step(domain, s.eligible.contains_key(&domain), enters);
            }
        }
    }
}
