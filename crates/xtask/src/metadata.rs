//! What cargo knows of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// `cargo metadata`, as far as the chores need it.
#[derive(Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_members: BTreeSet<String>,
}

/// One package of the graph.
#[derive(Deserialize)]
pub struct Package {
    id: String,
    /// Its name.
    pub name: String,
    /// Its SPDX expression, if it gives one.
    pub license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, for the target this runs on.
    pub fn load() -> Result<Self> {
        let output = Command::new("cargo")
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
                "x86_64-unknown-linux-gnu",
            ])
            .output()
            .context("cannot run cargo metadata")?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        serde_json::from_slice(&output.stdout).context("cargo metadata answered something else than JSON")
    }

    /// Crates of the workspace, each with every package it links: directly or through others, tests and build
    /// scripts left out.
    pub fn linked(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let names: BTreeMap<&str, &str> =
            self.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let normal: BTreeMap<&str, Vec<&str>> = self
            .resolve
            .nodes
            .iter()
            .map(|node| {
                let deps = node.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind.is_none()));
                (node.id.as_str(), deps.map(|d| d.pkg.as_str()).collect())
            })
            .collect();
        self.workspace_members
            .iter()
            .map(|member| {
                let mut seen = BTreeSet::new();
                let mut open = vec![member.as_str()];
                while let Some(id) = open.pop() {
                    for dep in normal.get(id).into_iter().flatten() {
                        if seen.insert(*dep) {
                            open.push(dep);
                        }
                    }
                }
                let name = |id: &str| names.get(id).copied().unwrap_or_default();
                (name(member), seen.into_iter().map(name).collect())
            })
            .collect()
    }

    /// Packages from outside the workspace.
    pub fn foreign(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|p| !self.workspace_members.contains(&p.id))
    }
}
