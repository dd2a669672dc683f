//! Turns agents' reports and silence into the status of nodes, services and jobs. Writes only what is news.

mod judge;

use std::time::Duration;

use lepton_model::{
    Act, Actor, Condition, NodePhase, NodeSpec, NodeStatus, Object, Period, ReplicaReport, Spec, Subject,
    Timestamp,
};
use lepton_store::{Change, Expect, Fence, Transaction};

use super::reports::{self, Said};
use super::{Fault, Outcome};
use crate::agents::same_news;
use crate::app::App;
use crate::view::World;
use crate::{clock, record};

/// Changes of one transaction.
const MOST: usize = 500;
/// A node's clock that differs more is worth a word.
const SKEW: Duration = Duration::from_secs(5);

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let world = app.view.world();
    let now = clock::now();
    let said = reports::said(&world, &app.agents);
    let mut transaction = nodes(&app, &world, &said, now)?;
    let lost = transaction.timeline.len();
    replicas(&app, &world, &said, now, &mut transaction)?;
    if transaction.changes.is_empty() {
        return Ok(None);
    }
    let count = transaction.changes.len();
    transaction.changes.truncate(MOST);
    transaction.fence = Some(fence);
    let report = app.store.commit(now, transaction).await?;
    app.view.reached(report.revision).await;
    Ok(Some(format!("{count} changes of status, {lost} nodes lost or back")))
}

fn nodes(app: &App, world: &World, said: &Said, now: Timestamp) -> Result<Transaction, Fault> {
    let lease = app.config.lease;
    let mut transaction = Transaction::default();
    for node in world.nodes.values() {
        let name = &node.meta.name;
        let heard = said.get(name).map(|status| {
            let skew = app.agents.skew(name);
            (status.as_ref(), skew)
        });
        let after = node_status(node, heard, app.agents.silent_for(name), lease, now);
        if after == node.status {
            continue;
        }
        let entry = match (node.status.phase, after.phase) {
            (before, NodePhase::Lost) if before != NodePhase::Lost => {
                Some((Act::NodeLost, format!("not heard for {lease}, its lease")))
            }
            (NodePhase::Lost, NodePhase::Ready) => {
                let away = Period::from_secs(now.since(node.status.since).as_secs());
                Some((Act::NodeReturn, format!("reports again after {away}")))
            }
            _ => None,
        };
        if let Some((act, reason)) = entry {
            let actor = Actor::reconciler("health_rollup");
            let mut entry = record::entry(now, actor, act, Subject::from(node.key()), reason);
            entry.node = Some(name.clone());
            transaction.timeline.push(entry);
        }
        transaction.changes.push(Change::PutStatus {
            key: node.key(),
            status: serde_json::to_value(after)?,
            expect: Expect::Revision(node.meta.revision),
        });
        if transaction.changes.len() >= MOST {
            break;
        }
    }
    Ok(transaction)
}

type Heard<'a> = (&'a lepton_api::v1::AgentStatusInput, Duration);

/// A node's status by what it said and how long it has been silent.
fn node_status(
    node: &Object<NodeSpec>,
    heard: Option<Heard<'_>>,
    silent: Duration,
    lease: Period,
    now: Timestamp,
) -> NodeStatus {
    let mut after = node.status.clone();
    if let Some((said, skew)) = heard {
        after.capacity = said.capacity.clone();
        after.facts = said.facts.clone();
        after.assignment_generation = said.generation;
        after.conditions = said.conditions.clone();
        after.ports_taken = said.ports_taken.clone();
        if skew > SKEW {
            let message = format!("its clock differs from the server's by more than {} s", SKEW.as_secs());
            after.conditions.push(Condition { name: "clock_skew".to_owned(), message });
        }
    }
    after.phase = match (node.status.phase, silent > lease.duration(), heard) {
        (NodePhase::Joining, true, None) => NodePhase::Joining,
        (_, true, _) => NodePhase::Lost,
        (_, false, Some(_)) => NodePhase::Ready,
        // Not heard since this server started, and its lease still runs: what was known holds.
        (before, false, None) => before,
    };
    if after.phase != node.status.phase {
        after.since = now;
    }
    if after != node.status {
        after.last_seen = now.before(silent);
    }
    after
}

fn replicas(
    app: &App,
    world: &World,
    said: &Said,
    now: Timestamp,
    transaction: &mut Transaction,
) -> Result<(), Fault> {
    let mut reports = reports::gather(world, said);
    let unplaced = app.reconcilers.memory.unplaced.lock().clone();
    let of = |meta: &lepton_model::Meta, kind| (kind, meta.project.clone(), meta.name.clone());
    for service in world.services.values() {
        let found = reports.remove(&of(&service.meta, lepton_model::Kind::Service)).unwrap_or_default();
        let found = without_noise(found, &service.status.replicas);
        let after = judge::service(service, found, &unplaced);
        put(service, &service.status, &after, transaction)?;
    }
    for job in world.jobs.values() {
        let found = reports.remove(&of(&job.meta, lepton_model::Kind::Job)).unwrap_or_default();
        let found = without_noise(found, &job.status.replicas);
        let after = judge::job(job, found, &unplaced, now);
        put(job, &job.status, &after, transaction)?;
    }
    Ok(())
}

fn put<S: Spec>(
    object: &Object<S>,
    before: &S::Status,
    after: &S::Status,
    transaction: &mut Transaction,
) -> Result<(), Fault> {
    if before != after && transaction.changes.len() < MOST {
        let status = serde_json::to_value(after)?;
        transaction.changes.push(Change::PutStatus { key: object.key(), status, expect: Expect::Present });
    }
    Ok(())
}

/// Keeps the stored report where the new one tells the same story.
fn without_noise(reports: Vec<ReplicaReport>, stored: &[ReplicaReport]) -> Vec<ReplicaReport> {
    reports
        .into_iter()
        .map(|report| stored.iter().find(|old| same_news(old, &report)).cloned().unwrap_or(report))
        .collect()
}
