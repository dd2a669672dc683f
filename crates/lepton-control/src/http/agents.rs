//! `/v1/agents`: what agents ask and say. They dial, the server answers.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use axum::extract::{Request, State};
use http::StatusCode;
use http_body_util::BodyExt as _;
use lepton_api::v1::{AgentStatusInput, AssignmentReport, EventsInput, EventsReport};
use lepton_model::{Actor, Name, Period};
use lepton_store::Transaction;
use serde::Deserialize;

use super::input::{Json, Path, Query};
use super::{Answer, Fail};
use crate::app::App;
use crate::auth::Caller;
use crate::clock;

/// Longest wait of a poll.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Most replicas one agent reports.
const MOST_REPLICAS: usize = 10_000;
/// Most ports one agent may report as taken.
const MOST_PORTS: usize = 1_000;
/// Most entries of one request.
const MOST_ENTRIES: usize = 1_000;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PollQuery {
    /// Generation that the agent has; 0 for none.
    #[param(required = false)]
    generation: u64,
    /// Version of the list of streams that the agent has.
    #[param(required = false)]
    streams: u64,
    /// How long to wait for news; 0 when absent, at most a minute.
    #[param(required = false)]
    wait: Option<Period>,
}

/// Answers as soon as the agent's wanted state differs from what it has, or after `wait`.
#[utoipa::path(
    get, path = "/v1/agents/{node}/assignment", operation_id = "agent_assignment", tag = "agents",
    params(("node" = Name, Path), PollQuery),
    responses((status = 200, description = "The wanted state, where it differs", body = AssignmentReport)),
)]
pub(crate) async fn assignment(
    caller: Caller,
    State(app): State<App>,
    Path(node): Path<Name>,
    Query(query): Query<PollQuery>,
) -> Answer<AssignmentReport> {
    caller.is_agent(&node)?;
    app.agents.touch(&node);
    let mut want = app.agents.follow(&node);
    let news =
        want.wait_for(|want| want.generation > query.generation || want.streams_version != query.streams);
    let wait = jittered(query.wait.unwrap_or_default().duration().min(LONGEST_WAIT), &node);
    // Nothing is read and no thread is held while waiting: a hundred thousand agents may wait at once.
    let _ = app.waits.run_until_cancelled(tokio::time::timeout(wait, news)).await;
    app.agents.touch(&node);
    let want = want.borrow().clone();
    let newer = want.generation > query.generation;
    Ok(axum::Json(AssignmentReport {
        generation: want.generation,
        assignment: newer.then(|| want.assignment.as_ref().clone()),
        streams: want.streams.as_ref().clone(),
        streams_version: want.streams_version,
        now: clock::now(),
        lease: app.config.lease,
    }))
}

/// Takes up to a seventh off, by the node's name: polls that began together do not all end together.
fn jittered(wait: Duration, node: &Name) -> Duration {
    let part = BuildHasherDefault::<DefaultHasher>::default().hash_one(node.as_str()) % 1_000;
    wait.saturating_sub(wait.mul_f64(part as f64 / 7_000.0))
}

/// Takes the whole observed state of a node. It is kept in memory and comes again within a third of the lease; what of it
/// is news reaches the objects' status.
#[utoipa::path(
    put, path = "/v1/agents/{node}/status", operation_id = "agent_status", tag = "agents",
    params(("node" = Name, Path)), request_body = AgentStatusInput,
    responses((status = 204, description = "Taken")),
)]
pub(crate) async fn status(
    caller: Caller,
    State(app): State<App>,
    Path(node): Path<Name>,
    Json(mut input): Json<AgentStatusInput>,
) -> Result<StatusCode, Fail> {
    caller.is_agent(&node)?;
    if input.replicas.len() > MOST_REPLICAS {
        return Err(Fail::field("replicas", format!("at most {MOST_REPLICAS} replicas")));
    }
    if input.ports_taken.len() > MOST_PORTS {
        return Err(Fail::field("ports_taken", format!("at most {MOST_PORTS} ports")));
    }
    for replica in &mut input.replicas {
        replica.node = node.clone();
    }
    app.agents.say(&node, input);
    Ok(StatusCode::NO_CONTENT)
}

/// Puts what happened on a node on the record. Safe to send again: known ids are counted, not repeated.
#[utoipa::path(
    post, path = "/v1/agents/{node}/events", operation_id = "agent_events", tag = "agents",
    params(("node" = Name, Path)), request_body = EventsInput,
    responses((status = 200, description = "All are on disk", body = EventsReport)),
)]
pub(crate) async fn events(
    caller: Caller,
    State(app): State<App>,
    Path(node): Path<Name>,
    Json(mut input): Json<EventsInput>,
) -> Answer<EventsReport> {
    caller.is_agent(&node)?;
    app.agents.touch(&node);
    let sent = input.entries.len();
    if sent > MOST_ENTRIES {
        return Err(Fail::field("entries", format!("{sent} entries; at most {MOST_ENTRIES} at once")));
    }
    for entry in &mut input.entries {
        // An agent speaks for itself, whatever it writes.
        entry.actor = Actor::agent(&node);
        entry.node = Some(node.clone());
    }
    let transaction = Transaction { timeline: input.entries, ..Transaction::default() };
    let accepted = app.store.commit(clock::now(), transaction).await?.appended;
    if accepted > 0 {
        app.reconcilers.wake();
    }
    Ok(axum::Json(EventsReport { accepted, known: sent.saturating_sub(accepted) }))
}

/// Takes the log bytes that a reader asked for, as they come, until either side ends.
#[utoipa::path(
    post, path = "/v1/agents/{node}/streams/{id}", operation_id = "agent_stream", tag = "agents",
    params(("node" = Name, Path), ("id" = u64, Path)),
    request_body(content_type = "application/octet-stream", description = "Log bytes, as they come"),
    responses((status = 204, description = "The stream ended, or nobody reads any more")),
)]
pub(crate) async fn stream(
    caller: Caller,
    State(app): State<App>,
    Path((node, id)): Path<(Name, u64)>,
    request: Request,
) -> Result<StatusCode, Fail> {
    caller.is_agent(&node)?;
    let upload = app.agents.uploads.take(&node, id);
    let reader = upload.ok_or_else(|| Fail::not_found(format!("stream {id}")))?.begin();
    let mut body = request.into_body();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = reader.closed() => break,
            () = app.waits.cancelled() => break,
        };
        let Some(Ok(frame)) = frame else { break };
        if let Ok(chunk) = frame.into_data()
            && reader.send(chunk).await.is_err()
        {
            break;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
