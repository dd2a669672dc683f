//! Control groups: one per replica, to limit it, to count what it uses and to find all of its processes.
//!
//! Version 2, version 1 and the hybrid of both are served. Where the agent may not write (no root, no delegation),
//! a replica runs without, and what could not be applied is said in its report.
//!
//! ```text
//! /sys/fs/cgroup/<agent's own group>/lepton-<node>/<replica>     one per hierarchy that is there
//! ```

mod group;
mod mounts;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lepton_model::{Name, Resources};

pub use group::{Group, GroupUsage};
use mounts::Hierarchy;

/// Which controllers Lepton uses, if they are there.
const CONTROLLERS: [&str; 4] = ["cpu", "memory", "pids", "cpuacct"];

/// The machine's control groups, as far as this agent may use them.
#[derive(Debug)]
pub struct Cgroups {
    layout: &'static str,
    parents: Vec<Parent>,
    /// Why there is nothing, or not everything.
    refusal: Option<String>,
}

/// The folder of one hierarchy that holds the replicas' groups.
#[derive(Debug)]
struct Parent {
    path: PathBuf,
    version: Version,
    controllers: Vec<String>,
}

/// Generation of the kernel's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Cgroups {
    /// Looks for hierarchies and makes `lepton-<node>` in each that permits it.
    pub fn detect(node: &Name) -> Self {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let hierarchies = mounts::hierarchies(&mountinfo, &own);
        let layout = mounts::layout(&hierarchies);
        let mut parents = Vec::new();
        let mut refusal = hierarchies.is_empty().then(|| "this machine has no control groups".to_owned());
        for hierarchy in hierarchies {
            let found = match hierarchy.version {
                Version::V1 => parent_v1(&hierarchy, node),
                Version::V2 => parent_v2(&hierarchy, node),
            };
            match found {
                Ok(parent) => parents.push(parent),
                Err(error) => {
                    refusal = Some(format!("control group {}: {error}", hierarchy.own.display()));
                }
            }
        }
        Self { layout, parents, refusal }
    }

    /// None at all, as on a machine that permits nothing.
    pub fn none() -> Self {
        Self { layout: "none", parents: Vec::new(), refusal: Some("control groups are not used".to_owned()) }
    }

    /// Removes this node's folders, where no replica's group is left in them.
    pub(crate) fn tidy(&self) {
        for parent in &self.parents {
            let _ = fs::remove_dir(&parent.path);
        }
    }

    /// `v1`, `v2`, `hybrid` or `none`.
    pub fn layout(&self) -> &'static str {
        self.layout
    }

    /// Makes a replica's group, or takes the one that is there, and sets its limits. Beside it: what could not be applied,
    /// in words for the replica's report.
    pub(crate) fn group(&self, replica: &str, limits: &Resources) -> (Group, Vec<String>) {
        let mut notes = Vec::new();
        let mut group = Group::default();
        for parent in &self.parents {
            let path = parent.path.join(replica);
            match make_dir(&path) {
                Ok(()) => group.add(path, parent.version, &parent.controllers),
                Err(error) => notes.push(format!("control group {}: {error}", path.display())),
            }
        }
        notes.extend(group.limit(limits));
        if !notes.is_empty()
            && let Some(refusal) = &self.refusal
        {
            notes.push(refusal.clone());
        }
        (group, notes)
    }
}

/// A v1 hierarchy: a folder below the agent's own group.
fn parent_v1(hierarchy: &Hierarchy, node: &Name) -> io::Result<Parent> {
    let path = hierarchy.own.join(format!("lepton-{node}"));
    make_dir(&path)?;
    Ok(Parent { path, version: Version::V1, controllers: hierarchy.controllers.clone() })
}

/// The v2 hierarchy. A group with processes of its own cannot hand controllers on, so the agent moves itself into a leaf
/// beside its replicas (what systemd asks of a delegated unit). Where other processes share its group, as in
/// a login shell's scope, root falls back to the top of the tree.
fn parent_v2(hierarchy: &Hierarchy, node: &Name) -> io::Result<Parent> {
    let own = match hierarchy.own.file_name() {
        Some(leaf) if leaf == AGENT_LEAF => hierarchy.own.parent().unwrap_or(&hierarchy.mount),
        _ => &hierarchy.own,
    };
    let mut first = None;
    let mut candidates = vec![own];
    if own != hierarchy.mount {
        candidates.push(&hierarchy.mount);
    }
    for base in candidates {
        match parent_v2_in(base, node) {
            Ok(parent) if !parent.controllers.is_empty() || hierarchy.controllers.is_empty() => {
                return Ok(parent);
            }
            other => first = first.or(Some(other)),
        }
    }
    first.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
}

/// The agent's own place in the v2 tree.
const AGENT_LEAF: &str = "lepton-agent";

fn parent_v2_in(base: &Path, node: &Name) -> io::Result<Parent> {
    let path = base.join(format!("lepton-{node}"));
    make_dir(&path)?;
    if hand_on(base).is_err_and(|e| e.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error())) {
        let leaf = base.join(AGENT_LEAF);
        make_dir(&leaf)?;
        fs::write(leaf.join("cgroup.procs"), "0")?;
        // Still busy when others live in the group too; then the fallback is tried.
        let _ = hand_on(base);
    }
    let _ = hand_on(&path);
    let controllers = fs::read_to_string(path.join("cgroup.subtree_control")).unwrap_or_default();
    let controllers = controllers.split_whitespace().map(str::to_owned).collect();
    Ok(Parent { path, version: Version::V2, controllers })
}

/// Enables the controllers for the groups below `group`; each alone, so that one that is missing does not cost the others.
fn hand_on(group: &Path) -> io::Result<()> {
    let there = fs::read_to_string(group.join("cgroup.controllers"))?;
    let control = group.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&control)?;
    for name in there.split_whitespace().filter(|name| CONTROLLERS.contains(name)) {
        if !enabled.split_whitespace().any(|e| e == name) {
            fs::write(&control, format!("+{name}"))?;
        }
    }
    Ok(())
}

fn make_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
