//! `/v1/objects`: read and delete what is wanted and what is.

use axum::extract::State;
use lepton_api::v1::{DeleteReport, ObjectList};
use lepton_model::{Act, AnyObject, Key, Kind, Name, Scope, Subject};
use lepton_store::{Change, Expect, ListInput, Transaction};
use serde::Deserialize;

use super::input::{Path, Query};
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::{Caller, shown_to};
use crate::{clock, record};

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only this project.
    project: Option<Name>,
    /// Only objects whose labels match: `cloud in (aliyun,aws),!spot`.
    #[param(value_type = Option<String>)]
    labels: Option<lepton_model::Selector>,
    /// At most so many; 500 when absent, never more than 5,000.
    #[param(minimum = 0, maximum = 4294967295_u64, value_type = Option<u64>)]
    limit: Option<u32>,
    /// `continue` of the page before.
    r#continue: Option<String>,
}

/// Lists objects of one kind, by project and name. Objects of other projects do not exist for a token of one project.
#[utoipa::path(
    get, path = "/v1/objects/{kind}", operation_id = "list_objects", tag = "objects",
    params(("kind" = Kind, Path, description = "Kind; the plural is understood too"), ListQuery),
    responses((status = 200, description = "A page", body = ObjectList)),
)]
pub(crate) async fn list(
    caller: Caller,
    State(app): State<App>,
    Path(kind): Path<String>,
    Query(query): Query<ListQuery>,
) -> Answer<ObjectList> {
    caller.may_read()?;
    let kind = kind_of(&kind)?;
    let mut input = ListInput {
        project: query.project.or_else(|| caller.project.clone()),
        selector: query.labels.unwrap_or_default(),
        limit: query.limit.map_or(0, |limit| limit.min(5_000) as usize),
        after: query.r#continue,
    };
    if kind.scope() == Scope::Estate {
        // Kinds of the estate have one project; asking for another is a question about nothing.
        input.project = input.project.filter(|project| *project != Key::estate());
    }
    let nothing =
        input.project.as_ref().is_some_and(|project| kind.scope() == Scope::Estate || !caller.sees(project));
    if nothing {
        return Ok(axum::Json(ObjectList {
            items: Vec::new(),
            next: None,
            revision: app.store.revision().await?,
        }));
    }
    let page = app.store.list(kind, input).await?;
    let items = page.items.into_iter().filter_map(|object| shown_to(&caller, object)).collect();
    Ok(axum::Json(ObjectList { items, next: page.next, revision: page.revision }))
}

/// Reads one object. Kinds of the estate (node, assignment, plan, token) lie in project `estate`.
#[utoipa::path(
    get, path = "/v1/objects/{kind}/{project}/{name}", operation_id = "get_object", tag = "objects",
    params(("kind" = Kind, Path), ("project" = Name, Path), ("name" = Name, Path)),
    responses((status = 200, description = "The object", body = AnyObject)),
)]
pub(crate) async fn get(
    caller: Caller,
    State(app): State<App>,
    Path((kind, project, name)): Path<(String, Name, Name)>,
) -> Answer<AnyObject> {
    caller.may_read()?;
    let key = Key { kind: kind_of(&kind)?, project, name };
    let found = app.store.get(&key).await?.and_then(|object| shown_to(&caller, object));
    found.map(axum::Json).ok_or_else(|| Fail::not_found(key))
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// Delete only at this revision.
    revision: Option<u64>,
}

/// Deletes one object. What a deleted service ran is stopped by the next plan; a deleted node's agent loses its credential.
#[utoipa::path(
    delete, path = "/v1/objects/{kind}/{project}/{name}", operation_id = "delete_object", tag = "objects",
    params(("kind" = Kind, Path), ("project" = Name, Path), ("name" = Name, Path), DeleteQuery),
    responses((status = 200, description = "It is gone", body = DeleteReport)),
)]
pub(crate) async fn delete(
    caller: Caller,
    State(app): State<App>,
    Path((kind, project, name)): Path<(String, Name, Name)>,
    Query(query): Query<DeleteQuery>,
) -> Answer<DeleteReport> {
    caller.may_write()?;
    let key = Key { kind: kind_of(&kind)?, project, name };
    if !key.kind.is_applied() {
        return Err(Fail::forbidden(format!("{} objects are written by Lepton itself", key.kind)));
    }
    if key.kind.scope() == Scope::Estate {
        caller.may_administer()?;
    }
    let found = app.store.get(&key).await?.filter(|_| caller.sees(&key.project));
    let before = found.ok_or_else(|| Fail::not_found(&key))?;
    let now = clock::now();
    let mut entry = record::entry(now, caller.actor(), Act::Delete, Subject::from(key.clone()), "deleted");
    entry.before = Some(record::masked(&before.spec));
    let expect = query.revision.map_or(Expect::Present, Expect::Revision);
    let mut transaction = Transaction {
        changes: vec![Change::Delete { key: key.clone(), expect }],
        timeline: vec![entry],
        fence: None,
    };
    if key.kind == Kind::Node {
        forget_node(&app, &key.name, &mut transaction);
    }
    let report = app.store.commit(now, transaction).await?;
    app.view.reached(report.revision).await;
    Ok(axum::Json(DeleteReport { key, revision: report.revision }))
}

/// A node goes with its assignment and its agent's credential.
fn forget_node(app: &App, node: &Name, transaction: &mut Transaction) {
    let world = app.view.world();
    let assignment = Key::of_estate(Kind::Assignment, node.clone());
    transaction.changes.push(Change::Delete { key: assignment, expect: Expect::Any });
    for token in world.tokens.values().filter(|token| token.spec.node.as_ref() == Some(node)) {
        transaction.changes.push(Change::Delete { key: token.key(), expect: Expect::Any });
    }
}

/// Reads a kind in a path; what is none does not exist.
pub(crate) fn kind_of(text: &str) -> Result<Kind, Fail> {
    text.parse().map_err(|problem| Fail::new(http::StatusCode::NOT_FOUND, "not-found", problem))
}
