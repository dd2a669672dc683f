//! Plans what should run where; stores the plan when it has anything to do or to say.

use std::collections::BTreeMap;

use lepton_model::{
    Act, Actor, AnyObject, Key, Kind, Labels, Name, Outcome as Result_, PlanSpec, ReplicaName, Subject,
};
use lepton_plan::{PlanInput, Snapshot, check, plan};
use lepton_store::{Change, Expect, Fence, Transaction};

use super::memory::Planned;
use super::{Fault, Outcome, reports};
use crate::app::App;
use crate::http::Fail;
use crate::view::World;
use crate::{clock, record};

/// Most entries one plan puts on the timeline for replicas that do not fit.
const MOST_ENTRIES: usize = 200;

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let memory = &app.reconcilers.memory;
    let seen = Planned { world: app.view.world().placing, reports: *app.agents.reports().borrow() };
    let world = app.view.world();
    if !world.pending.is_empty() || *memory.planned_for.lock() == Some(seen) {
        return Ok(None);
    }
    let snapshot = take_snapshot(&app, &world);
    let planned = make(&world, snapshot).await?;
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

fn take_snapshot(app: &App, world: &World) -> Snapshot {
    let said = reports::said(world, &app.agents);
    reports::snapshot(world, reports::gather(world, &said))
}

async fn make(world: &World, snapshot: Snapshot) -> Result<PlanSpec, Fault> {
    let parent = world.last_plan;
    let work = move || {
        let input = PlanInput { now: clock::now(), id: clock::plan_id(), parent, snapshot: &snapshot };
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
    let spec = serde_json::to_value(plan)?;
    let put = Change::PutSpec { key, uid: clock::uid(), labels: Labels::new(), spec, expect: Expect::Absent };
    Ok(Transaction { changes: vec![put], timeline, fence: Some(fence) })
}

/// The plan that would be made if `objects` were applied.
pub(crate) async fn preview(app: &App, objects: Vec<AnyObject>) -> Result<PlanSpec, Fail> {
    let mut world = World::clone(&app.view.world());
    for object in objects {
        world.imagine(object);
    }
    let snapshot = take_snapshot(app, &world);
    make(&world, snapshot).await.map_err(|fault| match fault {
        Fault::Plan(error) => Fail::field("manifests", error),
        fault => Fail::internal(fault),
    })
}
