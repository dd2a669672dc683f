//! Carries plans out: writes the assignments they ask for, or sets them aside when the world has moved on.

use std::collections::BTreeMap;

use lepton_model::{
    Act, Actor, AssignmentSpec, Key, Kind, Labels, Name, Plan, PlanPhase, PlanStatus, Subject, TimelineEntry,
    Timestamp,
};
use lepton_plan::assign;
use lepton_store::{Change, Expect, Fence, Transaction};

use super::{Fault, Outcome, reports};
use crate::app::App;
use crate::view::{World, estate_place};
use crate::{clock, record};

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let mut done = Vec::new();
    loop {
        let world = app.view.world();
        let said = reports::said(&world, &app.agents);
        let snapshot = reports::snapshot(&world, reports::gather(&world, &said));
        let plan = world.pending.values().next().cloned();
        let now = clock::now();
        let transaction = match assign(plan.as_deref().map(|plan| &plan.spec), &snapshot) {
            Ok(assignments) => {
                if plan.is_none() && assignments.is_empty() {
                    break;
                }
                done.push(match &plan {
                    Some(plan) => format!("carried out {}: {}", plan.spec.id, plan.spec.reason),
                    None => format!("gave changed runbooks to {} nodes", assignments.len()),
                });
                carried_out(&world, plan.as_deref(), &assignments, now)?
            }
            Err(stale) => {
                let Some(plan) = &plan else { return Err(Fault::Other(stale.to_string())) };
                done.push(format!("set {} aside: {stale}", plan.spec.id));
                set_aside(plan, &stale.to_string(), now)?
            }
        };
        let report = app.store.commit(now, Transaction { fence: Some(fence.clone()), ..transaction }).await?;
        if !app.view.reached(report.revision).await {
            return Err(Fault::Other("the view lags behind the store".to_owned()));
        }
    }
    Ok((!done.is_empty()).then(|| done.join("; ")))
}

fn carried_out(
    world: &World,
    plan: Option<&Plan>,
    assignments: &BTreeMap<Name, AssignmentSpec>,
    now: Timestamp,
) -> Result<Transaction, Fault> {
    let mut transaction = Transaction::default();
    for (node, spec) in assignments {
        let before = world.assignments.get(&estate_place(node));
        transaction.changes.push(Change::PutSpec {
            key: Key::of_estate(Kind::Assignment, node.clone()),
            uid: clock::uid(),
            labels: Labels::new(),
            spec: serde_json::to_value(spec)?,
            // Nobody else writes assignments but another server that has taken the lease; then this write is refused.
            expect: before.map_or(Expect::Absent, |object| Expect::Revision(object.meta.revision)),
        });
    }
    if let Some(plan) = plan {
        transaction.changes.push(finish(plan, PlanPhase::Executed, String::new(), now)?);
        transaction.timeline = plan.spec.actions.iter().map(|action| entry(plan, action, now)).collect();
    }
    Ok(transaction)
}

fn entry(plan: &Plan, action: &lepton_model::Action, now: Timestamp) -> TimelineEntry {
    let node = action.kind.node();
    let reason = format!("{} on {node}: {}", action.kind.as_str(), action.reason);
    let subject = Subject::from(action.replica.clone());
    let mut entry =
        record::entry(now, Actor::reconciler("assignment_execute"), Act::PlanExecute, subject, reason);
    (entry.plan, entry.node) = (Some(plan.spec.id), Some(node.clone()));
    entry
}

fn set_aside(plan: &Plan, why: &str, now: Timestamp) -> Result<Transaction, Fault> {
    let change = finish(plan, PlanPhase::Superseded, why.to_owned(), now)?;
    let actor = Actor::reconciler("assignment_execute");
    let mut entry = record::entry(now, actor, Act::PlanExecute, Subject::from(plan.key()), why);
    (entry.plan, entry.outcome) = (Some(plan.spec.id), lepton_model::Outcome::Skipped);
    Ok(Transaction { changes: vec![change], timeline: vec![entry], fence: None })
}

fn finish(plan: &Plan, phase: PlanPhase, message: String, at: Timestamp) -> Result<Change, Fault> {
    let status = serde_json::to_value(PlanStatus { phase, at, message })?;
    Ok(Change::PutStatus { key: plan.key(), status, expect: Expect::Revision(plan.meta.revision) })
}
