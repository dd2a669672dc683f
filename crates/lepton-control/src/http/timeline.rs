//! `GET /v1/timeline` and `GET /v1/explain`: what happened, and why things are as they are.

use axum::extract::State;
use lepton_api::v1::{ExplainReport, TimelinePage, TimelineRow};
use lepton_model::{Act, Key, Kind, Name, PlanId, Scope, Subject, Timestamp};
use lepton_store::TimelineInput;
use serde::Deserialize;

use super::input::{Path, Query};
use super::objects::kind_of;
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::{Caller, shown_to};
use crate::explain::explain;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TimelineQuery {
    /// Only about this kind.
    kind: Option<Kind>,
    /// Only about this project.
    project: Option<Name>,
    /// Only about the object of this name; needs `kind`.
    name: Option<Name>,
    /// Only on this node.
    node: Option<Name>,
    /// Only this act.
    act: Option<Act>,
    /// Only because of this plan.
    plan: Option<PlanId>,
    /// Not before.
    since: Option<Timestamp>,
    /// Before.
    until: Option<Timestamp>,
    /// At most so many; 500 when absent, never more than 5,000.
    #[param(minimum = 0, maximum = 4294967295_u64, value_type = Option<u64>)]
    limit: Option<u32>,
    /// Only entries with a higher sequence number, for following. Without it, the newest ones.
    after: Option<u64>,
    /// Only entries with a lower sequence number, for going back.
    before: Option<u64>,
}

/// Reads the timeline, oldest first. A token of one project is shown that project's entries.
#[utoipa::path(
    get, path = "/v1/timeline", operation_id = "timeline", tag = "timeline", params(TimelineQuery),
    responses((status = 200, description = "Entries", body = TimelinePage)),
)]
pub(crate) async fn timeline(
    caller: Caller,
    State(app): State<App>,
    Query(query): Query<TimelineQuery>,
) -> Answer<TimelinePage> {
    caller.may_read()?;
    for (field, sequence) in [("after", query.after), ("before", query.before)] {
        if sequence.is_some_and(|sequence| i64::try_from(sequence).is_err()) {
            return Err(Fail::field(field, format!("must be at most {}", i64::MAX)));
        }
    }
    let project = query.project.or_else(|| caller.project.clone());
    if project.as_ref().is_some_and(|project| !caller.sees(project)) {
        return Ok(axum::Json(TimelinePage { entries: Vec::new() }));
    }
    let subject = match (query.kind, query.name) {
        (_, None) => None,
        (None, Some(_)) => return Err(Fail::field("kind", "is needed with name, such as kind=service")),
        (Some(kind), Some(name)) => {
            let project = project.clone().unwrap_or_else(Key::default_project);
            Some(Subject::from(Key::new(kind, project, name)))
        }
    };
    let input = TimelineInput {
        // The subject has its project; for kinds of the estate that is not the one asked for.
        project: if subject.is_some() { caller.project.clone() } else { project },
        subject,
        kind: query.kind,
        node: query.node,
        acts: query.act.into_iter().collect(),
        plan: query.plan,
        since: query.since,
        until: query.until,
        after: query.after,
        before: query.before,
        limit: query.limit.map_or(0, |limit| limit.min(5_000) as usize),
    };
    let entries = rows(app.store.timeline(&input).await?);
    Ok(axum::Json(TimelinePage { entries }))
}

pub(crate) fn rows(recorded: Vec<lepton_store::Recorded>) -> Vec<TimelineRow> {
    recorded.into_iter().map(|row| TimelineRow { sequence: row.sequence, entry: row.entry }).collect()
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// The object's project; `default`, or the token's own, when absent. Not used for kinds of the estate.
    project: Option<Name>,
}

/// Says why something is as it is: its state in a sentence, where its replicas are and why there, what went wrong, what
/// happened last.
#[utoipa::path(
    get, path = "/v1/explain/{kind}/{name}", operation_id = "explain", tag = "timeline",
    params(("kind" = Kind, Path), ("name" = Name, Path), ExplainQuery),
    responses((status = 200, description = "The story", body = ExplainReport)),
)]
pub(crate) async fn explain_object(
    caller: Caller,
    State(app): State<App>,
    Path((kind, name)): Path<(String, Name)>,
    Query(query): Query<ExplainQuery>,
) -> Answer<ExplainReport> {
    caller.may_read()?;
    let kind = kind_of(&kind)?;
    let project = match kind.scope() {
        Scope::Estate => Key::estate(),
        Scope::Project => {
            query.project.or_else(|| caller.project.clone()).unwrap_or_else(Key::default_project)
        }
    };
    let key = Key { kind, project, name };
    let found = app.store.get(&key).await?.and_then(|object| shown_to(&caller, object));
    let object = found.ok_or_else(|| Fail::not_found(&key))?;
    Ok(axum::Json(explain(&app, object).await?))
}
