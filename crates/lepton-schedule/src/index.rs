//! Finds the node where something fits best without looking at every node.
//!
//! Nodes that differ in nothing but what runs on them form a *kind*. Each kind keeps a binary tree whose leaves are its nodes
//! and whose inner vertices know the most and the least that is free below, by resource. A search asks for bounds: a subtree
//! that cannot hold the request, or cannot beat the best node found, is never entered. A change updates one path.
//!
//! ```text
//!          most 12 cpu, least 1          request 8 cpu: the left half is skipped at once
//!          /                \
//!    most 6, least 1    most 12, least 3
//!     /      \            /       \
//!    n0      n1          n2       n3
//! ```

use foldhash::{HashMap, HashMapExt};

use crate::compile::Machine;
use crate::problem::NodeState;

/// Columns beyond the resources: most free on one device, idle devices, free thousandths in all.
pub(crate) const GPU_COLUMNS: usize = 3;

/// What tells kinds apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    capacity: Box<[i64]>,
    safe: Box<[i64]>,
    gpus: Vec<(u32, i64)>,
    price: u64,
    state: u8,
    removable: bool,
    class: u32,
    domains: Box<[u32]>,
}

impl Key {
    fn of(m: &Machine) -> Self {
        Self {
            capacity: m.capacity.clone(),
            safe: m.safe.clone(),
            gpus: m.gpus.iter().map(|g| (g.model, g.milli)).collect(),
            price: m.price.to_bits(),
            state: match m.state {
                NodeState::Open => 0,
                NodeState::Cordoned => 1,
                NodeState::Draining => 2,
            },
            removable: m.removable,
            class: m.class,
            domains: m.domains.iter().skip(1).copied().collect(),
        }
    }
}

/// What a vertex knows of the nodes below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Below<'a> {
    /// Most free by column.
    pub most: &'a [i64],
    /// Least free by column.
    pub least: &'a [i64],
    /// Whether something runs on one of them.
    pub any_used: bool,
    /// Lowest priority of what runs on any.
    pub lowest: i32,
}

/// Nodes of one kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kind {
    /// Node numbers by leaf.
    pub nodes: Vec<u32>,
    leaves: usize,
    most: Vec<i64>,
    least: Vec<i64>,
    used: Vec<bool>,
    lowest: Vec<i32>,
}

/// What is known of one node.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    pub free: &'a [i64],
    pub gpu_free: &'a [i64],
    pub used: bool,
    pub lowest: i32,
}

/// All kinds.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub kinds: Vec<Kind>,
    keys: HashMap<Key, u32>,
    place: Vec<(u32, u32)>,
    columns: usize,
    width: usize,
}

impl Index {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            kinds: Vec::new(),
            keys: HashMap::new(),
            place: Vec::new(),
            columns,
            width: columns + GPU_COLUMNS,
        }
    }

    /// Adds the next node; its kind if that is new.
    pub(crate) fn add(&mut self, machine: &Machine, leaf: &Leaf<'_>) -> Option<u32> {
        let next = self.kinds.len() as u32;
        let kind = *self.keys.entry(Key::of(machine)).or_insert(next);
        if kind == next {
            self.kinds.push(Kind::default());
        }
        let node = self.place.len() as u32;
        let k = &mut self.kinds[kind as usize];
        self.place.push((kind, k.nodes.len() as u32));
        k.nodes.push(node);
        if k.nodes.len() > k.leaves {
            k.grow(self.width);
        }
        self.update(node, leaf);
        (kind == next).then_some(kind)
    }

    /// Drops the node added last.
    pub(crate) fn drop_last(&mut self) {
        if let Some((kind, leaf)) = self.place.pop() {
            let k = &mut self.kinds[kind as usize];
            k.nodes.pop();
            let at = k.leaves + leaf as usize;
            k.most[at * self.width..][..self.width].fill(-1);
            k.least[at * self.width..][..self.width].fill(i64::MAX);
            k.used[at] = false;
            k.lowest[at] = i32::MAX;
            k.lift(at, self.width);
        }
    }

    /// Takes over a node's new state.
    pub(crate) fn update(&mut self, node: u32, leaf: &Leaf<'_>) {
        let (kind, slot) = self.place[node as usize];
        let k = &mut self.kinds[kind as usize];
        let at = k.leaves + slot as usize;
        let most = &mut k.most[at * self.width..][..self.width];
        most[..self.columns].copy_from_slice(leaf.free);
        if !leaf.gpu_free.is_empty() {
            most[self.columns] = leaf.gpu_free.iter().copied().max().unwrap_or(0);
            most[self.columns + 1] = leaf.gpu_free.iter().filter(|g| **g == 1000).count() as i64;
            most[self.columns + 2] = leaf.gpu_free.iter().sum();
        } else {
            most[self.columns..].fill(0);
        }
        k.least[at * self.width..][..self.width].copy_from_slice(&k.most[at * self.width..][..self.width]);
        k.used[at] = leaf.used;
        k.lowest[at] = leaf.lowest;
        k.lift(at, self.width);
    }

    /// What is known of a whole kind.
    pub(crate) fn whole(&self, kind: usize) -> Below<'_> {
        self.kinds[kind].below(1, self.width)
    }

    /// Visits the nodes of a kind in order of `bound`, as far as `visit` lets it. `bound` says what a subtree can give at
    /// best (nothing: no node in it will do); `visit` takes a node and says the value that others must stay below.
    pub(crate) fn search(
        &self,
        kind: usize,
        bound: &impl Fn(Below<'_>) -> Option<f64>,
        visit: &mut impl FnMut(u32) -> Limit,
        limit: f64,
    ) {
        let k = &self.kinds[kind];
        if k.nodes.is_empty() {
            return;
        }
        let Some(root) = bound(k.below(1, self.width)) else { return };
        let mut limit = Limit::Below(limit);
        let mut open = vec![(1_usize, root)];
        while let Some((at, best)) = open.pop() {
            let Limit::Below(below) = limit else { return };
            if best >= below {
                continue;
            }
            if at >= k.leaves {
                if let Some(&node) = k.nodes.get(at - k.leaves) {
                    limit = visit(node);
                }
                continue;
            }
            let left = bound(k.below(2 * at, self.width)).map(|b| (2 * at, b));
            let right = bound(k.below(2 * at + 1, self.width)).map(|b| (2 * at + 1, b));
            // The better half is popped first; the left one between equals.
            match (left, right) {
                (Some(l), Some(r)) if r.1 < l.1 => open.extend([l, r]),
                (l, r) => open.extend([r, l].into_iter().flatten()),
            }
        }
    }
}

/// What [`Index::search`] goes on looking for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// Anything below this.
    Below(f64),
    /// Nothing more.
    Enough,
}

impl Kind {
    fn below(&self, at: usize, width: usize) -> Below<'_> {
        Below {
            most: &self.most[at * width..][..width],
            least: &self.least[at * width..][..width],
            any_used: self.used[at],
            lowest: self.lowest[at],
        }
    }

    /// Doubles the leaves.
    fn grow(&mut self, width: usize) {
        let (old, new) = (self.leaves, (2 * self.leaves).max(1));
        let mut most = vec![-1; 2 * new * width];
        let mut least = vec![i64::MAX; 2 * new * width];
        let mut used = vec![false; 2 * new];
        let mut lowest = vec![i32::MAX; 2 * new];
        for leaf in 0..old {
            let (from, to) = (old + leaf, new + leaf);
            most[to * width..][..width].copy_from_slice(&self.most[from * width..][..width]);
            least[to * width..][..width].copy_from_slice(&self.least[from * width..][..width]);
            used[to] = self.used[from];
            lowest[to] = self.lowest[from];
        }
        *self = Self { nodes: std::mem::take(&mut self.nodes), leaves: new, most, least, used, lowest };
        for at in (1..new).rev() {
            self.join(at, width);
        }
    }

    /// Recomputes the path above a leaf.
    fn lift(&mut self, leaf: usize, width: usize) {
        let mut at = leaf / 2;
        while at >= 1 {
            if !self.join(at, width) {
                return;
            }
            at /= 2;
        }
    }

    /// Recomputes one vertex; false when nothing changed, hence nothing above it either.
    fn join(&mut self, at: usize, width: usize) -> bool {
        let mut changed = false;
        let (l, r) = (2 * at * width, (2 * at + 1) * width);
        for c in 0..width {
            let most = self.most[l + c].max(self.most[r + c]);
            let least = self.least[l + c].min(self.least[r + c]);
            let i = at * width + c;
            changed |= self.most[i] != most || self.least[i] != least;
            self.most[i] = most;
            self.least[i] = least;
        }
        let used = self.used[2 * at] || self.used[2 * at + 1];
        let lowest = self.lowest[2 * at].min(self.lowest[2 * at + 1]);
        changed |= self.used[at] != used || self.lowest[at] != lowest;
        self.used[at] = used;
        self.lowest[at] = lowest;
        changed
    }
}
