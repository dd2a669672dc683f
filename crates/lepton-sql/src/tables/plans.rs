//! What plans are made of: actions, and replicas that found no place. Each row belongs to its replica's project.

use std::sync::Arc;

use lepton_model::{Action, ActionKind, AnyObject, Kind, PlanId, PlanSpec, Timestamp, Unplaced};

use super::objects::word;
use super::reader::{Col, ObjectTable, columns};
use crate::table::{Table, int, maybe, print, text};

/// A part of a plan.
struct Part<T> {
    plan: PlanId,
    made_at: Timestamp,
    position: usize,
    part: T,
}

fn parts<T>(object: &Arc<AnyObject>, of: impl Fn(PlanSpec) -> Vec<T>) -> Vec<Part<T>> {
    let Ok(plan) = object.decode::<PlanSpec>() else { return Vec::new() };
    let (id, made_at) = (plan.spec.id, plan.spec.made_at);
    let numbered = of(plan.spec).into_iter().enumerate();
    numbered.map(|(position, part)| Part { plan: id, made_at, position, part }).collect()
}

pub(super) fn all() -> Vec<Arc<dyn Table>> {
    vec![actions(), unplaced()]
}

fn actions() -> Arc<dyn Table> {
    let columns: Vec<Col<Part<Action>>> = columns! {
        "plan" Text "the plan" => |row| print(row.plan);
        "position" Integer "place in the plan, from 0" => |row| int(row.position);
        "made_at" Text "when the plan was made" => |row| print(row.made_at);
        "project" Text "project of the replica" => |row| text(row.part.replica.project.as_str());
        "name" Text "service or job" => |row| text(row.part.replica.name.as_str());
        "ordinal" Integer "replica" => |row| int(row.part.replica.ordinal);
        "kind" Text "service or job" => |row| text(row.part.replica.kind.as_str());
        "action" Text "start, stop or update" => |row| text(row.part.kind.as_str());
        "node" Text "where" => |row| text(row.part.kind.node().as_str());
        "incarnation" Integer "fencing number of a start" => |row| match &row.part.kind {
            ActionKind::Start { incarnation, .. } => int(*incarnation),
            ActionKind::Stop { .. } | ActionKind::Update { .. } => crate::table::null(),
        };
        "generation" Integer "generation that will run" => |row| match &row.part.kind {
            ActionKind::Start { generation, .. } | ActionKind::Update { generation, .. } => int(*generation),
            ActionKind::Stop { .. } => crate::table::null(),
        };
        "reason" Text "why" => |row| text(&row.part.reason);
        "runner_up" Text "second-best choice and why it lost" => |row| maybe(row.part.runner_up.as_ref(), print);
        "risk" Text "low, medium or high" => |row| word(&row.part.risk);
    };
    Arc::new(ObjectTable {
        name: "actions",
        description: "the steps of every plan",
        kinds: &[Kind::Plan],
        columns: Arc::new(columns),
        rows: |object| parts(object, |plan| plan.actions),
        project: |row| &row.part.replica.project,
        object_name: None,
    })
}

fn unplaced() -> Arc<dyn Table> {
    let columns: Vec<Col<Part<Unplaced>>> = columns! {
        "plan" Text "the plan" => |row| print(row.plan);
        "made_at" Text "when the plan was made" => |row| print(row.made_at);
        "project" Text "project of the replica" => |row| text(row.part.replica.project.as_str());
        "name" Text "service or job" => |row| text(row.part.replica.name.as_str());
        "ordinal" Integer "replica" => |row| int(row.part.replica.ordinal);
        "kind" Text "service or job" => |row| text(row.part.replica.kind.as_str());
        "reason" Text "why it found no place" => |row| text(&row.part.reason);
    };
    Arc::new(ObjectTable {
        name: "unplaced",
        description: "what plans could not place, and why",
        kinds: &[Kind::Plan],
        columns: Arc::new(columns),
        rows: |object| parts(object, |plan| plan.unplaced),
        project: |row| &row.part.replica.project,
        object_name: None,
    })
}
