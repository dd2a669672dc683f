//! What is known: SQL, timeline, explanations, status.

use lepton_model::{Act, Kind, Name, PlanId, Timestamp};
use serde::Serialize;

use super::{Client, ClientError};
use crate::v1::{
    EstateReport, ExplainReport, ReconcilerReport, ServiceStatusReport, SqlInput, SqlReport, TimelinePage,
};

/// Which timeline entries to read. Without `after`, the newest ones.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TimelineQuery {
    /// Only about this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Only about this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// Only about the object of this name; needs `kind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Only on this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// Only this act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// Only because of this plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only entries with a higher sequence number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

impl Client {
    /// Runs one read-only statement.
    ///
    /// # Errors
    /// 422 when the statement is wrong or exceeds its limits.
    pub async fn sql(&self, input: &SqlInput) -> Result<SqlReport, ClientError> {
        self.post("/v1/sql", input).await
    }

    /// Timeline entries, oldest first.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn timeline(&self, query: &TimelineQuery) -> Result<TimelinePage, ClientError> {
        self.get("/v1/timeline", query).await
    }

    /// Why something is as it is.
    ///
    /// # Errors
    /// 404 when it does not exist.
    pub async fn explain(
        &self,
        kind: Kind,
        name: &Name,
        project: Option<&Name>,
    ) -> Result<ExplainReport, ClientError> {
        let query: Vec<_> = project.map(|project| ("project", project)).into_iter().collect();
        self.get(&format!("/v1/explain/{kind}/{name}"), &query).await
    }

    /// The estate in a few numbers.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn status(&self) -> Result<EstateReport, ClientError> {
        self.get("/v1/status", &()).await
    }

    /// What each reconciler did last.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn reconcilers(&self) -> Result<Vec<ReconcilerReport>, ClientError> {
        self.get("/v1/reconcilers", &()).await
    }

    /// A service's state in one word.
    ///
    /// # Errors
    /// 404 when there is no such service.
    pub async fn service_status(&self, name: &Name) -> Result<ServiceStatusReport, ClientError> {
        self.get(&format!("/service-status/{name}"), &()).await
    }
}
