//! What every handler and reconciler holds.

use std::ops::Deref;
use std::sync::Arc;

use lepton_lake::Lake;
use lepton_model::Timestamp;
use lepton_sql::SqlDoor;
use lepton_store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::agents::Agents;
use crate::auth::Credentials;
use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::offers::Offers;
use crate::reconcile::Reconcilers;
use crate::tasks::Tasks;
use crate::view::View;

/// The server's parts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// See [`App`].
pub(crate) struct Parts {
    pub config: ServerConfig,
    pub started_at: Timestamp,
    pub store: Arc<dyn Store>,
    pub lake: Lake,
    pub sql: SqlDoor,
    pub view: View,
    pub offers: Arc<Offers>,
    pub credentials: Credentials,
    pub agents: Arc<Agents>,
    pub reconcilers: Arc<Reconcilers>,
    pub metrics: Metrics,
    pub tasks: Tasks,
    /// Cancelled when long polls, watches and log streams should answer and end.
    pub waits: CancellationToken,
    /// For webhooks.
    pub http_client: reqwest::Client,
    /// Ordinary requests at once.
    pub requests: Semaphore,
    /// Watches and log readers at once.
    pub streams: Arc<Semaphore>,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
