//! Placing pods on shared GPUs, one at a time, so that as little as possible is ever wasted.
//!
//! A GPU with 190 thousandths left is worth nothing if nobody asks for so little, and an idle GPU is worth nothing on a
//! node without processors left. Fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC '23)
//! counts what the *next* typical pod could not use. Here every node is judged by how it would end: a few random streams of
//! typical pods are poured onto it until nothing fits, and what is left over is its expected waste. A pod goes where it
//! raises the expected waste least.
//!
//! "Typical" is what has arrived so far, nothing else: [`Pool`] knows no future and needs no workload description. The
//! streams are drawn anew each time the number of arrivals has grown by a third, from the pool's seed.

use foldhash::{HashMap, HashMapExt};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Streams poured onto a node to judge it. More changes little (16 or 64: 0.03 % of allocation) and costs in proportion.
const STREAMS: usize = 16;
/// Pods in a stream. A node takes fewer than this before nothing fits.
const STREAM_LENGTH: usize = 40;
/// Thousandths of a whole device.
const WHOLE: i64 = 1000;

/// A node with GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GpuNode {
    /// Free processors, millicores.
    pub cpu: i64,
    /// Free memory, in any unit that pods use too.
    pub memory: i64,
    /// Model of its devices, as pods name it.
    pub model: String,
    /// Free thousandths of each device.
    pub devices: Vec<i64>,
}

/// What a pod asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GpuPod {
    /// Millicores.
    pub cpu: i64,
    /// Memory, in the unit of the nodes.
    pub memory: i64,
    /// Number of devices; more than one only whole.
    pub devices: u32,
    /// Thousandths of each device, up to 1000.
    pub milli: i64,
    /// Models that will do; empty means any.
    pub models: Vec<String>,
}

/// Where a pod went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuPlacement {
    /// Index of the node.
    pub node: u32,
    /// Indices of its devices.
    pub devices: Vec<u32>,
}

/// Node states that are equal are judged once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct NodeState {
    cpu: i64,
    memory: i64,
    model: u32,
    /// Ascending.
    free: Vec<i64>,
}

#[derive(Debug)]
struct Known {
    state: NodeState,
    /// Nodes in this state, ascending.
    members: Vec<u32>,
    /// Sum of what the streams leave over; judged when first needed.
    waste: Option<i64>,
    /// By shape: the waste after it, and the free thousandths of the device it takes (0 when whole or none).
    after: HashMap<u32, (i64, i64)>,
}

#[derive(Debug)]
struct Shape {
    cpu: i64,
    memory: i64,
    devices: u32,
    milli: i64,
    /// By model: whether it will do. Shorter than the list of models when a model is newer: then only if any will do.
    admits: Vec<bool>,
    any: bool,
    arrivals: u64,
}

impl Shape {
    fn fits(&self, s: &NodeState) -> bool {
        if s.cpu < self.cpu || s.memory < self.memory {
            return false;
        }
        if self.devices == 0 {
            return true;
        }
        let admitted = self.any || self.admits.get(s.model as usize).copied().unwrap_or(false);
        let enough = |n: usize| {
            s.free.len().checked_sub(n).and_then(|i| s.free.get(i)).is_some_and(|f| *f >= self.milli)
        };
        admitted && enough(self.devices as usize)
    }

    fn shares(&self) -> bool {
        self.devices == 1 && self.milli < WHOLE
    }

    /// The state after this, sharing the device that has `device` free.
    fn apply(&self, s: &NodeState, device: i64) -> NodeState {
        let mut after = NodeState { cpu: s.cpu - self.cpu, memory: s.memory - self.memory, ..s.clone() };
        self.take(&mut after, device);
        after.free.sort_unstable();
        after
    }

    fn take(&self, s: &mut NodeState, device: i64) {
        if self.shares() {
            if let Some(f) = s.free.iter_mut().find(|f| **f == device) {
                *f -= self.milli;
            }
        } else {
            for f in s.free.iter_mut().rev().take(self.devices as usize) {
                *f -= self.milli;
            }
        }
    }
}

/// A pool of nodes and the policy that fills it.
#[derive(Debug)]
pub struct Pool {
    nodes: Vec<GpuNode>,
    state_of: Vec<u32>,
    models: HashMap<String, u32>,
    known: Vec<Known>,
    index: HashMap<NodeState, u32>,
    /// States that some node is in.
    live: Vec<u32>,
    shapes: Vec<Shape>,
    shape_index: HashMap<GpuPod, u32>,
    streams: Vec<Vec<u32>>,
    arrivals: u64,
    refresh_at: u64,
    seed: u64,
}

impl Pool {
    /// A pool of nodes. The seed decides only which streams of typical pods are drawn.
    #[must_use]
    pub fn new(nodes: Vec<GpuNode>, seed: u64) -> Self {
        let mut pool = Self {
            nodes,
            state_of: Vec::new(),
            models: HashMap::new(),
            known: Vec::new(),
            index: HashMap::new(),
            live: Vec::new(),
            shapes: Vec::new(),
            shape_index: HashMap::new(),
            streams: Vec::new(),
            arrivals: 0,
            refresh_at: 1,
            seed,
        };
        for n in 0..pool.nodes.len() {
            let state = pool.state(n);
            let id = pool.intern(state);
            pool.state_of.push(id);
            pool.join(n as u32, id);
        }
        pool
    }

    /// The nodes as they are now.
    #[must_use]
    pub fn nodes(&self) -> &[GpuNode] {
        &self.nodes
    }

    /// Places a pod, or says that no node has room for it. Either way it is remembered as an arrival.
    pub fn place(&mut self, pod: &GpuPod) -> Option<GpuPlacement> {
        let shape = self.arrive(pod)?;
        let mut best: Option<(i64, i64, u32, u32, i64)> = None;
        for k in 0..self.live.len() {
            let id = self.live[k];
            let known = &self.known[id as usize];
            if !self.shapes[shape as usize].fits(&known.state) {
                continue;
            }
            let Some(&node) = known.members.first() else { continue };
            let left: i64 = known.state.free.iter().sum();
            let before = self.waste(id);
            let (after, device) = self.after(id, shape);
            let candidate = (after - before, left, node, id, device);
            if best.is_none_or(|b| (candidate.0, candidate.1, candidate.2) < (b.0, b.1, b.2)) {
                best = Some(candidate);
            }
        }
        let (_, _, node, _, device) = best?;
        let devices = self.enter(node, pod, device);
        Some(GpuPlacement { node, devices })
    }

    /// Takes a pod off again.
    pub fn release(&mut self, pod: &GpuPod, placement: &GpuPlacement) {
        let Some(node) = self.nodes.get_mut(placement.node as usize) else { return };
        node.cpu += pod.cpu;
        node.memory += pod.memory;
        for d in &placement.devices {
            if let Some(free) = node.devices.get_mut(*d as usize) {
                *free += pod.milli;
            }
        }
        self.restate(placement.node);
    }

    /// Learns from an arrival and redraws the streams when there is much new. Nothing for a pod that asks for nonsense.
    fn arrive(&mut self, pod: &GpuPod) -> Option<u32> {
        let sane = pod.cpu >= 0 && pod.memory >= 0 && (pod.devices == 0 || (1..=WHOLE).contains(&pod.milli));
        if !sane || (pod.devices > 1 && pod.milli != WHOLE) {
            return None;
        }
        let shape = match self.shape_index.get(pod) {
            Some(&s) => s,
            None => {
                let s = self.shapes.len() as u32;
                for m in &pod.models {
                    let next = self.models.len() as u32;
                    self.models.entry(m.clone()).or_insert(next);
                }
                let mut admits = vec![false; self.models.len()];
                for m in &pod.models {
                    if let Some(slot) = self.models.get(m).and_then(|i| admits.get_mut(*i as usize)) {
                        *slot = true;
                    }
                }
                self.shapes.push(Shape {
                    cpu: pod.cpu,
                    memory: pod.memory,
                    devices: pod.devices,
                    milli: if pod.devices == 0 { 0 } else { pod.milli },
                    admits,
                    any: pod.models.is_empty(),
                    arrivals: 0,
                });
                self.shape_index.insert(pod.clone(), s);
                s
            }
        };
        self.shapes[shape as usize].arrivals += 1;
        self.arrivals += 1;
        if self.arrivals >= self.refresh_at {
            self.refresh_at = self.arrivals + (self.arrivals / 3).max(1);
            self.draw();
        }
        Some(shape)
    }

    /// Draws streams of pods that ask for devices, by how often each shape has arrived, and forgets all judgements.
    fn draw(&mut self) {
        let asking = self.shapes.iter().zip(0_u32..).filter(|(s, _)| s.devices > 0);
        let mut sum = 0;
        let cumulated: Vec<(u64, u32)> = asking
            .map(|(s, i)| {
                sum += s.arrivals;
                (sum, i)
            })
            .collect();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut pick = || {
            let x = random.random_range(0..sum);
            cumulated.get(cumulated.partition_point(|(c, _)| *c <= x)).map_or(0, |(_, s)| *s)
        };
        self.streams = if sum == 0 {
            Vec::new()
        } else {
            (0..STREAMS).map(|_| (0..STREAM_LENGTH).map(|_| pick()).collect()).collect()
        };
        // States nobody is in are dropped with their judgements, so that memory stays bounded by the live ones.
        self.known.clear();
        self.index.clear();
        self.live.clear();
        for n in 0..self.nodes.len() {
            let state = self.state(n);
            let id = self.intern(state);
            self.state_of[n] = id;
            self.join(n as u32, id);
        }
    }

    /// What the streams leave over on a node in this state, in sum.
    fn waste(&mut self, id: u32) -> i64 {
        if let Some(waste) = self.known[id as usize].waste {
            return waste;
        }
        let waste = self.pour(&self.known[id as usize].state);
        self.known[id as usize].waste = Some(waste);
        waste
    }

    fn pour(&self, start: &NodeState) -> i64 {
        let mut left = 0;
        let mut s = start.clone();
        for stream in &self.streams {
            s.clone_from(start);
            for &shape in stream {
                let shape = &self.shapes[shape as usize];
                if !shape.fits(&s) {
                    continue;
                }
                s.cpu -= shape.cpu;
                s.memory -= shape.memory;
                // Best fit within the node: the tightest device, as the list is ascending.
                let device = s.free.iter().copied().find(|f| *f >= shape.milli).unwrap_or(0);
                shape.take(&mut s, device);
                s.free.sort_unstable();
            }
            left += s.free.iter().sum::<i64>();
        }
        left
    }

    /// The least waste after a shape, and the device that gives it.
    fn after(&mut self, id: u32, shape: u32) -> (i64, i64) {
        if let Some(&found) = self.known[id as usize].after.get(&shape) {
            return found;
        }
        let s = &self.shapes[shape as usize];
        let state = &self.known[id as usize].state;
        let mut best = (i64::MAX, 0);
        if s.shares() {
            let mut last = -1;
            for &device in state.free.iter().filter(|f| **f >= s.milli) {
                if device != last {
                    best = best.min((self.pour(&s.apply(state, device)), device));
                    last = device;
                }
            }
        } else {
            best = (self.pour(&s.apply(state, 0)), 0);
        }
        self.known[id as usize].after.insert(shape, best);
        best
    }

    fn enter(&mut self, node: u32, pod: &GpuPod, device: i64) -> Vec<u32> {
        let n = &mut self.nodes[node as usize];
        n.cpu -= pod.cpu;
        n.memory -= pod.memory;
        let wanted = if pod.devices == 1 && pod.milli < WHOLE { device } else { WHOLE };
        let mut taken = Vec::new();
        for (free, d) in n.devices.iter_mut().zip(0..) {
            if taken.len() < pod.devices as usize && *free == wanted {
                *free -= pod.milli;
                taken.push(d);
            }
        }
        self.restate(node);
        taken
    }

    fn state(&mut self, node: usize) -> NodeState {
        let n = &self.nodes[node];
        let next = self.models.len() as u32;
        let model = *self.models.entry(n.model.clone()).or_insert(next);
        let mut free = n.devices.clone();
        free.sort_unstable();
        NodeState { cpu: n.cpu, memory: n.memory, model, free }
    }

    fn intern(&mut self, state: NodeState) -> u32 {
        if let Some(&id) = self.index.get(&state) {
            return id;
        }
        let id = self.known.len() as u32;
        self.index.insert(state.clone(), id);
        self.known.push(Known { state, members: Vec::new(), waste: None, after: HashMap::new() });
        id
    }

    fn restate(&mut self, node: u32) {
        let old = self.state_of[node as usize];
        let members = &mut self.known[old as usize].members;
        if let Ok(i) = members.binary_search(&node) {
            members.remove(i);
        }
        if members.is_empty() {
            self.live.retain(|id| *id != old);
        }
        let state = self.state(node as usize);
        let id = self.intern(state);
        self.state_of[node as usize] = id;
        self.join(node, id);
    }

    fn join(&mut self, node: u32, id: u32) {
        let members = &mut self.known[id as usize].members;
        if members.is_empty() {
            self.live.push(id);
        }
        if let Err(i) = members.binary_search(&node) {
            members.insert(i, node);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn share(milli: i64) -> GpuPod {
        GpuPod { cpu: 1000, memory: 1, devices: 1, milli, models: Vec::new() }
    }

    fn node(gpus: usize) -> GpuNode {
        GpuNode { cpu: 64_000, memory: 64, model: "T4".into(), devices: vec![WHOLE; gpus] }
    }

    #[test]
    fn complements_share_a_device() {
        let mut pool = Pool::new(vec![node(4)], 1);
        for milli in [700, 300, 700, 300, 700, 300, 700, 300] {
            assert!(pool.place(&share(milli)).is_some());
        }
        assert_eq!(pool.nodes()[0].devices, [0; 4]);
    }

    #[test]
    fn whole_pods_need_idle_devices_and_models_are_kept() {
        let mut pool = Pool::new(vec![node(2)], 1);
        assert!(pool.place(&share(100)).is_some());
        let two = GpuPod { devices: 2, milli: WHOLE, ..share(1) };
        assert_eq!(pool.place(&two), None);
        let other = GpuPod { models: vec!["A10".into()], ..share(100) };
        assert_eq!(pool.place(&other), None);
        assert_eq!(pool.place(&share(0)), None);
    }

    #[test]
    fn release_gives_back_exactly_what_was_taken() {
        let mut pool = Pool::new(vec![node(2), node(4)], 7);
        let before = pool.nodes().to_vec();
        let pods: Vec<GpuPod> = (1..10).map(|i| share(i * 100)).collect();
        let placed: Vec<_> = pods.iter().map(|p| pool.place(p)).collect();
        for (pod, at) in pods.iter().zip(&placed) {
            if let Some(at) = at {
                pool.release(pod, at);
            }
        }
        assert_eq!(pool.nodes(), before);
    }
}
