//! `GET /v1/watch`: changes as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures::Stream;
use http::HeaderMap;
use lepton_api::v1::WatchMessage;
use lepton_model::{Kind, Name};
use lepton_store::{StoreError, WatchInput};
use serde::Deserialize;

use super::Fail;
use super::input::Query;
use crate::app::App;
use crate::auth::{Caller, shown_to};

/// A bookmark is sent after so long without a change.
const QUIET: Duration = Duration::from_secs(15);

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WatchQuery {
    /// Only this kind.
    kind: Option<Kind>,
    /// Only this project.
    project: Option<Name>,
    /// Changes after this revision; those from now on when absent. `Last-Event-ID` does the same.
    from: Option<u64>,
}

/// Follows changes of objects. Each event's id is the revision to go on from with `from` or `Last-Event-ID`. The stream ends
/// after an event `compacted`: list again, then watch from the list's revision.
#[utoipa::path(
    get, path = "/v1/watch", operation_id = "watch", tag = "objects", params(WatchQuery),
    responses((status = 200, description = "Events `put`, `delete`, `bookmark`, `compacted`", body = WatchMessage, content_type = "text/event-stream")),
)]
pub(crate) async fn watch(
    caller: Caller,
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<WatchQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fail> {
    caller.may_read()?;
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let from = match last_seen.or(query.from) {
        Some(from) => from,
        None => app.store.revision().await?,
    };
    let input = WatchInput {
        kinds: query.kind.into_iter().collect(),
        project: query.project.or_else(|| caller.project.clone()),
        from,
    };
    let permit = super::stream_permit(&app)?;
    let stream = futures::stream::unfold(Some(Follower { app, caller, input, permit }), |state| async move {
        let mut follower = state?;
        let (events, more) = follower.next().await;
        Some((futures::stream::iter(events.into_iter().map(Ok)), more.then_some(follower)))
    });
    Ok(Sse::new(futures::StreamExt::flatten(stream)))
}

struct Follower {
    app: App,
    caller: Caller,
    input: WatchInput,
    #[allow(dead_code)] // held for as long as the stream lives
    permit: tokio::sync::OwnedSemaphorePermit,
}

impl Follower {
    /// The next events, and whether there will be more.
    async fn next(&mut self) -> (Vec<Event>, bool) {
        let waiting = self.app.store.watch(&self.input, 500, QUIET);
        let Some(answer) = self.app.waits.run_until_cancelled(waiting).await else {
            return (Vec::new(), false);
        };
        let (events, next) = match answer {
            Ok(answer) => answer,
            Err(StoreError::Compacted { compacted, .. }) => {
                return (message(None, &WatchMessage::Compacted { revision: compacted }), false);
            }
            Err(error) => {
                tracing::warn!(%error, "a watch ended");
                return (Vec::new(), false);
            }
        };
        self.input.from = next;
        let mut out = Vec::new();
        for event in events {
            let id = Some(event.revision);
            let shown = match event.object {
                Some(object) => shown_to(&self.caller, object).map(|object| WatchMessage::Put { object }),
                None => {
                    self.caller.sees(&event.key.project).then_some(WatchMessage::Delete { key: event.key })
                }
            };
            out.extend(shown.into_iter().flat_map(|shown| message(id, &shown)));
        }
        if out.is_empty() {
            out = message(Some(next), &WatchMessage::Bookmark { revision: next });
        }
        (out, true)
    }
}

fn message(id: Option<u64>, message: &WatchMessage) -> Vec<Event> {
    let name = match message {
        WatchMessage::Put { .. } => "put",
        WatchMessage::Delete { .. } => "delete",
        WatchMessage::Bookmark { .. } => "bookmark",
        WatchMessage::Compacted { .. } => "compacted",
    };
    let Ok(event) = Event::default().event(name).json_data(message) else { return Vec::new() };
    vec![match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }]
}
