//! Objects: apply, plan, list, read, delete.

use lepton_model::{AnyObject, Key, Kind, Name, PlanSpec, Selector};
use reqwest::Method;
use serde::Serialize;

use super::{Client, ClientError};
use crate::v1::{ApplyInput, ApplyReport, DeleteReport, ObjectList, PlanRequest};

/// Which objects to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this project; not for kinds of the estate.
    pub project: Option<Name>,
    /// Only objects whose labels match.
    pub labels: Selector,
    /// At most so many on a page; the server's own number when absent.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub after: Option<String>,
}

#[derive(Serialize)]
struct ListWire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
}

impl Client {
    /// Makes or changes objects, all or nothing; with `dry_run` says what would be.
    ///
    /// # Errors
    /// Besides what every request may meet: 409 when a manifest's revision is old, 422 with the fields that are wrong.
    pub async fn apply(&self, input: &ApplyInput, dry_run: bool) -> Result<ApplyReport, ClientError> {
        let path = if dry_run { "/v1/apply?dry_run=true" } else { "/v1/apply" };
        self.post(path, input).await
    }

    /// What the planner would do if `input` were applied.
    ///
    /// # Errors
    /// As [`Client::apply`].
    pub async fn plan(&self, input: &PlanRequest) -> Result<PlanSpec, ClientError> {
        self.post("/v1/plan", input).await
    }

    /// The estate as `lepton plan --estate` reads it, untyped.
    ///
    /// # Errors
    /// 403 unless the caller administers the estate.
    pub async fn estate(&self) -> Result<serde_json::Value, ClientError> {
        self.get("/v1/estate", &()).await
    }

    /// One page of objects, ordered by project and name.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn list(&self, kind: Kind, query: &ListQuery) -> Result<ObjectList, ClientError> {
        let wire = ListWire {
            project: query.project.as_ref(),
            labels: (!query.labels.is_empty()).then(|| query.labels.to_string()),
            limit: query.limit,
            after: query.after.as_deref(),
        };
        self.get(&format!("/v1/objects/{kind}"), &wire).await
    }

    /// Every page of objects. The revision is the first page's, so that a watch from it misses nothing.
    ///
    /// # Errors
    /// What every request may meet.
    pub async fn list_all(&self, kind: Kind, query: &ListQuery) -> Result<ObjectList, ClientError> {
        let mut query = query.clone();
        let mut all = self.list(kind, &query).await?;
        while let Some(next) = all.next.take() {
            query.after = Some(next);
            let page = self.list(kind, &query).await?;
            all.items.extend(page.items);
            all.next = page.next;
        }
        Ok(all)
    }

    /// One object.
    ///
    /// # Errors
    /// 404 when it does not exist, or is not the token's to see.
    pub async fn object(&self, key: &Key) -> Result<AnyObject, ClientError> {
        self.get(&path(key), &()).await
    }

    /// Deletes an object; with `revision`, only if nobody has written since.
    ///
    /// # Errors
    /// 404 when it does not exist, 409 when it is at another revision.
    pub async fn delete(&self, key: &Key, revision: Option<u64>) -> Result<DeleteReport, ClientError> {
        let request = self.request(Method::DELETE, &path(key))?.timeout(self.timeout);
        let request = match revision {
            Some(revision) => request.query(&[("revision", revision)]),
            None => request,
        };
        self.answer(self.send(request).await?).await
    }
}

fn path(key: &Key) -> String {
    format!("/v1/objects/{}/{}/{}", key.kind, key.project, key.name)
}
