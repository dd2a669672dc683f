//! `/v1/tokens`: credentials of people, programs and machines that are about to join.

use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use lepton_api::v1::{TokenInput, TokenReport, TokenSecret};
use lepton_model::{
    Act, FieldErrors, Key, Kind, Labels, Name, Object, Period, Role, Subject, TokenId, TokenSpec, Uid,
};
use lepton_store::{Change, Expect, Transaction};

use super::input::{Json, Path};
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::{Caller, Secret};
use crate::{clock, record};

const DAY: u64 = 86_400;

/// Makes a token. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "create_token", tag = "tokens", request_body = TokenInput,
    responses((status = 201, description = "The token and its secret", body = TokenSecret)),
)]
pub(crate) async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(input): Json<TokenInput>,
) -> Result<(StatusCode, axum::Json<TokenSecret>), Fail> {
    caller.may_administer()?;
    checked(&input)?;
    let (secret, mut token) = new_token(&input)?;
    let now = clock::now();
    let lasts = input.expires_in.map_or_else(|| default_life(input.role), Period::duration);
    token.expires_at = Some(now.after(lasts));
    let id = clock::token_id();
    let key = token_key(id)?;
    let mut entry = record::entry(
        now,
        caller.actor(),
        Act::TokenCreate,
        Subject::from(key.clone()),
        format!("token {} with role {}", token.name, token.role.as_str()),
    );
    entry.after = Some(serde_json::json!({
        "name": token.name, "role": token.role, "project": token.project, "expires_at": token.expires_at,
    }));
    let uid = clock::uid();
    let transaction =
        Transaction { changes: vec![put_token(key, uid, &token)?], timeline: vec![entry], fence: None };
    let report = app.store.commit(now, transaction).await?;
    // The next request may carry it.
    app.view.reached(report.revision).await;
    let object = report.objects.into_iter().next().flatten();
    let object = object.ok_or_else(|| Fail::internal("the store returned no object"))?;
    let object = object.decode::<TokenSpec>().map_err(Fail::internal)?;
    let token = shown(&object).ok_or_else(|| Fail::internal("the new token is unreadable"))?;
    Ok((StatusCode::CREATED, axum::Json(TokenSecret { token, secret: secret.reveal() })))
}

fn checked(input: &TokenInput) -> Result<(), Fail> {
    let mut errors = FieldErrors::new();
    if input.role == Role::Agent {
        errors.push("role", "agents get their credential by joining; make a join token");
    }
    if input.role == Role::Join && input.project.is_some() {
        errors.push("project", "a machine joins the whole estate; leave project out");
    }
    let lasts = input.expires_in.map_or(Duration::from_secs(DAY), Period::duration).as_secs();
    errors.require((60..=3_650 * DAY).contains(&lasts), "expires_in", "must be between 1m and 3650d");
    errors.require(input.description.len() <= 1_024, "description", "may have at most 1024 bytes");
    Ok(errors.into_result()?)
}

fn default_life(role: Role) -> Duration {
    Duration::from_secs(if role == Role::Join { 3_600 } else { 90 * DAY })
}

fn new_token(input: &TokenInput) -> Result<(Secret, TokenSpec), Fail> {
    let secret = Secret::new().map_err(Fail::internal)?;
    let token = TokenSpec {
        name: input.name.clone(),
        hash: secret.stored(),
        role: input.role,
        project: input.project.clone(),
        node: None,
        expires_at: None,
        description: input.description.clone(),
    };
    Ok((secret, token))
}

/// The address of a token.
pub(crate) fn token_key(id: TokenId) -> Result<Key, Fail> {
    Ok(Key::of_estate(Kind::Token, Name::new(id.to_string()).map_err(Fail::internal)?))
}

/// The change that makes a token.
pub(crate) fn put_token(key: Key, uid: Uid, token: &TokenSpec) -> Result<Change, Fail> {
    let spec = serde_json::to_value(token).map_err(Fail::internal)?;
    Ok(Change::PutSpec { key, uid, labels: Labels::new(), spec, expect: Expect::Absent })
}

/// Lists tokens, newest first, without their secrets: those are nowhere.
#[utoipa::path(
    get, path = "/v1/tokens", operation_id = "list_tokens", tag = "tokens",
    responses((status = 200, description = "Tokens", body = Vec<TokenReport>)),
)]
pub(crate) async fn list(caller: Caller, State(app): State<App>) -> Answer<Vec<TokenReport>> {
    caller.may_administer()?;
    let world = app.view.world();
    let mut tokens: Vec<_> = world.tokens.values().filter_map(|token| shown(token)).collect();
    tokens.sort_by_key(|token| std::cmp::Reverse((token.created_at, token.id)));
    Ok(axum::Json(tokens))
}

/// Revokes a token. It is refused from the answer on.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", operation_id = "revoke_token", tag = "tokens",
    params(("id" = TokenId, Path)),
    responses((status = 204, description = "It is no longer accepted")),
)]
pub(crate) async fn revoke(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<TokenId>,
) -> Result<StatusCode, Fail> {
    caller.may_administer()?;
    let key = token_key(id)?;
    let object = app.store.get(&key).await?.ok_or_else(|| Fail::not_found(&key))?;
    let mut token = object.decode::<TokenSpec>().map_err(Fail::internal)?;
    if token.status.revoked_at.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let now = clock::now();
    token.status.revoked_at = Some(now);
    let entry = record::entry(
        now,
        caller.actor(),
        Act::TokenRevoke,
        Subject::from(key.clone()),
        format!("token {} revoked", token.spec.name),
    );
    let status = serde_json::to_value(&token.status).map_err(Fail::internal)?;
    let expect = Expect::Revision(object.meta.revision);
    let transaction = Transaction {
        changes: vec![Change::PutStatus { key, status, expect }],
        timeline: vec![entry],
        fence: None,
    };
    let report = app.store.commit(now, transaction).await?;
    app.view.reached(report.revision).await;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(token: &Object<TokenSpec>) -> Option<TokenReport> {
    let Object { meta, spec, status } = token;
    Some(TokenReport {
        id: meta.name.as_str().parse().ok()?,
        name: spec.name.clone(),
        role: spec.role,
        project: spec.project.clone(),
        node: spec.node.clone(),
        created_at: meta.created_at,
        expires_at: spec.expires_at,
        ended_at: status.revoked_at.or(status.used_at),
        description: spec.description.clone(),
    })
}
