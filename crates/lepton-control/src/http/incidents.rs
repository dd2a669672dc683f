//! `/v1/incidents`: what people do with what Lepton could not mend alone.

use axum::extract::State;
use lepton_api::v1::IncidentInput;
use lepton_model::{Act, AnyObject, IncidentPhase, IncidentSpec, Key, Kind, Name, Subject};
use lepton_store::{Change, Expect, Transaction};

use super::input::{Json, Path};
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::Caller;
use crate::{clock, record};

/// Longest note.
const NOTE: usize = 4_096;

/// Takes an incident in hand.
#[utoipa::path(
    post, path = "/v1/incidents/{project}/{name}/acknowledge", operation_id = "acknowledge_incident", tag = "incidents",
    params(("project" = Name, Path), ("name" = Name, Path)), request_body = IncidentInput,
    responses((status = 200, description = "The incident", body = AnyObject)),
)]
pub(crate) async fn acknowledge(
    caller: Caller,
    State(app): State<App>,
    Path(place): Path<(Name, Name)>,
    Json(input): Json<IncidentInput>,
) -> Answer<AnyObject> {
    set_phase(&app, &caller, place, IncidentPhase::Acknowledged, input).await
}

/// Says that an incident is over.
#[utoipa::path(
    post, path = "/v1/incidents/{project}/{name}/resolve", operation_id = "resolve_incident", tag = "incidents",
    params(("project" = Name, Path), ("name" = Name, Path)), request_body = IncidentInput,
    responses((status = 200, description = "The incident", body = AnyObject)),
)]
pub(crate) async fn resolve(
    caller: Caller,
    State(app): State<App>,
    Path(place): Path<(Name, Name)>,
    Json(input): Json<IncidentInput>,
) -> Answer<AnyObject> {
    set_phase(&app, &caller, place, IncidentPhase::Resolved, input).await
}

async fn set_phase(
    app: &App,
    caller: &Caller,
    (project, name): (Name, Name),
    phase: IncidentPhase,
    input: IncidentInput,
) -> Answer<AnyObject> {
    caller.may_write()?;
    if input.note.len() > NOTE {
        return Err(Fail::field("note", format!("may have at most {NOTE} bytes")));
    }
    // Incidents of the estate's own things (a lost node) lie in project `estate` and are everyone's with a token of the estate.
    let key = Key { kind: Kind::Incident, project, name };
    let found = app.store.get(&key).await?.filter(|_| caller.sees(&key.project));
    let object = found.ok_or_else(|| Fail::not_found(&key))?;
    let incident = object.decode::<IncidentSpec>().map_err(Fail::internal)?;
    if incident.status.phase == IncidentPhase::Resolved || incident.status.phase == phase {
        let word = incident.status.phase.as_str();
        return Err(Fail::conflict(format!("the incident is {word} already, by {}", incident.status.by)));
    }
    let now = clock::now();
    let act = match phase {
        IncidentPhase::Resolved => Act::IncidentResolve,
        _ => Act::IncidentAcknowledge,
    };
    let reason = if input.note.is_empty() { phase.as_str().to_owned() } else { input.note.clone() };
    let about_subject =
        record::entry(now, caller.actor(), act, incident.spec.subject.clone(), reason.clone());
    let about_incident = record::entry(now, caller.actor(), act, Subject::from(key.clone()), reason);
    let mut status = incident.status;
    (status.phase, status.by, status.at, status.note) = (phase, caller.actor().0, now, input.note);
    let status = serde_json::to_value(status).map_err(Fail::internal)?;
    let transaction = Transaction {
        changes: vec![Change::PutStatus { key, status, expect: Expect::Revision(object.meta.revision) }],
        timeline: vec![about_incident, about_subject],
        fence: None,
    };
    let report = app.store.commit(now, transaction).await?;
    let object = report.objects.into_iter().next().flatten();
    object.map(axum::Json).ok_or_else(|| Fail::internal("the store returned no object"))
}
