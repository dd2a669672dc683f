//! One signed call: parameters in, JSON out, refusals judged.

use bytes::Bytes;
use http::{Method, Request};
use lepton_cloud::sign::sha256_hex;
use lepton_cloud::wire::{decode, format_time, request, set_header};
use lepton_cloud::{CloudResult, Params, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::AliyunCloud;
use crate::codes::CODES;
use crate::sign::authorization;

/// A service and the version of its API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    name: &'static str,
    version: &'static str,
}

pub(crate) const ECS: Service = Service { name: "ecs", version: "2014-05-26" };
pub(crate) const VPC: Service = Service { name: "vpc", version: "2016-04-28" };
pub(crate) const STS: Service = Service { name: "sts", version: "2015-04-01" };

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorAnswer {
    code: String,
    message: String,
    request_id: String,
}

/// The answer of actions that say nothing but that they were accepted.
#[derive(Deserialize)]
pub(crate) struct Accepted {}

impl AliyunCloud {
    /// Calls an action of ECS in this region.
    pub(crate) async fn ecs<T: DeserializeOwned>(&self, action: &str, params: Params) -> CloudResult<T> {
        self.call(ECS, action, params).await
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        service: Service,
        action: &str,
        params: Params,
    ) -> CloudResult<T> {
        let answer = self.wire.send(self.request(service, action, params)?).await?;
        if answer.status.is_success() {
            return decode(&answer.body);
        }
        let error: ErrorAnswer = decode(&answer.body).unwrap_or_default();
        Err(Refusal {
            status: answer.status.as_u16(),
            code: &error.code,
            message: &error.message,
            request_id: &error.request_id,
            retry_after: answer.retry_after(),
        }
        .judge(CODES))
    }

    fn request(&self, service: Service, action: &str, params: Params) -> CloudResult<Request<Bytes>> {
        let region = self.config.region.as_str();
        let base = self.config.endpoint.replace("{service}", service.name).replace("{region}", region);
        let url = format!("{base}/?{}", params.set("RegionId", region).encode());
        let credentials = &self.config.credentials;
        let mut request = request(Method::POST, &url, Bytes::new())?;
        let mut set = |name, value: &str| set_header(&mut request, name, value);
        set("accept", "application/json")?;
        set("x-acs-action", action)?;
        set("x-acs-version", service.version)?;
        set("x-acs-date", &format_time((self.config.clock)(), "%Y-%m-%dT%H:%M:%SZ"))?;
        set("x-acs-signature-nonce", &uuid::Uuid::now_v7().simple().to_string())?;
        set("x-acs-content-sha256", &sha256_hex(b""))?;
        if let Some(token) = &credentials.session_token {
            set("x-acs-security-token", token.expose())?;
        }
        let authorization = authorization(&request, credentials);
        set_header(&mut request, "authorization", &authorization)?;
        Ok(request)
    }
}
