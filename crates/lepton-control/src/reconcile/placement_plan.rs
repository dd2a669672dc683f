//! Plans what should run where; stores the plan when it has anything to do or to say.

use std::collections::BTreeMap;

use lepton_model::{
    Act, Actor, AnyObject, Key, Kind, Labels, Name, Outcome as Result_, PlanSpec, ReplicaName, Strategy,
    Subject,
};
use lepton_plan::{Aim, PlanInput, Snapshot, WhatIf, check, plan};
use lepton_store::{Change, Expect, Fence, Transaction};

use super::memory::Planned;
use super::{Fault, Outcome, reports};
use crate::app::App;
use crate::http::Fail;
use crate::offers::prices;
use crate::view::World;
use crate::{clock, record};

/// Most entries one plan puts on the timeline for replicas that do not fit.
const MOST_ENTRIES: usize = 200;

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let memory = &app.reconcilers.memory;
    let seen = seen(&app);
    let world = app.view.world();
    if !world.pending.is_empty() || *memory.planned_for.lock() == Some(seen) {
        return Ok(None);
    }
    let snapshot = take_snapshot(&app, &world);
    let planned = make(&world, snapshot, None).await?;
    let unplaced: BTreeMap<ReplicaName, String> =
        planned.unplaced.iter().map(|u| (u.replica.clone(), u.reason.clone())).collect();
    let news: Vec<_> = {
        let before = memory.unplaced.lock();
        unplaced.iter().filter(|(replica, reason)| before.get(*replica) != Some(*reason)).collect()
    };
    if planned.actions.is_empty() && news.is_empty() {
        *memory.unplaced.lock() = unplaced;
        *memory.planned_for.lock() = Some(seen);
        return Ok(None);
    }
    let message = planned.reason.clone();
    let transaction = store(&planned, &news, fence)?;
    let report = app.store.commit(planned.made_at, transaction).await?;
    *memory.unplaced.lock() = unplaced;
    app.view.reached(report.revision).await;
    Ok(Some(message))
}

fn seen(app: &App) -> Planned {
    Planned { world: app.view.world().placing, reports: *app.agents.reports().borrow() }
}

/// Whether placement has nothing left to do.
pub(super) fn planned_now(app: &App, world: &World) -> bool {
    world.pending.is_empty() && *app.reconcilers.memory.planned_for.lock() == Some(seen(app))
}

/// The estate with what is known of its prices.
pub(crate) fn take_snapshot(app: &App, world: &World) -> Snapshot {
    let said = reports::said(world, &app.agents);
    let exchange = &app.config.exchange;
    Snapshot {
        prices: prices(world.nodes.values().map(|node| &**node), &app.offers.catalog(), exchange),
        currency: Some(exchange.base),
        ..reports::snapshot(world, reports::gather(world, &said))
    }
}

pub(super) async fn make(world: &World, snapshot: Snapshot, aim: Option<Aim>) -> Result<PlanSpec, Fault> {
    let parent = world.last_plan;
    let work = move || {
        let input = PlanInput {
            now: clock::now(),
            id: clock::plan_id(),
            parent,
            snapshot: &snapshot,
            aim: aim.as_ref(),
        };
        let planned = plan(&input)?;
        // A plan that breaks a rule is a bug; it must not reach a node.
        check(&planned, &snapshot).map_err(|violations| {
            let all: Vec<_> = violations.iter().map(ToString::to_string).collect();
            Fault::Other(format!("the plan breaks rules and is not carried out: {}", all.join("; ")))
        })?;
        Ok(planned)
    };
    // The solver may think for a while; it must not hold up requests.
    crate::tasks::blocking(work).await.map_err(Fault::Other)?
}

fn plan_key(plan: &PlanSpec) -> Result<Key, Fault> {
    let name = Name::new(plan.id.to_string()).map_err(|error| Fault::Other(error.to_string()))?;
    Ok(Key::of_estate(Kind::Plan, name))
}

fn store(plan: &PlanSpec, news: &[(&ReplicaName, &String)], fence: Fence) -> Result<Transaction, Fault> {
    let key = plan_key(plan)?;
    let actor = || Actor::reconciler("placement_plan");
    let mut made = record::entry(plan.made_at, actor(), Act::Plan, Subject::from(key.clone()), &plan.reason);
    made.plan = Some(plan.id);
    let mut timeline = vec![made];
    for (replica, reason) in news.iter().take(MOST_ENTRIES) {
        let subject = Subject::from((*replica).clone());
        let mut entry =
            record::entry(plan.made_at, actor(), Act::Plan, subject, format!("cannot be placed: {reason}"));
        (entry.plan, entry.outcome) = (Some(plan.id), Result_::Skipped);
        timeline.push(entry);
    }
    let mut transaction = Transaction { changes: Vec::new(), timeline, fence: Some(fence) };
    put_plan(plan, &mut transaction)?;
    Ok(transaction)
}

/// Adds a plan, to be carried out.
pub(super) fn put_plan(plan: &PlanSpec, to: &mut Transaction) -> Result<(), Fault> {
    let (key, spec) = (plan_key(plan)?, serde_json::to_value(plan)?);
    let (uid, labels, expect) = (clock::uid(), Labels::new(), Expect::Absent);
    to.changes.push(Change::PutSpec { key, uid, labels, spec, expect });
    Ok(())
}

/// The plan that would be made if `objects` were applied and everything supposed were so.
pub(crate) async fn preview(
    app: &App,
    objects: Vec<AnyObject>,
    strategy: Option<Strategy>,
    what_if: &[WhatIf],
) -> Result<PlanSpec, Fail> {
    let world = app.view.world();
    let mut snapshot = take_snapshot(app, &world);
    for object in &objects {
        snapshot.imagine(object)?;
    }
    if !objects.is_empty() {
        // Applied nodes may have other labels or prices.
        snapshot.prices = prices(&snapshot.nodes, &app.offers.catalog(), &app.config.exchange);
    }
    for (at, supposed) in what_if.iter().enumerate() {
        snapshot.suppose(supposed).map_err(|error| Fail::field(format!("what_if[{at}]"), error))?;
    }
    make(&world, snapshot, strategy.map(Aim::of)).await.map_err(|fault| match fault {
        Fault::Plan(error) => Fail::field("manifests", error),
        fault => Fail::internal(fault),
    })
}
