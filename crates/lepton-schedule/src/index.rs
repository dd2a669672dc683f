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
    /// The rest, in the order of [`USED`], [`LOWEST`], [`TAKEN`].
    marks: &'a [i64],
}

/// Marks of a vertex: whether something runs on one of the nodes, the lowest priority of what runs on any, and the exclusive keys that
/// are taken on all of them, a bit each for the first 64 keys.
const MARKS: usize = 3;
const USED: usize = 0;
const LOWEST: usize = 1;
const TAKEN: usize = 2;
const NOBODY: i64 = i64::MAX;

impl Below<'_> {
    /// Whether something runs on one of the nodes.
    pub(crate) fn any_used(&self) -> bool {
        self.marks[USED] != 0
    }

    /// Lowest priority of what runs on any.
    pub(crate) fn lowest(&self) -> Option<i32> {
        i32::try_from(self.marks[LOWEST]).ok()
    }

    /// Whether one of these keys is taken on all of the nodes.
    pub(crate) fn all_hold(&self, keys: u64) -> bool {
        self.marks[TAKEN].cast_unsigned() & keys != 0
    }
}

/// The bit of an exclusive key; later keys have none.
pub(crate) fn key_bit(key: u32) -> u64 {
    1_u64.checked_shl(key).unwrap_or(0)
}

/// Nodes of one kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kind {
    /// Node numbers by leaf.
    pub nodes: Vec<u32>,
    leaves: usize,
    /// By vertex: most, least, marks. One row each, so that a look is at neighbours in memory.
    vertices: Vec<i64>,
}

/// What is known of one node.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    pub free: &'a [i64],
    pub gpu_free: &'a [i64],
    pub used: bool,
    /// Lowest priority of what runs there.
    pub lowest: Option<i32>,
    /// Exclusive keys taken, see [`key_bit`].
    pub taken: u64,
}

/// All kinds.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub kinds: Vec<Kind>,
    /// Copies of the kinds' roots, side by side: every decision looks at all of them.
    roots: Vec<i64>,
    keys: HashMap<Key, u32>,
    place: Vec<(u32, u32)>,
    columns: usize,
    width: usize,
}

impl Index {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            kinds: Vec::new(),
            roots: Vec::new(),
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
            self.roots.resize(self.kinds.len() * stride(self.width), 0);
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
            k.vertex_mut(at, self.width).copy_from_slice(&nobody(self.width));
            k.lift(at, self.width);
            self.copy_root(kind);
        }
    }

    /// Takes over a node's new state.
    pub(crate) fn update(&mut self, node: u32, leaf: &Leaf<'_>) {
        let (kind, slot) = self.place[node as usize];
        let k = &mut self.kinds[kind as usize];
        let at = k.leaves + slot as usize;
        let (most, rest) = k.vertex_mut(at, self.width).split_at_mut(self.width);
        let (least, marks) = rest.split_at_mut(self.width);
        most[..self.columns].copy_from_slice(leaf.free);
        most[self.columns..].fill(0);
        if !leaf.gpu_free.is_empty() {
            most[self.columns] = leaf.gpu_free.iter().copied().max().unwrap_or(0);
            most[self.columns + 1] = leaf.gpu_free.iter().filter(|g| **g == 1000).count() as i64;
            most[self.columns + 2] = leaf.gpu_free.iter().sum();
        }
        least.copy_from_slice(most);
        marks[USED] = i64::from(leaf.used);
        marks[LOWEST] = leaf.lowest.map_or(NOBODY, i64::from);
        marks[TAKEN] = leaf.taken.cast_signed();
        k.lift(at, self.width);
        self.copy_root(kind);
    }

    fn copy_root(&mut self, kind: u32) {
        let stride = stride(self.width);
        let root = self.kinds[kind as usize].vertices.get(stride..2 * stride).unwrap_or(&[]);
        self.roots[kind as usize * stride..][..root.len()].copy_from_slice(root);
    }

    /// What is known of a whole kind.
    pub(crate) fn whole(&self, kind: usize) -> Below<'_> {
        below(&self.roots[kind * stride(self.width)..], self.width)
    }

    /// Visits the nodes of a kind in order of `bound`, as far as `visit` lets it. `bound` says what a subtree can give at
    /// best (nothing: no node in it will do); `visit` takes a node and says the value that others must stay below. `looks` is how
    /// many vertices may be opened once there is such a value; what is left of it is the caller's for the next kind.
    pub(crate) fn search(
        &self,
        kind: usize,
        bound: &impl Fn(Below<'_>) -> Option<f64>,
        visit: &mut impl FnMut(u32) -> Limit,
        limit: f64,
        looks: &mut u32,
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
            if below.is_finite() {
                let Some(left) = looks.checked_sub(1) else { return };
                *looks = left;
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

/// Length of what is known of a vertex.
fn stride(width: usize) -> usize {
    2 * width + MARKS
}

fn below(row: &[i64], width: usize) -> Below<'_> {
    let (most, rest) = row.split_at(width);
    Below { most, least: &rest[..width], marks: &rest[width..width + MARKS] }
}

/// What is known where there is no node.
fn nobody(width: usize) -> Vec<i64> {
    let mut row = vec![-1; stride(width)];
    row[width..2 * width].fill(i64::MAX);
    row[2 * width..].copy_from_slice(&[0, NOBODY, -1]);
    row
}

impl Kind {
    fn below(&self, at: usize, width: usize) -> Below<'_> {
        below(&self.vertices[at * stride(width)..], width)
    }

    fn vertex_mut(&mut self, at: usize, width: usize) -> &mut [i64] {
        &mut self.vertices[at * stride(width)..][..stride(width)]
    }

    /// Doubles the leaves.
    fn grow(&mut self, width: usize) {
        let (old, new) = (self.leaves, (2 * self.leaves).max(1));
        let stride = stride(width);
        let mut vertices = nobody(width).repeat(2 * new);
        let leaves = self.vertices.get(old * stride..).unwrap_or(&[]);
        vertices[new * stride..][..leaves.len()].copy_from_slice(leaves);
        self.vertices = vertices;
        self.leaves = new;
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
        let stride = stride(width);
        let (above, children) = self.vertices.split_at_mut(2 * at * stride);
        let above = &mut above[at * stride..][..stride];
        let (left, right) = children[..2 * stride].split_at(stride);
        let mut changed = false;
        for (i, up) in above.iter_mut().enumerate() {
            let (l, r) = (left[i], right[i]);
            let joined = match i.checked_sub(2 * width) {
                None if i < width => l.max(r),
                None => l.min(r),
                Some(USED) => l | r,
                Some(LOWEST) => l.min(r),
                Some(_) => l & r,
            };
            changed |= *up != joined;
            *up = joined;
        }
        changed
    }
}
