//! Opens an incident for everything Lepton cannot mend alone, one per subject and cause, and closes it when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use lepton_model::{
    Act, Actor, IncidentPhase, IncidentSpec, IncidentStatus, Key, Kind, Labels, Name, NodePhase, Object,
    ReplicaPhase, ServicePhase, Severity, Subject, TimelineEntry, Timestamp,
};
use lepton_store::{Change, Expect, Fence, TimelineInput, Transaction};

use super::{Fault, Outcome};
use crate::app::App;
use crate::view::{World, estate_place};
use crate::{clock, record};

/// A trouble that a person declared over is not opened again for so long, even when it looks the same.
const QUIET: Duration = Duration::from_secs(600);
/// Escalations of so long before the start are looked at again.
const LOOK_BACK: Duration = Duration::from_secs(3_600);
/// Unplaced for less than this may be a moment's gap.
const PLACE_WITHIN: Duration = Duration::from_secs(5);

const NODE_LOST: &str = "node_lost";
const CRASH_LOOP: &str = "crash_loop";
const UNPLACED: &str = "unplaced";
const EXHAUSTED: &str = "repair_exhausted";

/// What an incident is told apart by: kind, project, name, cause.
type Id = (Kind, Name, Name, String);

fn id(spec: &IncidentSpec) -> Id {
    (spec.subject.kind, spec.subject.project.clone(), spec.subject.name.clone(), spec.cause.clone())
}

pub(super) async fn run(app: App, fence: Fence) -> Outcome {
    let now = clock::now();
    let escalations = new_escalations(&app, now).await?;
    let world = app.view.world();
    let mut wanted = troubles(&app, &world, now);
    let standing: Vec<_> = escalations.iter().filter_map(|entry| escalated(&world, entry)).collect();
    for spec in standing {
        wanted.entry(id(&spec)).or_insert(spec);
    }
    let mut transaction = Transaction { fence: Some(fence), ..Transaction::default() };
    let mut latest: BTreeMap<Id, &Object<IncidentSpec>> = BTreeMap::new();
    for incident in world.incidents.values() {
        let best = latest.entry(id(&incident.spec)).or_insert(incident);
        if incident.meta.created_at > best.meta.created_at {
            *best = incident;
        }
    }
    for (id, spec) in &wanted {
        if latest.get(id).is_none_or(|last| may_open(last, spec, now)) {
            open(spec, &mut transaction)?;
        }
    }
    for (id, incident) in &latest {
        if incident.status.phase != IncidentPhase::Resolved
            && !wanted.contains_key(id)
            && let Some(why) = is_over(&world, &incident.spec)
        {
            close(incident, why, now, &mut transaction)?;
        }
    }
    let seen = escalations.iter().map(|recorded| recorded.sequence).max();
    let changes = transaction.changes.len();
    if changes > 0 {
        let report = app.store.commit(now, transaction).await?;
        app.view.reached(report.revision).await;
    }
    if let Some(seen) = seen {
        *app.reconcilers.memory.escalations_seen.lock() = Some(seen);
    }
    Ok((changes > 0).then(|| format!("{changes} incidents opened or closed")))
}

fn may_open(last: &Object<IncidentSpec>, spec: &IncidentSpec, now: Timestamp) -> bool {
    let IncidentStatus { phase, by, at, .. } = &last.status;
    *phase == IncidentPhase::Resolved
        // The same escalation is not opened twice.
        && spec.opened_at > last.spec.opened_at
        && (by == "lepton" || now.since(*at) > QUIET)
}

/// Escalations by agents that were not looked at yet.
async fn new_escalations(app: &App, now: Timestamp) -> Result<Vec<lepton_store::Recorded>, Fault> {
    let after = *app.reconcilers.memory.escalations_seen.lock();
    let input = TimelineInput {
        acts: vec![Act::Escalate],
        since: after.is_none().then(|| now.before(LOOK_BACK)),
        after,
        limit: 1_000,
        ..TimelineInput::default()
    };
    Ok(app.store.timeline(&input).await?)
}

/// What is wrong now, as far as the world itself shows it.
fn troubles(app: &App, world: &World, now: Timestamp) -> BTreeMap<Id, IncidentSpec> {
    let mut found = Vec::new();
    for node in world.nodes.values().filter(|node| node.status.phase == NodePhase::Lost) {
        found.push(IncidentSpec {
            subject: Subject::from(node.key()),
            node: Some(node.meta.name.clone()),
            cause: NODE_LOST.to_owned(),
            title: format!("node {} is lost", node.meta.name),
            details: vec![format!("last heard {}", node.status.last_seen)],
            severity: Severity::Critical,
            opened_at: node.status.since,
        });
    }
    let unplaced = app.reconcilers.memory.unplaced.lock().clone();
    for service in world.services.values() {
        let loops: Vec<_> =
            service.status.replicas.iter().filter(|r| r.phase == ReplicaPhase::CrashLooping).collect();
        if let Some(first) = loops.first() {
            let exit = first.last_exit.as_ref().map_or_else(String::new, |exit| format!("; last: {exit}"));
            found.push(IncidentSpec {
                subject: Subject::from(service.key()),
                node: Some(first.node.clone()),
                cause: CRASH_LOOP.to_owned(),
                title: format!("service {} crashes again and again", service.meta.name),
                details: loops
                    .iter()
                    .map(|r| format!("{} on {}: {} restarts{exit}", r.replica, r.node, r.restarts))
                    .collect(),
                severity: Severity::Critical,
                opened_at: now,
            });
        }
        let homeless: Vec<_> = unplaced
            .iter()
            .filter(|(r, _)| {
                r.kind == Kind::Service && r.project == service.meta.project && r.name == service.meta.name
            })
            .map(|(replica, reason)| format!("{replica}: {reason}"))
            .collect();
        let waited = now.since(service.meta.created_at) > PLACE_WITHIN;
        if waited && !homeless.is_empty() && service.status.placed < service.spec.replicas {
            found.push(IncidentSpec {
                subject: Subject::from(service.key()),
                node: None,
                cause: UNPLACED.to_owned(),
                title: format!("{} replicas of service {} fit nowhere", homeless.len(), service.meta.name),
                details: homeless,
                severity: Severity::Warning,
                opened_at: now,
            });
        }
    }
    found.into_iter().map(|spec| (id(&spec), spec)).collect()
}

/// The incident that an agent asks for, unless the trouble has passed meanwhile.
fn escalated(world: &World, recorded: &lepton_store::Recorded) -> Option<IncidentSpec> {
    let entry: &TimelineEntry = &recorded.entry;
    let subject = Subject { replica: None, ..entry.subject.clone() };
    if subject.kind == Kind::Service {
        let service = world.services.get(&(subject.project.clone(), subject.name.clone()))?;
        if service.status.phase == ServicePhase::Running {
            return None;
        }
    }
    Some(IncidentSpec {
        title: format!("repair of {} did not help", entry.subject),
        details: vec![entry.reason.clone()],
        node: entry.node.clone(),
        cause: EXHAUSTED.to_owned(),
        severity: Severity::Critical,
        opened_at: entry.at,
        subject,
    })
}

/// Why an incident is over, if it is.
fn is_over(world: &World, spec: &IncidentSpec) -> Option<&'static str> {
    let subject = &spec.subject;
    let place = (subject.project.clone(), subject.name.clone());
    match (spec.cause.as_str(), subject.kind) {
        (NODE_LOST, _) => match world.nodes.get(&estate_place(&subject.name)) {
            None => Some("the node was deleted"),
            Some(node) => (node.status.phase == NodePhase::Ready).then_some("the node reports again"),
        },
        (_, Kind::Service) => match world.services.get(&place) {
            None => Some("the service was deleted"),
            Some(service) => match service.status.phase {
                ServicePhase::Running => Some("every replica is healthy again"),
                ServicePhase::Stopped => Some("the service was stopped"),
                _ => None,
            },
        },
        (_, Kind::Job) => (!world.jobs.contains_key(&place)).then_some("the job was deleted"),
        _ => None,
    }
}

fn open(spec: &IncidentSpec, transaction: &mut Transaction) -> Result<(), Fault> {
    let unique = clock::incident_id().to_string();
    let tail: String = unique.chars().rev().take(6).collect();
    let subject: String = spec.subject.name.as_str().chars().take(60).collect();
    let name = Name::nearest(&format!("{subject}-{}-{tail}", spec.cause.replace('_', "-")))
        .ok_or_else(|| Fault::Other("an incident has no name".to_owned()))?;
    let key = Key { kind: Kind::Incident, project: spec.subject.project.clone(), name };
    let actor = Actor::reconciler("repair_escalate");
    let now = clock::now();
    let mut entry = record::entry(
        now,
        actor,
        Act::IncidentOpen,
        spec.subject.clone(),
        format!("{} ({})", spec.title, key.name),
    );
    entry.node.clone_from(&spec.node);
    transaction.timeline.push(entry);
    transaction.changes.push(Change::PutSpec {
        key,
        uid: clock::uid(),
        labels: Labels::from([("cause".to_owned(), spec.cause.clone())]),
        spec: serde_json::to_value(spec)?,
        expect: Expect::Absent,
    });
    Ok(())
}

fn close(
    incident: &Object<IncidentSpec>,
    why: &str,
    now: Timestamp,
    transaction: &mut Transaction,
) -> Result<(), Fault> {
    let mut status = incident.status.clone();
    (status.phase, status.by, status.at, status.note) =
        (IncidentPhase::Resolved, "lepton".to_owned(), now, why.to_owned());
    let actor = Actor::reconciler("repair_escalate");
    let reason = format!("{why} ({})", incident.meta.name);
    transaction.timeline.push(record::entry(
        now,
        actor,
        Act::IncidentResolve,
        incident.spec.subject.clone(),
        reason,
    ));
    transaction.changes.push(Change::PutStatus {
        key: incident.key(),
        status: serde_json::to_value(status)?,
        expect: Expect::Revision(incident.meta.revision),
    });
    Ok(())
}
