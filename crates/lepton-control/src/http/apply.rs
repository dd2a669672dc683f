//! `POST /v1/apply` and `POST /v1/plan`: what people want, all or nothing.

use std::collections::BTreeSet;

use axum::extract::{Request, State};
use lepton_api::v1::{ApplyInput, ApplyOutcome, ApplyReport, ApplyResult, PlanRequest};
use lepton_model::{
    Act, AnyObject, FieldErrors, JobSpec, Key, Kind, Manifest, NodeSpec, PlanSpec, PolicySpec, RunbookSpec,
    ServiceSpec, Spec, Subject, WebhookSpec,
};
use lepton_plan::WhatIf;
use lepton_store::{Change, Expect, StoreError, Transaction};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::input::{Query, decoded, media_type, prefixed, read_body, read_json};
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::Caller;
use crate::reconcile::{preview, take_snapshot};
use crate::{clock, record};

/// Most manifests of one request.
const MOST: usize = 1_000;
/// Most suppositions of one request.
const MOST_SUPPOSITIONS: usize = 32;
/// Attempts when others write the same objects.
const ATTEMPTS: usize = 5;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApplyQuery {
    /// Say what would be done, and do nothing.
    #[param(required = false)]
    dry_run: bool,
}

/// Makes or changes objects, all or nothing.
#[utoipa::path(
    post, path = "/v1/apply", operation_id = "apply", tag = "objects", params(ApplyQuery),
    request_body(content(
        (ApplyInput = "application/json"),
        (String = "application/yaml"),
    ), description = "Manifests as JSON, or one YAML document per manifest"),
    responses((status = 200, description = "Every object as it now is, in the order given", body = ApplyReport)),
)]
pub(crate) async fn apply(
    caller: Caller,
    State(app): State<App>,
    Query(query): Query<ApplyQuery>,
    request: Request,
) -> Answer<ApplyReport> {
    caller.may_write()?;
    let manifests = read_manifests(&app, request).await?;
    let wanted = checked(&caller, &manifests)?;
    for attempt in 1.. {
        match write(&app, &caller, &wanted, query.dry_run).await {
            // Somebody wrote between our reading and our writing. Unless the caller named a revision, read again.
            Err(Failure::Raced(_)) if attempt < ATTEMPTS => {}
            Err(Failure::Raced(error)) => return Err(error.into()),
            Err(Failure::Other(fail)) => return Err(fail),
            Ok(report) => {
                if !query.dry_run {
                    app.view.reached(report.revision).await;
                }
                return Ok(axum::Json(report));
            }
        }
    }
    Err(Fail::internal("no attempt was made"))
}

/// Says what a change would lead to: which replica goes where and why, and what would not fit. Nothing is stored.
#[utoipa::path(
    post, path = "/v1/plan", operation_id = "plan", tag = "objects",
    request_body(content(
        (PlanRequest = "application/json"),
        (String = "application/yaml"),
    ), description = "Manifests and questions as JSON, or one YAML document per manifest"),
    responses((status = 200, description = "The plan that would be made", body = PlanSpec)),
)]
pub(crate) async fn plan(caller: Caller, State(app): State<App>, request: Request) -> Answer<PlanSpec> {
    caller.may_write()?;
    let asked: PlanRequest =
        read_request(&app, request, |manifests| PlanRequest { manifests, ..PlanRequest::default() }).await?;
    bounded(&asked.manifests)?;
    let wanted = checked(&caller, &asked.manifests)?;
    let objects = wanted.iter().map(|want| want.object(&app)).collect();
    let mut plan = preview(&app, objects, asked.strategy, &suppositions(&asked.what_if)?).await?;
    // The estate is planned as one; a token of one project is told of its own part.
    plan.actions.retain(|action| caller.sees(&action.replica.project));
    plan.unplaced.retain(|unplaced| caller.sees(&unplaced.replica.project));
    if let Some(report) = &mut plan.report {
        report.moves.retain(|planned| caller.sees(&planned.replica.project));
    }
    Ok(axum::Json(plan))
}

fn suppositions(texts: &[String]) -> Result<Vec<WhatIf>, Fail> {
    let mut errors = FieldErrors::new();
    errors.require(texts.len() <= MOST_SUPPOSITIONS, "what_if", format!("at most {MOST_SUPPOSITIONS}"));
    let mut suppositions = Vec::new();
    for (at, text) in texts.iter().take(MOST_SUPPOSITIONS).enumerate() {
        match text.parse() {
            Ok(supposition) => suppositions.push(supposition),
            Err(error) => errors.push(format!("what_if[{at}]"), error),
        }
    }
    errors.into_result()?;
    Ok(suppositions)
}

/// The estate as a file for `lepton plan --estate`: what placement looks at, with prices. Tokens are not part of it.
#[utoipa::path(
    get, path = "/v1/estate", operation_id = "estate", tag = "objects",
    responses((status = 200, description = "Objects, reports and prices", body = Object)),
)]
pub(crate) async fn estate(caller: Caller, State(app): State<App>) -> Answer<lepton_plan::Estate> {
    caller.may_administer()?;
    let snapshot = take_snapshot(&app, &app.view.world());
    Ok(axum::Json((&snapshot).try_into().map_err(Fail::internal)?))
}

async fn read_manifests(app: &App, request: Request) -> Result<Vec<Manifest>, Fail> {
    let input: ApplyInput = read_request(app, request, |manifests| ApplyInput { manifests }).await?;
    bounded(&input.manifests)?;
    Ok(input.manifests)
}

fn bounded(manifests: &[Manifest]) -> Result<(), Fail> {
    if manifests.len() <= MOST {
        return Ok(());
    }
    Err(Fail::field("manifests", format!("{} manifests; at most {MOST} at once", manifests.len())))
}

/// Reads JSON as it is, or YAML documents as manifests.
async fn read_request<T: DeserializeOwned>(
    app: &App,
    request: Request,
    of: fn(Vec<Manifest>) -> T,
) -> Result<T, Fail> {
    let limit = app.config.limits.apply_body.get();
    let headers = request.headers().clone();
    let wanted = "application/json or application/yaml";
    let kind = media_type(&headers).ok_or_else(|| Fail::media_type(wanted))?;
    let json = match kind.as_str() {
        "application/json" => true,
        "application/yaml" | "application/x-yaml" | "text/yaml" => false,
        _ => return Err(Fail::media_type(wanted)),
    };
    let body = decoded(&headers, read_body(request, limit).await?, limit)?;
    if json { read_json(&body) } else { read_yaml(&body).map(of) }
}

fn read_yaml(body: &[u8]) -> Result<Vec<Manifest>, Fail> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Fail::malformed(format!("the body is not UTF-8: {error}")))?;
    // Read in two steps, so that a mistake is named by its field rather than only by its line.
    let documents = lepton_api::manifest::values(text)
        .map_err(|(line, problem)| Fail::malformed(format!("line {line}: {problem}")))?;
    let mut errors = FieldErrors::new();
    let mut manifests = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        match serde_path_to_error::deserialize(document) {
            Ok(manifest) => manifests.push(manifest),
            Err(error) => {
                let path = error.path().to_string();
                let field =
                    if path == "." { format!("manifests[{at}]") } else { format!("manifests[{at}].{path}") };
                errors.push(field, error.into_inner());
            }
        }
    }
    errors.into_result()?;
    if manifests.is_empty() {
        return Err(Fail::field("manifests", "the text holds no manifest"));
    }
    Ok(manifests)
}

/// A manifest that passed every check, its spec with every default filled in.
struct Wanted<'a> {
    manifest: &'a Manifest,
    key: Key,
    spec: Value,
}

impl Wanted<'_> {
    /// The object it would become, for a preview.
    fn object(&self, app: &App) -> AnyObject {
        let now = clock::now();
        AnyObject {
            kind: self.key.kind,
            meta: lepton_model::Meta {
                project: self.key.project.clone(),
                name: self.key.name.clone(),
                uid: clock::uid(),
                labels: self.manifest.labels.clone(),
                generation: 1,
                revision: app.view.world().revision,
                created_at: now,
                updated_at: now,
            },
            spec: self.spec.clone(),
            status: Value::Null,
        }
    }
}

fn checked<'a>(caller: &Caller, manifests: &'a [Manifest]) -> Result<Vec<Wanted<'a>>, Fail> {
    let mut errors = FieldErrors::new();
    let mut wanted = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, manifest) in manifests.iter().enumerate() {
        let prefix = format!("manifests[{at}]");
        if let Err(found) = manifest.validate() {
            prefixed(&prefix, found, &mut errors);
            continue;
        }
        let key = manifest.key();
        caller.may_write_object(key.kind, &key.project)?;
        errors.require(seen.insert(key.clone()), prefix.clone(), format!("{key} is in here twice"));
        match with_defaults(key.kind, &manifest.spec) {
            Ok(spec) => wanted.push(Wanted { manifest, key, spec }),
            Err(found) => prefixed(&prefix, found, &mut errors),
        }
    }
    errors.into_result()?;
    Ok(wanted)
}

/// The spec with every default written out: what is stored says all that will be done.
fn with_defaults(kind: Kind, spec: &Value) -> Result<Value, FieldErrors> {
    fn full<S: Spec>(spec: &Value) -> Result<Value, FieldErrors> {
        serde_json::to_value(S::parse(spec)?).map_err(|error| {
            let mut errors = FieldErrors::new();
            errors.push("spec", error);
            errors
        })
    }
    match kind {
        Kind::Node => full::<NodeSpec>(spec),
        Kind::Service => full::<ServiceSpec>(spec),
        Kind::Job => full::<JobSpec>(spec),
        Kind::Runbook => full::<RunbookSpec>(spec),
        Kind::Webhook => full::<WebhookSpec>(spec),
        Kind::Policy => full::<PolicySpec>(spec),
        Kind::Assignment | Kind::Plan | Kind::Incident | Kind::Token => Ok(spec.clone()),
    }
}

enum Failure {
    Raced(StoreError),
    Other(Fail),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

async fn write(
    app: &App,
    caller: &Caller,
    wanted: &[Wanted<'_>],
    dry_run: bool,
) -> Result<ApplyReport, Failure> {
    let now = clock::now();
    let mut results: Vec<Option<ApplyResult>> = Vec::new();
    let mut transaction = Transaction::default();
    let mut pinned = false;
    for want in wanted {
        let before = app.store.get(&want.key).await?;
        if let Some(expected) = want.manifest.revision {
            pinned = true;
            let actual = before.as_ref().map_or(0, |object| object.meta.revision);
            if actual != expected {
                return Err(StoreError::Conflict { key: want.key.clone(), expected, actual }.into());
            }
        }
        let same =
            |object: &AnyObject| object.spec == want.spec && object.meta.labels == want.manifest.labels;
        if let Some(object) = before.as_ref().filter(|object| same(object)) {
            results.push(Some(ApplyResult { outcome: ApplyOutcome::Unchanged, object: object.clone() }));
            continue;
        }
        results.push(None);
        transaction.changes.push(Change::PutSpec {
            key: want.key.clone(),
            uid: clock::uid(),
            labels: want.manifest.labels.clone(),
            spec: want.spec.clone(),
            expect: before.as_ref().map_or(Expect::Absent, |object| Expect::Revision(object.meta.revision)),
        });
        let reason = if before.is_some() { "changed" } else { "made" };
        let mut entry =
            record::entry(now, caller.actor(), Act::Apply, Subject::from(want.key.clone()), reason);
        entry.before = before.map(|object| record::masked(&object.spec));
        entry.after = Some(record::masked(&want.spec));
        transaction.timeline.push(entry);
    }
    let made: Vec<bool> = transaction.timeline.iter().map(|entry| entry.before.is_none()).collect();
    let report = if transaction.changes.is_empty() {
        None
    } else if dry_run {
        Some(app.store.rehearse(now, transaction).await?)
    } else {
        let committed = app.store.commit(now, transaction).await;
        Some(committed.map_err(|error| match error {
            StoreError::Conflict { .. } | StoreError::AlreadyExists(_) | StoreError::NotFound(_)
                if !pinned =>
            {
                Failure::Raced(error)
            }
            error => error.into(),
        })?)
    };
    let (revision, objects) = match report {
        Some(report) => (report.revision, report.objects),
        None => (app.store.revision().await?, Vec::new()),
    };
    let mut written = objects.into_iter().zip(made).map(|(object, made)| {
        let outcome = if made { ApplyOutcome::Created } else { ApplyOutcome::Changed };
        object.map(|object| ApplyResult { outcome, object })
    });
    let results =
        results.into_iter().filter_map(|result| result.or_else(|| written.next().flatten())).collect();
    Ok(ApplyReport { results, dry_run, revision })
}
