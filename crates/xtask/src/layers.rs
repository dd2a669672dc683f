//! The floors of the house, and who may stand on whom.

use crate::metadata::Metadata;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    Words,
    Brain,
    Seam,
    Hand,
    App,
    Dev,
}

/// Every crate has its floor here; one that is missing fails the check.
const FLOORS: &[(&str, Floor)] = &[
    ("lepton-model", Floor::Words),
    ("lepton-schedule", Floor::Brain),
    ("lepton-plan", Floor::Brain),
    ("lepton-cloud", Floor::Seam),
    ("lepton-cloud-sim", Floor::Hand),
    ("lepton-cloud-aliyun", Floor::Hand),
    ("lepton-cloud-tencent", Floor::Hand),
    ("lepton-cloud-aws", Floor::Hand),
    ("lepton-cloud-huawei", Floor::Hand),
    ("lepton-store", Floor::Seam),
    ("lepton-lake", Floor::Seam),
    ("lepton-sql", Floor::Seam),
    ("lepton-api", Floor::Seam),
    ("lepton-agent", Floor::Hand),
    ("lepton-control", Floor::App),
    ("lepton", Floor::App),
    ("lepton-shop", Floor::Dev),
    ("lepton-bench", Floor::Dev),
    ("lepton-e2e", Floor::Dev),
    ("xtask", Floor::Dev),
];

/// The planner is the brain that asks the scheduler; no other brain may know a sibling.
const SIBLINGS: &[(&str, &str)] = &[("lepton-plan", "lepton-schedule")];

/// What a brain or the words may not link, because it does I/O or reads a clock.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "hyper",
    "reqwest",
    "axum",
    "rusqlite",
    "object_store",
    "arrow",
    "parquet",
    "tracing-subscriber",
];

fn floor(name: &str) -> Option<Floor> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

/// What breaks the rules.
pub fn check(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, linked) in metadata.linked() {
        let Some(own) = floor(name) else {
            findings.push(format!("{name} has no floor; add it to FLOORS in crates/xtask/src/layers.rs"));
            continue;
        };
        for dep in linked {
            if let Some(other) = floor(dep) {
                if other > own {
                    findings
                        .push(format!("{name} ({own:?}) depends on {dep} ({other:?}), which is above it"));
                }
                if own == Floor::Brain && other == Floor::Brain && !SIBLINGS.contains(&(name, dep)) {
                    findings.push(format!("{name} depends on {dep}, its sibling on the brain floor"));
                }
            }
            if own <= Floor::Brain && IMPURE.contains(&dep) {
                findings.push(format!("{name} ({own:?}) links {dep}: brain crates are pure"));
            }
        }
    }
    findings
}
