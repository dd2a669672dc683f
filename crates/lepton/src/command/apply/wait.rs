//! Waiting until what was applied runs.

use std::collections::BTreeMap;
use std::time::Duration;

use lepton_api::v1::{ApplyResult, PlanRequest};
use lepton_api::{ListQuery, WatchQuery};
use lepton_model::{
    AnyObject, AssignmentSpec, JobPhase, JobSpec, Key, Kind, ReplicaName, ServicePhase, ServiceSpec,
};
use tokio::time::Instant;

use crate::command::Desk;
use crate::failure::{Exit, Failure};
use crate::screen::length;
use crate::subject;

/// Without a sign of change, the objects are read again after this time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How far an object is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Done(String),
    Going(String),
    Failed(String),
}

/// Waits for every service to run as applied and every job to have succeeded.
pub(crate) async fn until_running(
    desk: &Desk<'_>,
    results: &[ApplyResult],
    most: Duration,
) -> Result<(), Failure> {
    let start = Instant::now();
    let mut waiting: Vec<Key> = results
        .iter()
        .map(|result| result.object.key())
        .filter(|key| matches!(key.kind, Kind::Service | Kind::Job))
        .collect();
    let mut said: BTreeMap<Key, String> = BTreeMap::new();
    // The objects decide; the watch only says when to look.
    let mut watch = desk.client.watch(&WatchQuery::default()).await.ok();
    loop {
        let mut left = Vec::new();
        for key in waiting {
            let object = desk.client.object(&key).await?;
            let name = key.to_string();
            let mut at = progress(&object);
            if matches!(at, Progress::Done(_)) && !is_carried_out(desk, &object).await? {
                at = Progress::Going("changes roll out".to_owned());
            }
            match at {
                Progress::Done(state) => {
                    desk.screen.note(&format!("{name}: {state} after {}", length(start.elapsed())));
                }
                Progress::Failed(why) => return Err(hinted(Failure::failed(format!("{name}: {why}")), &key)),
                Progress::Going(state) => {
                    if said.get(&key) != Some(&state) {
                        desk.screen.note(&format!("{name}: {state}"));
                        said.insert(key.clone(), state);
                    }
                    left.push(key);
                }
            }
        }
        let Some(first) = left.first() else { return Ok(()) };
        if start.elapsed() >= most {
            let states: Vec<_> = left
                .iter()
                .map(|key| format!("{key}: {}", said.get(key).map_or("", String::as_str)))
                .collect();
            let message = format!("not running after {}: {}", length(most), states.join("; "));
            return Err(hinted(Failure::new(Exit::TimedOut, message), first));
        }
        waiting = left;
        let pause = LOOK_AGAIN.min(most.saturating_sub(start.elapsed()));
        let change = async {
            match &mut watch {
                Some(watch) => watch.next().await.is_ok_and(|message| message.is_some()),
                None => std::future::pending().await,
            }
        };
        if let Ok(false) = tokio::time::timeout(pause, change).await {
            watch = None;
        }
    }
}

fn hinted(failure: Failure, key: &Key) -> Failure {
    let project = Key::default_project();
    let flag = if key.project == project { String::new() } else { format!(" -p {}", key.project) };
    failure.hint(format!("lepton explain {}{flag}", subject::shown(key, &key.project)))
}

fn progress(object: &AnyObject) -> Progress {
    match object.kind {
        Kind::Service => match object.decode::<ServiceSpec>() {
            Ok(service) => of_service(&service),
            Err(error) => Progress::Failed(format!("the server's answer does not read: {error}")),
        },
        Kind::Job => match object.decode::<JobSpec>() {
            Ok(job) => of_job(&job),
            Err(error) => Progress::Failed(format!("the server's answer does not read: {error}")),
        },
        _ => Progress::Done("applied".to_owned()),
    }
}

/// Whether nothing is left to do about a service that runs: the planner would change nothing, and the agents have
/// reported what they were last told. Generations alone do not say: a replica that a change does not touch keeps its own.
async fn is_carried_out(desk: &Desk<'_>, object: &AnyObject) -> Result<bool, Failure> {
    let Ok(service) = object.decode::<ServiceSpec>() else { return Ok(true) };
    let is_its = |replica: &ReplicaName| {
        (replica.kind, &replica.project, &replica.name)
            == (Kind::Service, &service.meta.project, &service.meta.name)
    };
    let plan = desk.client.plan(&PlanRequest::default()).await?;
    if plan.actions.iter().any(|action| is_its(&action.replica)) {
        return Ok(false);
    }
    // A token of one project sees no assignments; the plan then has to do.
    let assignments = desk.client.list_all(Kind::Assignment, &ListQuery::default()).await?;
    let assignments = assignments.items.iter().filter_map(|object| object.decode::<AssignmentSpec>().ok());
    let mut assigned =
        assignments.flat_map(|assignment| assignment.spec.replicas).filter(|one| is_its(&one.replica));
    Ok(assigned.all(|one| {
        service.status.replicas.iter().any(|report| {
            report.replica == one.replica
                && report.incarnation == one.incarnation
                && report.generation >= one.generation
        })
    }))
}

fn of_service(service: &lepton_model::Object<ServiceSpec>) -> Progress {
    let status = &service.status;
    let wanted = service.spec.replicas;
    let seen = status.observed_generation == service.meta.generation;
    let settled = seen && status.replicas.len() == wanted as usize;
    if settled && matches!(status.phase, ServicePhase::Running | ServicePhase::Stopped) {
        return Progress::Done(format!("{}, {} of {wanted} ready", status.phase.as_str(), status.ready));
    }
    let mut state = if seen {
        format!("{}, {} of {wanted} ready", status.phase.as_str(), status.ready)
    } else {
        "waits for a plan".to_owned()
    };
    if !status.message.is_empty() {
        state = format!("{state} ({})", status.message);
    }
    Progress::Going(state)
}

fn of_job(job: &lepton_model::Object<JobSpec>) -> Progress {
    let status = &job.status;
    let state = format!("{} of {} copies done", status.succeeded, job.spec.completions);
    match status.phase {
        _ if status.observed_generation != job.meta.generation => {
            Progress::Going("waits for a plan".to_owned())
        }
        JobPhase::Succeeded => Progress::Done(state),
        JobPhase::Failed => Progress::Failed(format!("failed: {}", status.message)),
        JobPhase::Pending | JobPhase::Running if status.message.is_empty() => Progress::Going(state),
        JobPhase::Pending | JobPhase::Running => Progress::Going(format!("{state} ({})", status.message)),
    }
}
