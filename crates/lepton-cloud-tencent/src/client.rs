//! One signed call: JSON in, JSON out, refusals judged.

use bytes::Bytes;
use http::{Method, Request};
use lepton_cloud::wire::{Answer, decode, request, set_header};
use lepton_cloud::{CloudError, CloudResult, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::TencentCloud;
use crate::codes::CODES;
use crate::sign::authorization;

/// A service and the version of its API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    name: &'static str,
    version: &'static str,
}

pub(crate) const CVM: Service = Service { name: "cvm", version: "2017-03-12" };
pub(crate) const CBS: Service = Service { name: "cbs", version: "2017-03-12" };
pub(crate) const VPC: Service = Service { name: "vpc", version: "2017-03-12" };
pub(crate) const STS: Service = Service { name: "sts", version: "2018-08-13" };
pub(crate) const TAG: Service = Service { name: "tag", version: "2018-08-13" };

/// Every answer comes in this, errors too, with status 200.
#[derive(Deserialize)]
struct Envelope<T> {
    #[serde(rename = "Response")]
    response: T,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Verdict {
    error: Option<ErrorAnswer>,
    request_id: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorAnswer {
    code: String,
    message: String,
}

/// The answer of actions that say nothing but that they were accepted.
#[derive(Deserialize)]
pub(crate) struct Accepted {}

impl TencentCloud {
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        service: Service,
        action: &str,
        input: Value,
    ) -> CloudResult<T> {
        let answer = self.wire.send(self.request(service, action, &input)?).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer, &ErrorAnswer::default(), ""));
        }
        let verdict: Envelope<Verdict> = decode(&answer.body)?;
        if let Some(error) = verdict.response.error {
            return Err(refusal(&answer, &error, &verdict.response.request_id));
        }
        decode::<Envelope<T>>(&answer.body).map(|envelope| envelope.response)
    }

    fn request(&self, service: Service, action: &str, input: &Value) -> CloudResult<Request<Bytes>> {
        let url = format!("{}/", self.config.endpoint.replace("{service}", service.name));
        let credentials = &self.config.credentials;
        let at = (self.config.clock)();
        let mut request = request(Method::POST, &url, Bytes::from(input.to_string()))?;
        let mut set = |name, value: &str| set_header(&mut request, name, value);
        set("content-type", "application/json")?;
        set("x-tc-action", action)?;
        set("x-tc-version", service.version)?;
        set("x-tc-region", self.config.region.as_str())?;
        set("x-tc-timestamp", &(at.as_millis() / 1_000).to_string())?;
        if let Some(token) = &credentials.session_token {
            set("x-tc-token", token.expose())?;
        }
        let authorization = authorization(&request, credentials, service.name, at);
        set_header(&mut request, "authorization", &authorization)?;
        Ok(request)
    }
}

/// Status 200 says nothing of an error; without a code it is the status that is judged.
fn refusal(answer: &Answer, error: &ErrorAnswer, request_id: &str) -> CloudError {
    Refusal {
        status: answer.status.as_u16(),
        code: &error.code,
        message: &error.message,
        request_id,
        retry_after: answer.retry_after(),
    }
    .judge(CODES)
}
