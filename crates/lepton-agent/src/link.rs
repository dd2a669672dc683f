//! The line home: the agent dials its server, and obeys what the answers say.
//!
//! ```text
//!   join once ──► credential (0600)
//!   poll      ──► assignment ──► Supervisor::apply     long poll; also brings wishes to read logs
//!   status    ◄── Supervisor::reports, on every change and every third of the lease
//!   streams   ◄── Supervisor::logs, one request per wish
//! ```
//!
//! Each of these is a task that tries again by itself. When the server does not answer, nothing here stops: samples and
//! events go to the disk queue, services are supervised on the last assignment, and [`Contact`] tells the supervisor how
//! long it has been.

mod credential;
mod poll;
mod ports;
mod status;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use lepton_api::v1::{JoinInput, JoinReport};
use lepton_model::{Facts, Labels, Name, Resources};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::client::{Answer, Body, Client, SendError, full};
use crate::report::Reporter;
use crate::supervise::{Clock, Contact, Supervisor};

pub use credential::{Credential, CredentialError};
pub use ports::Ports;

/// Time for an ordinary request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest pause between attempts: an agent is back within this time of its server's return.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// An answer that says no.
    #[error("{0}")]
    Refused(String, StatusCode),
    /// An answer that is not of this API.
    #[error("the answer does not read: {0}")]
    Answer(#[source] serde_json::Error),
    /// What should be sent cannot be.
    #[error("the request cannot be built: {0}")]
    Request(String),
}

/// Requests with a credential, and their answers as types.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The server.
    pub client: Arc<Client>,
    /// The bearer token.
    pub token: Arc<str>,
}

impl Caller {
    async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        timeout: Duration,
    ) -> Result<A, LinkError> {
        let answer = self.send(method, path, body, timeout).await?;
        serde_json::from_slice(&answer.body).map_err(LinkError::Answer)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        timeout: Duration,
    ) -> Result<Answer, LinkError> {
        let bytes = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|error| LinkError::Request(error.to_string()))?;
        self.stream(
            method,
            path,
            full(bytes.map(Bytes::from).unwrap_or_default()),
            "application/json",
            timeout,
        )
        .await
    }

    async fn stream(
        &self,
        method: Method,
        path: &str,
        body: Body,
        content: &str,
        timeout: Duration,
    ) -> Result<Answer, LinkError> {
        let request = self
            .client
            .request(method, path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, content)
            .body(body)
            .map_err(|error| LinkError::Request(error.to_string()))?;
        let answer = self.client.send(request, timeout).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(LinkError::Refused(answer.complaint(), answer.status))
        }
    }
}

/// What joining says of this machine.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// The name it wants.
    pub name: Name,
    /// Labels of its node.
    pub labels: Labels,
    /// What it is.
    pub facts: Facts,
    /// What it has.
    pub capacity: Resources,
}

/// Whether the server answers that it does not know the credential: it was revoked, or belongs to another server.
pub async fn is_refused(client: &Arc<Client>, credential: &Credential) -> bool {
    let caller = Caller { client: Arc::clone(client), token: credential.token.as_str().into() };
    let path = format!("/v1/agents/{}/assignment?wait=0s", credential.node);
    // Short: services wait for the answer, and a server that cannot be reached has refused nothing.
    let answer = caller.send(Method::GET, &path, None::<&()>, Duration::from_secs(2)).await;
    matches!(answer, Err(LinkError::Refused(_, StatusCode::UNAUTHORIZED)))
}

/// Joins with a one-time token, trying until the server answers.
///
/// # Errors
/// The server says no: the token is wrong or used up, or the name is taken. Also when the agent stops.
pub async fn join(
    client: &Arc<Client>,
    token: &str,
    introduction: Introduction,
    stop: &CancellationToken,
) -> Result<JoinReport, LinkError> {
    let Introduction { name, labels, facts, capacity } = introduction;
    let input = JoinInput { name: Some(name), labels, facts, capacity };
    let caller = Caller { client: Arc::clone(client), token: token.into() };
    let mut backoff = Backoff::new(Duration::from_millis(200), LONGEST_PAUSE);
    loop {
        let attempt = caller.call(Method::POST, "/v1/agents/join", Some(&input), TIMEOUT);
        let result = tokio::select! {
            result = attempt => result,
            () = stop.cancelled() => return Err(LinkError::Request("the agent stops".to_owned())),
        };
        let error = match result {
            Ok(report) => return Ok(report),
            Err(LinkError::Refused(problem, status)) if status.is_client_error() && status != 429 => {
                return Err(LinkError::Refused(problem, status));
            }
            Err(error) => error,
        };
        if backoff.failures() == 0 {
            tracing::warn!(error = crate::ship::chain(&error), "cannot join yet; trying on");
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.wait()) => {}
            () = stop.cancelled() => return Err(LinkError::Request("the agent stops".to_owned())),
        }
    }
}

/// What the link's tasks share.
#[derive(Debug)]
pub struct Link {
    /// Requests with the agent's credential.
    pub caller: Caller,
    /// This node.
    pub node: Name,
    /// Who obeys.
    pub supervisor: Supervisor,
    /// By which clock contact is measured.
    pub clock: Arc<dyn Clock>,
    /// Where contact is told.
    pub contact: watch::Sender<Contact>,
    /// Timeline.
    pub reporter: Reporter,
    /// What the machine is.
    pub facts: Facts,
    /// What it has.
    pub capacity: Resources,
    /// What listens here besides replicas.
    pub ports: Ports,
    /// What a person should know, as of the last attempts.
    pub conditions: Mutex<std::collections::BTreeMap<&'static str, String>>,
}

impl Link {
    /// Starts the tasks; they end when `stop` is cancelled.
    pub fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let link = Arc::new(self);
        let streams = streams::Streams::new(Arc::clone(&link), tasks.clone(), stop.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(Arc::clone(&link).poll(streams)));
        tasks.spawn(stop.clone().run_until_cancelled_owned(link.report_status()));
    }

    /// The server answered a request that was sent at `sent`.
    fn answered(&self, sent: Duration, lease: Option<Duration>) {
        self.contact.send_modify(|contact| {
            contact.answered = contact.answered.max(Some(sent));
            contact.lease = lease.unwrap_or(contact.lease);
        });
    }

    fn lease(&self) -> Duration {
        self.contact.borrow().lease
    }

    /// Sets or clears something a person should know of this node.
    fn condition(&self, name: &'static str, message: Option<String>) {
        let mut conditions = self.conditions.lock();
        match message {
            Some(message) => conditions.insert(name, message),
            None => conditions.remove(name),
        };
    }
}
