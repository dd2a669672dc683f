//! What agents say. Lepton's own agent has a leaner client; this is for other agents and for tests.

use std::time::Duration;

use lepton_model::{Name, Period};
use reqwest::Method;

use super::{Client, ClientError};
use crate::v1::{AgentStatusInput, AssignmentReport, EventsInput, EventsReport, JoinInput, JoinReport};

impl Client {
    /// Makes a machine a node; the client's token is a join token and is used up.
    ///
    /// # Errors
    /// 401 when the token is none, or used up.
    pub async fn join(&self, input: &JoinInput) -> Result<JoinReport, ClientError> {
        self.post("/v1/agents/join", input).await
    }

    /// The wanted state, as soon as it differs from `generation` and `streams`, or after `wait`.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn assignment(
        &self,
        node: &Name,
        generation: u64,
        streams: u64,
        wait: Duration,
    ) -> Result<AssignmentReport, ClientError> {
        let query = [
            ("generation", generation.to_string()),
            ("streams", streams.to_string()),
            ("wait", Period::from(wait).to_string()),
        ];
        let request = self.request(Method::GET, &format!("/v1/agents/{node}/assignment"))?;
        let request = request.query(&query).timeout(self.timeout.saturating_add(wait));
        self.answer(self.send(request).await?).await
    }

    /// Reports the whole observed state of a node.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn put_agent_status(&self, node: &Name, input: &AgentStatusInput) -> Result<(), ClientError> {
        let request = self.request(Method::PUT, &format!("/v1/agents/{node}/status"))?;
        self.send(request.json(input).timeout(self.timeout)).await.map(drop)
    }

    /// Puts what happened on a node on the record. Safe to send again.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn post_agent_events(
        &self,
        node: &Name,
        input: &EventsInput,
    ) -> Result<EventsReport, ClientError> {
        self.post(&format!("/v1/agents/{node}/events"), input).await
    }
}
