//! Why something is as it is: object, plan, reports and timeline joined into one story.

use std::collections::BTreeMap;

use lepton_api::v1::{ExplainReport, ReplicaExplanation, TimelineRow};
use lepton_model::{
    Act, AnyObject, IncidentPhase, Key, Kind, NodeSpec, Outcome, Plan, PlanId, PlanSpec, ReplicaPhase,
    ReplicaReport, Subject, TimelineEntry, Timestamp,
};
use lepton_store::TimelineInput;

use crate::app::App;
use crate::clock;
use crate::http::{Fail, timeline_rows};
use crate::reconcile::reports;

/// Timeline entries told.
const ENTRIES: usize = 30;
/// Entries looked through for what placed a replica.
const PLACEMENTS: usize = 200;

pub(crate) async fn explain(app: &App, object: AnyObject) -> Result<ExplainReport, Fail> {
    let subject = Subject::from(object.key());
    let newest = TimelineInput { subject: Some(subject.clone()), limit: ENTRIES, ..TimelineInput::default() };
    let timeline = timeline_rows(app.store.timeline(&newest).await?);
    let now = clock::now();
    let replicas = replicas(app, &object).await?;
    let summary = match object.kind {
        Kind::Service | Kind::Job => workload_summary(&object, &replicas, &timeline, now),
        Kind::Node => node_summary(app, &object, now)?,
        _ => other_summary(&object, &timeline, now),
    };
    Ok(ExplainReport { summary, replicas, problems: problems(app, &object), timeline, object })
}

async fn replicas(app: &App, object: &AnyObject) -> Result<Vec<ReplicaExplanation>, Fail> {
    if !matches!(object.kind, Kind::Service | Kind::Job) {
        return Ok(Vec::new());
    }
    let world = app.view.world();
    let said = reports::said(&world, &app.agents);
    let place = (object.kind, object.meta.project.clone(), object.meta.name.clone());
    let found = reports::gather(&world, &said).remove(&place).unwrap_or_default();
    let input = TimelineInput {
        subject: Some(Subject::from(object.key())),
        acts: vec![Act::PlanExecute],
        limit: PLACEMENTS,
        ..TimelineInput::default()
    };
    let placements = app.store.timeline(&input).await?;
    let mut plans: BTreeMap<PlanId, Option<Plan>> = BTreeMap::new();
    let mut out = Vec::new();
    for report in found {
        let placed = placements.iter().rev().find(|recorded| {
            let entry = &recorded.entry;
            entry.subject.replica == Some(report.replica.ordinal)
                && entry.node.as_ref() == Some(&report.node)
                && entry.reason.starts_with("start")
        });
        let id = placed.and_then(|recorded| recorded.entry.plan);
        if let Some(id) = id
            && !plans.contains_key(&id)
        {
            plans.insert(id, read_plan(app, id).await?);
        }
        let plan = id.and_then(|id| plans.get(&id)).and_then(Option::as_ref);
        let action = plan.and_then(|plan| {
            let here = |action: &&lepton_model::Action| {
                action.replica == report.replica
                    && *action.kind.node() == report.node
                    && action.kind.as_str() == "start"
            };
            plan.spec.actions.iter().find(here)
        });
        let told = placed.map(|recorded| recorded.entry.reason.clone());
        out.push(ReplicaExplanation {
            placed_because: action.map(|action| action.reason.clone()).or(told).unwrap_or_default(),
            runner_up: action.and_then(|action| action.runner_up.clone()),
            plan: id,
            report,
        });
    }
    Ok(out)
}

async fn read_plan(app: &App, id: PlanId) -> Result<Option<Plan>, Fail> {
    let name = lepton_model::Name::new(id.to_string()).map_err(Fail::internal)?;
    let object = app.store.get(&Key::of_estate(Kind::Plan, name)).await?;
    Ok(object.and_then(|object| object.decode::<PlanSpec>().ok()))
}

/// A time ago as people say it.
fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0 => "just now".to_owned(),
        1..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// "running, 2 of 2 replicas healthy; replica 0 ended 3 s ago on edge-1 (killed by signal 9), healthy again after 180 ms".
fn workload_summary(
    object: &AnyObject,
    replicas: &[ReplicaExplanation],
    timeline: &[TimelineRow],
    now: Timestamp,
) -> String {
    let phase = object.status.get("phase").and_then(|phase| phase.as_str()).unwrap_or("pending");
    let mut parts = vec![match object.kind {
        Kind::Service => {
            let wanted = object.spec.get("replicas").and_then(serde_json::Value::as_u64).unwrap_or(0);
            let ready = replicas.iter().filter(|r| r.report.phase == ReplicaPhase::Running).count();
            format!("{phase}, {ready} of {wanted} replicas healthy")
        }
        _ => phase.to_owned(),
    }];
    match last_trouble(timeline, replicas) {
        Some((trouble, mended)) => {
            let on = trouble.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
            let mut story = format!("last trouble {}{on}: {}", ago(now, trouble.at), trouble.reason);
            match mended {
                Some(mended) => {
                    let took = mended.at.since(trouble.at).as_millis();
                    story.push_str(&format!("; serving again after {took} ms, by {}", mended.actor));
                }
                None => story.push_str("; not serving again yet"),
            }
            parts.push(story);
        }
        None => {
            let message = object.status.get("message").and_then(|m| m.as_str()).unwrap_or_default();
            if !message.is_empty() {
                parts.push(message.to_owned());
            }
        }
    }
    parts.join("; ")
}

/// The last time a replica was in trouble, and when it was well again.
fn last_trouble<'a>(
    timeline: &'a [TimelineRow],
    replicas: &[ReplicaExplanation],
) -> Option<(&'a TimelineEntry, Option<&'a TimelineEntry>)> {
    let entries: Vec<_> = timeline.iter().map(|row| &row.entry).collect();
    let is_trouble = |entry: &TimelineEntry| {
        matches!(entry.act, Act::Exit | Act::Unhealthy | Act::CrashLoop | Act::Escalate)
    };
    let at = entries.iter().rposition(|entry| is_trouble(entry))?;
    let trouble = *entries.get(at)?;
    let later = |act: Act| {
        entries.iter().skip(at + 1).find(|entry| {
            entry.act == act
                && entry.subject.replica == trouble.subject.replica
                && entry.outcome == Outcome::Ok
        })
    };
    let runs = |explained: &&ReplicaExplanation| {
        Some(explained.report.replica.ordinal) == trouble.subject.replica
            && explained.report.phase == ReplicaPhase::Running
    };
    // A service without checks is healthy as soon as its process lives, and its agent may not say so separately.
    let healthy =
        later(Act::Healthy).or_else(|| later(Act::Start).filter(|_| replicas.iter().any(|r| runs(&r))));
    Some((trouble, healthy.copied()))
}

fn node_summary(app: &App, object: &AnyObject, now: Timestamp) -> Result<String, Fail> {
    let node = object.decode::<NodeSpec>().map_err(Fail::internal)?;
    let name = &node.meta.name;
    let world = app.view.world();
    let runs = world.assignments.get(&crate::view::estate_place(name)).map_or(0, |a| a.spec.replicas.len());
    let silent = app.agents.silent_for(name).as_millis();
    let mut parts = vec![format!("{} since {}", node.status.phase.as_str(), ago(now, node.status.since))];
    parts.push(format!("last heard {silent} ms ago"));
    parts.push(format!("{runs} replicas assigned"));
    if node.spec.draining {
        parts.push("draining: what runs here is moved away".to_owned());
    } else if node.spec.cordoned {
        parts.push("cordoned: nothing new is placed here".to_owned());
    }
    parts.extend(node.status.conditions.iter().map(|condition| condition.message.clone()));
    Ok(parts.join("; "))
}

fn other_summary(object: &AnyObject, timeline: &[TimelineRow], now: Timestamp) -> String {
    let key = object.key();
    match timeline.last() {
        Some(TimelineRow { entry, .. }) => {
            format!(
                "{key}: {} {} by {}: {}",
                entry.act.as_str(),
                ago(now, entry.at),
                entry.actor,
                entry.reason
            )
        }
        None => format!("{key}: made {}", ago(now, object.meta.created_at)),
    }
}

fn problems(app: &App, object: &AnyObject) -> Vec<String> {
    let mut problems = Vec::new();
    let meta = &object.meta;
    let unplaced = app.reconcilers.memory.unplaced.lock();
    for (replica, why) in unplaced.iter() {
        if replica.kind == object.kind && replica.project == meta.project && replica.name == meta.name {
            problems.push(format!("replica {} is not placed: {why}", replica.ordinal));
        }
    }
    for incident in app.view.world().incidents.values() {
        let subject = &incident.spec.subject;
        let here =
            subject.kind == object.kind && subject.project == meta.project && subject.name == meta.name;
        if here && incident.status.phase != IncidentPhase::Resolved {
            problems.push(format!("incident {}: {}", incident.meta.name, incident.spec.title));
        }
    }
    let troubled = |report: &ReplicaReport| {
        matches!(report.phase, ReplicaPhase::CrashLooping | ReplicaPhase::Failed | ReplicaPhase::Unhealthy)
    };
    if let Ok(service) = object.decode::<lepton_model::ServiceSpec>() {
        for report in service.status.replicas.iter().filter(|report| troubled(report)) {
            let exit = report.last_exit.as_ref().map_or_else(String::new, |exit| format!(", last {exit}"));
            problems.push(format!("{} on {}: {}{exit}", report.replica, report.node, report.phase.as_str()));
        }
    }
    problems
}
