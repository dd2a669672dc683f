//! What people do: look after incidents, tokens and backups.

use lepton_model::{AnyObject, Name, TokenId};
use reqwest::Method;

use super::{Client, ClientError};
use crate::v1::{BackupOutput, IncidentInput, TokenInput, TokenReport, TokenSecret, UsageInput};

impl Client {
    /// Says that somebody has an incident in hand.
    ///
    /// # Errors
    /// 404 when it does not exist, 409 when it is acknowledged or resolved already.
    pub async fn acknowledge(
        &self,
        project: &Name,
        name: &Name,
        note: String,
    ) -> Result<AnyObject, ClientError> {
        self.post(&format!("/v1/incidents/{project}/{name}/acknowledge"), &IncidentInput { note }).await
    }

    /// Says that an incident is over.
    ///
    /// # Errors
    /// 404 when it does not exist, 409 when it is resolved already.
    pub async fn resolve(&self, project: &Name, name: &Name, note: String) -> Result<AnyObject, ClientError> {
        self.post(&format!("/v1/incidents/{project}/{name}/resolve"), &IncidentInput { note }).await
    }

    /// Makes a token. Its secret is in this answer and nowhere else.
    ///
    /// # Errors
    /// 403 unless the caller administers the estate, 422 when the wish is unsound.
    pub async fn create_token(&self, input: &TokenInput) -> Result<TokenSecret, ClientError> {
        self.post("/v1/tokens", input).await
    }

    /// Every token, without secrets.
    ///
    /// # Errors
    /// 403 unless the caller administers the estate.
    pub async fn tokens(&self) -> Result<Vec<TokenReport>, ClientError> {
        self.get("/v1/tokens", &()).await
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// 404 when there is none with this id.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, &format!("/v1/tokens/{id}"))?.timeout(self.timeout);
        self.send(request).await.map(drop)
    }

    /// Writes a consistent copy into the server's backup folder. May take as long as copying takes.
    ///
    /// # Errors
    /// 403 unless the caller administers the estate.
    pub async fn backup(&self) -> Result<BackupOutput, ClientError> {
        self.answer(self.send(self.request(Method::POST, "/v1/backup")?).await?).await
    }

    /// Reports one machine's load, as a script without an agent does.
    ///
    /// # Errors
    /// 422 when a figure is out of range.
    pub async fn usage(&self, input: &UsageInput) -> Result<(), ClientError> {
        let request = self.request(Method::POST, "/usage")?.json(input).timeout(self.timeout);
        self.send(request).await.map(drop)
    }
}
