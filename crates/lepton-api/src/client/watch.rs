//! Following changes of objects.

use std::collections::VecDeque;
use std::time::Duration;

use lepton_model::{Kind, Name};
use reqwest::{Method, Response};
use serde::Serialize;

use super::events::EventReader;
use super::{Client, ClientError};
use crate::v1::WatchMessage;

/// The server sends something at least every 15 s; a stream silent for longer than this is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// What to watch.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WatchQuery {
    /// Only this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Only this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// Changes after this revision; those from now on when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

/// Changes, as they come.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    response: Response,
    reader: EventReader,
    ready: VecDeque<WatchMessage>,
    revision: Option<u64>,
}

impl Watch {
    /// The next change; `None` when the server ends the stream: watch again from [`Watch::revision`], or list again after
    /// [`WatchMessage::Compacted`].
    ///
    /// # Errors
    /// When the connection breaks or falls silent.
    pub async fn next(&mut self) -> Result<Option<WatchMessage>, ClientError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            let chunk =
                chunk.map_err(|_| ClientError::TimedOut { server: self.client.server().to_owned() })?;
            let chunk = chunk.map_err(|error| self.client.failed(&error))?;
            let Some(chunk) = chunk else { return Ok(None) };
            for event in self.reader.feed(&chunk).map_err(|why| self.client.protocol(why))? {
                if let Some(id) = event.id.as_deref().and_then(|id| id.parse().ok()) {
                    self.revision = Some(id);
                }
                let message = serde_json::from_str(&event.data)
                    .map_err(|error| self.client.protocol(format!("a watch event does not read: {error}")))?;
                self.ready.push_back(message);
            }
        }
    }

    /// Where a later watch goes on from without missing anything.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }
}

impl Client {
    /// Follows changes.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn watch(&self, query: &WatchQuery) -> Result<Watch, ClientError> {
        let response = self.send(self.request(Method::GET, "/v1/watch")?.query(query)).await?;
        let reader = EventReader::default();
        Ok(Watch { client: self.clone(), response, reader, ready: VecDeque::new(), revision: query.from })
    }
}
