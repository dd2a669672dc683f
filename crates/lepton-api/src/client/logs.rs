//! A service's output as a stream of bytes.

use bytes::Bytes;
use lepton_model::Name;
use reqwest::{Method, Response};
use serde::Serialize;

use super::{Client, ClientError};

/// What to read of a service's output.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LogQuery {
    /// Which replica; all when absent, each line then begins with its replica's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// Lines from the end to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// Whether to go on with what is written later.
    pub follow: bool,
}

/// Output, as it comes.
#[derive(Debug)]
pub struct LogStream {
    client: Client,
    response: Response,
}

impl LogStream {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.response.chunk().await.map_err(|error| self.client.failed(&error))
    }
}

impl Client {
    /// Reads the output of a service's or job's replicas.
    ///
    /// # Errors
    /// 404 when there is no such service or replica, 503 when its agent does not answer.
    pub async fn logs(
        &self,
        project: &Name,
        service: &Name,
        query: &LogQuery,
    ) -> Result<LogStream, ClientError> {
        let request = self.request(Method::GET, &format!("/v1/logs/{project}/{service}"))?.query(query);
        let response = self.send(request).await?;
        Ok(LogStream { client: self.clone(), response })
    }
}
