//! `GET /v1/logs`: the output of a service's or job's replicas, fetched from their nodes while it is read.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt as _};
use http::header;
use lepton_model::{Kind, Name, ReplicaName};
use serde::Deserialize;

use super::Fail;
use super::input::{Path, Query};
use crate::agents::LogReader;
use crate::app::App;
use crate::auth::Caller;
use crate::view::World;

/// An agent that has not come by then is away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most replicas read at once.
const MOST: usize = 64;
/// A line longer than this is passed on in parts.
const LONGEST_LINE: usize = 64 << 10;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogsQuery {
    /// Only this replica; all when absent, each line then begins with its replica's name.
    replica: Option<u32>,
    /// Lines from the end to begin with; 100 when absent.
    tail: Option<u32>,
    /// Go on with what is written later.
    #[param(required = false)]
    follow: bool,
}

/// Reads the output of a service or job, standard output and error as they were written.
#[utoipa::path(
    get, path = "/v1/logs/{project}/{service}", operation_id = "logs", tag = "logs",
    params(("project" = Name, Path), ("service" = Name, Path, description = "A service, or else a job"), LogsQuery),
    responses((status = 200, description = "Text, as it is written", body = String, content_type = "text/plain")),
)]
pub(crate) async fn logs(
    caller: Caller,
    State(app): State<App>,
    Path((project, name)): Path<(Name, Name)>,
    Query(query): Query<LogsQuery>,
) -> Result<Response, Fail> {
    caller.may_read()?;
    let permit = super::stream_permit(&app)?;
    let world = app.view.world();
    let place = (project.clone(), name.clone());
    let kind = if world.services.contains_key(&place) { Kind::Service } else { Kind::Job };
    if !caller.sees(&project) || !(kind == Kind::Service || world.jobs.contains_key(&place)) {
        return Err(Fail::not_found(format!("service or job {project}/{name}")));
    }
    let homes = homes(&world, kind, &project, &name, query.replica);
    if homes.is_empty() {
        let which = query
            .replica
            .map_or_else(|| "no replica".to_owned(), |n| format!("replica {n} is not there, or not"));
        return Err(Fail::not_found(format!("output of {project}/{name}: {which} placed on a node, so it")));
    }
    let tail = query.tail.unwrap_or(100).min(100_000);
    let readers = homes.into_iter().take(MOST).map(|(node, replica)| {
        let reader = LogReader::open(&app, &node, &replica, tail, query.follow);
        (node, replica, reader)
    });
    let waiting = readers.map(|(node, replica, mut reader)| async move {
        let here = tokio::time::timeout(PATIENCE, reader.arrived()).await == Ok(true);
        (node, replica, here.then_some(reader))
    });
    let arrived = futures::future::join_all(waiting).await;
    let away: Vec<_> =
        arrived.iter().filter(|(_, _, r)| r.is_none()).map(|(n, r, _)| format!("{r} on {n}")).collect();
    let readers: Vec<_> =
        arrived.into_iter().filter_map(|(_, replica, reader)| Some((replica, reader?))).collect();
    if readers.is_empty() {
        let detail = format!("no agent answered within {} s: {}", PATIENCE.as_secs(), away.join(", "));
        return Err(Fail::unavailable(Duration::from_secs(5), detail));
    }
    let labelled = readers.len() > 1 || !away.is_empty();
    let notes = away.into_iter().map(|who| Bytes::from(format!("{who} | its agent does not answer\n")));
    let bodies =
        readers.into_iter().map(|(replica, reader)| {
            let raw = Box::pin(stream::unfold(reader, |mut reader| async move {
                reader.next().await.map(|b| (b, reader))
            }));
            if labelled { labelled_lines(&replica, raw).boxed() } else { raw.boxed() }
        });
    let waits = app.waits.clone();
    let text = stream::iter(notes).chain(stream::select_all(bodies)).take_until(waits.cancelled_owned());
    let text = text.map(move |chunk| {
        let _held = &permit;
        Ok::<_, Infallible>(chunk)
    });
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(text)).into_response())
}

/// Where the replicas are, by ordinal: the newest placement of each.
fn homes(
    world: &World,
    kind: Kind,
    project: &Name,
    name: &Name,
    only: Option<u32>,
) -> Vec<(Name, ReplicaName)> {
    let mut placed: Vec<_> = world
        .assignments
        .values()
        .flat_map(|assignment| {
            assignment.spec.replicas.iter().map(move |replica| (&assignment.meta.name, replica))
        })
        .filter(|(_, replica)| {
            let of = &replica.replica;
            of.kind == kind
                && of.project == *project
                && of.name == *name
                && only.is_none_or(|ordinal| ordinal == of.ordinal)
        })
        .collect();
    placed.sort_by_key(|(_, replica)| (replica.replica.ordinal, std::cmp::Reverse(replica.incarnation)));
    placed.dedup_by_key(|(_, replica)| replica.replica.ordinal);
    placed.into_iter().map(|(node, replica)| (node.clone(), replica.replica.clone())).collect()
}

/// Whole lines, each beginning with its replica's name, so that lines of several replicas do not run into each other.
fn labelled_lines<S: Stream<Item = Bytes> + Unpin + Send>(
    replica: &ReplicaName,
    raw: S,
) -> impl Stream<Item = Bytes> + Send + use<S> {
    let label = format!("{}-{} | ", replica.name, replica.ordinal);
    stream::unfold((raw, BytesMut::new(), false), move |(mut raw, mut rest, ended)| {
        let label = label.clone();
        async move {
            if ended {
                return None;
            }
            loop {
                match raw.next().await {
                    Some(chunk) => rest.extend_from_slice(&chunk),
                    None if rest.is_empty() => return None,
                    None => {
                        rest.extend_from_slice(b"\n");
                        return Some((labelled(&label, &rest), (raw, BytesMut::new(), true)));
                    }
                }
                let end = rest.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
                let end = end.or_else(|| (rest.len() > LONGEST_LINE).then_some(rest.len()));
                if let Some(end) = end {
                    let lines = rest.split_to(end);
                    return Some((labelled(&label, &lines), (raw, rest, false)));
                }
            }
        }
    })
}

fn labelled(label: &str, lines: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(lines.len() + label.len() * 4);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(line);
    }
    out.freeze()
}
