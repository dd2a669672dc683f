//! One signed call: a path, a query and JSON in, JSON out, refusals judged.

use bytes::Bytes;
use http::{Method, Request};
use lepton_cloud::wire::{Answer, decode, format_time, request, set_header};
use lepton_cloud::{CloudError, CloudResult, Params, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::HuaweiCloud;
use crate::codes::CODES;

/// One call to be made. Paths are below the service's root; ids in them are escaped by [`lepton_cloud::wire::encode`].
pub(crate) struct Call {
    service: &'static str,
    method: Method,
    path: String,
    query: Params,
    body: Option<Value>,
    client_token: Option<String>,
}

impl Call {
    pub fn get(service: &'static str, path: impl Into<String>) -> Self {
        let (method, path, query) = (Method::GET, path.into(), Params::default());
        Self { service, method, path, query, body: None, client_token: None }
    }

    pub fn post(service: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(service, path) }
    }

    pub fn delete(service: &'static str, path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(service, path) }
    }

    pub fn query(self, query: Params) -> Self {
        Self { query, ..self }
    }

    pub fn client_token(self, token: impl ToString) -> Self {
        Self { client_token: Some(token.to_string()), ..self }
    }
}

/// Services and gateways write refusals each in their own way: `{"error": {…}}`, `{"error_code": …}`, `{"code": …}`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorAnswer {
    error: Option<ErrorItem>,
    #[serde(flatten)]
    plain: ErrorItem,
    request_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorItem {
    #[serde(alias = "error_code")]
    code: String,
    #[serde(alias = "error_msg")]
    message: String,
}

impl HuaweiCloud {
    /// The path of something in this project: `v1/{project}/…`.
    pub(crate) fn path(&self, version: &str, rest: &str) -> String {
        format!("{version}/{}/{rest}", self.config.project)
    }

    /// Makes a call and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> CloudResult<T> {
        decode(&self.send(call).await?.body)
    }

    /// Makes a call whose answer says nothing but that it was accepted.
    pub(crate) async fn order(&self, call: Call) -> CloudResult<()> {
        self.send(call).await.map(drop)
    }

    async fn send(&self, call: Call) -> CloudResult<Answer> {
        let answer = self.wire.send(self.request(call)?).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let answered: ErrorAnswer = decode(&answer.body).unwrap_or_default();
        let error = answered.error.unwrap_or(answered.plain);
        let header = answer.header("x-request-id");
        let request_id = if header.is_empty() { answered.request_id.as_str() } else { header };
        let (status, retry_after) = (answer.status.as_u16(), answer.retry_after());
        let (code, message) = (error.code.as_str(), error.message.as_str());
        Err(Refusal { status, code, message, request_id, retry_after }.judge(CODES))
    }

    fn request(&self, call: Call) -> CloudResult<Request<Bytes>> {
        let region = self.config.region.as_str();
        let base = self.config.endpoint.replace("{service}", call.service).replace("{region}", region);
        let query = call.query.encode();
        let mark = if query.is_empty() { "" } else { "?" };
        let body = call.body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let mut request = request(call.method, &format!("{base}/{}{mark}{query}", call.path), body)?;
        let credentials = &self.config.credentials;
        let date = format_time((self.config.clock)(), "%Y%m%dT%H%M%SZ");
        let mut set = |name, value: &str| set_header(&mut request, name, value);
        set("content-type", "application/json")?;
        set("x-sdk-date", &date)?;
        // IAM stands above projects.
        if call.service != "iam" {
            set("x-project-id", &self.config.project)?;
        }
        if let Some(token) = &call.client_token {
            set("x-client-token", token)?;
        }
        if let Some(token) = &credentials.session_token {
            set("x-security-token", token.expose())?;
        }
        let authorization = crate::sign::authorization(&request, credentials, &date);
        set_header(&mut request, "authorization", &authorization)?;
        Ok(request)
    }
}

/// What a failed job said, judged like a refusal.
pub(crate) fn failed_job(code: &str, message: &str, job: &str) -> CloudError {
    Refusal { status: 400, code, message, request_id: job, retry_after: None }.judge(CODES)
}
