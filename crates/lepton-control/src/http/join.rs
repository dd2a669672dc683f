//! `POST /v1/agents/join`: a machine becomes a node.

use axum::extract::State;
use http::StatusCode;
use lepton_api::v1::{JoinInput, JoinReport};
use lepton_model::{
    Act, Actor, Key, Kind, Labels, Name, NodePhase, NodeSpec, NodeStatus, Object, Role, Subject, TokenSpec,
};
use lepton_store::{Change, Expect, StoreError, Transaction};

use super::Fail;
use super::input::Json;
use super::tokens::{put_token, token_key};
use crate::app::App;
use crate::auth::{Caller, Secret};
use crate::view::{World, estate_place};
use crate::{clock, record};

/// Makes this machine a node and gives its agent its own credential. The join token is used up in the same transaction.
///
/// A machine that joins again under its name takes its node over: the earlier credential is revoked. Another machine gets a
/// name that is in use only once its node is lost.
#[utoipa::path(
    post, path = "/v1/agents/join", operation_id = "join", tag = "agents", request_body = JoinInput,
    responses((status = 201, description = "The node and its agent's credential", body = JoinReport)),
)]
pub(crate) async fn join(
    caller: Caller,
    State(app): State<App>,
    Json(input): Json<JoinInput>,
) -> Result<(StatusCode, axum::Json<JoinReport>), Fail> {
    caller.may_join()?;
    checked(&input)?;
    let world = app.view.world();
    let node = chosen_name(&world, &input)?;
    let (secret, transaction) = transaction(&world, &caller, &node, &input)?;
    let report = match app.store.commit(clock::now(), transaction).await {
        Ok(report) => report,
        // The token's own revision moved: somebody joined with it a moment earlier.
        Err(StoreError::Conflict { key, .. }) if key.kind == Kind::Token => {
            return Err(Fail::unauthorised("the token was revoked or used up"));
        }
        Err(error) => return Err(error.into()),
    };
    app.agents.forget_said(&node);
    app.agents.touch(&node);
    app.view.reached(report.revision).await;
    let report = JoinReport { node, token: secret.reveal(), lease: app.config.lease };
    Ok((StatusCode::CREATED, axum::Json(report)))
}

fn checked(input: &JoinInput) -> Result<(), Fail> {
    let sound = |(key, value): (&String, &String)| (1..=253).contains(&key.len()) && value.len() <= 253;
    if input.labels.len() > 64 || !input.labels.iter().all(sound) {
        return Err(Fail::field(
            "labels",
            "at most 64 labels, keys of 1 to 253 bytes and values of at most 253",
        ));
    }
    Ok(())
}

type Node = Object<NodeSpec>;

/// The name asked for, or one made from the host's; never one that another live machine has.
fn chosen_name(world: &World, input: &JoinInput) -> Result<Name, Fail> {
    let machine = &input.facts.machine_id;
    let taken = |node: &Node| {
        node.status.phase == NodePhase::Ready
            && (machine.is_empty() || node.status.facts.machine_id != *machine)
    };
    let is_free = |name: &Name| world.nodes.get(&estate_place(name)).is_none_or(|node| !taken(node));
    if let Some(name) = &input.name {
        return if is_free(name) {
            Ok(name.clone())
        } else {
            Err(Fail::conflict(format!(
                "node {name} is another machine, and it is alive; join under another name"
            )))
        };
    }
    let host = Name::nearest(&input.facts.hostname)
        .ok_or_else(|| Fail::field("name", "is needed: the host name gives none"))?;
    let suffix: String = machine.chars().filter(char::is_ascii_alphanumeric).take(6).collect();
    let longer = Name::nearest(&format!("{}-{suffix}", host.as_str().chars().take(90).collect::<String>()));
    [Some(host.clone()), longer].into_iter().flatten().find(is_free).ok_or_else(|| {
        Fail::conflict(format!("node {host} is another machine; join with a name of your choice"))
    })
}

fn transaction(
    world: &World,
    caller: &Caller,
    node: &Name,
    input: &JoinInput,
) -> Result<(Secret, Transaction), Fail> {
    let now = clock::now();
    let to_json = |value: Result<serde_json::Value, serde_json::Error>| value.map_err(Fail::internal);
    let mut changes = Vec::new();

    let used = token_key(caller.id)?;
    let token = world
        .tokens
        .get(&estate_place(&used.name))
        .ok_or_else(|| Fail::unauthorised("the token is unknown"))?;
    let mut status = token.status.clone();
    status.used_at = Some(now);
    changes.push(Change::PutStatus {
        key: used,
        status: to_json(serde_json::to_value(status))?,
        expect: Expect::Revision(token.meta.revision),
    });

    let key = Key::of_estate(Kind::Node, node.clone());
    let before = world.nodes.get(&estate_place(node));
    let mut labels: Labels = before.map(|node| node.meta.labels.clone()).unwrap_or_default();
    labels.extend(input.labels.clone());
    let spec = before.map(|node| node.spec.clone()).unwrap_or_default();
    changes.push(Change::PutSpec {
        key: key.clone(),
        uid: clock::uid(),
        labels,
        spec: to_json(serde_json::to_value(spec))?,
        expect: before.map_or(Expect::Absent, |node| Expect::Revision(node.meta.revision)),
    });
    let status = NodeStatus {
        phase: NodePhase::Joining,
        since: now,
        last_seen: now,
        capacity: input.capacity.clone(),
        facts: input.facts.clone(),
        ..NodeStatus::default()
    };
    changes.push(Change::PutStatus {
        key: key.clone(),
        status: to_json(serde_json::to_value(status))?,
        expect: Expect::Present,
    });

    let known = world.agent_tokens.get(node).into_iter().flatten();
    let known = known.filter_map(|name| world.tokens.get(&estate_place(name)));
    for old in known.filter(|token| token.status.revoked_at.is_none()) {
        let mut status = old.status.clone();
        status.revoked_at = Some(now);
        let status = to_json(serde_json::to_value(status))?;
        changes.push(Change::PutStatus { key: old.key(), status, expect: Expect::Present });
    }
    let secret = Secret::new().map_err(Fail::internal)?;
    let credential = TokenSpec {
        name: node.clone(),
        hash: secret.stored(),
        role: Role::Agent,
        project: None,
        node: Some(node.clone()),
        expires_at: None,
        description: format!("agent of {node}"),
    };
    changes.push(put_token(token_key(clock::token_id())?, clock::uid(), &credential)?);

    let reason = format!(
        "{} joined with token {}{}",
        if input.facts.hostname.is_empty() { "a machine" } else { &input.facts.hostname },
        caller.name,
        if before.is_some() { " and took the node over" } else { "" },
    );
    let mut entry =
        record::entry(now, Actor::token(caller.name.as_str()), Act::NodeJoin, Subject::from(key), reason);
    entry.node = Some(node.clone());
    Ok((secret, Transaction { changes, timeline: vec![entry], fence: None }))
}
