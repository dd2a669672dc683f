//! One signed call: parameters in, JSON out, refusals judged.

use std::fmt::Display;

use bytes::Bytes;
use http::{HeaderValue, Request};
use lepton_cloud::sign::{canonical_query, sha256_hex};
use lepton_cloud::wire::{decode, format_time};
use lepton_cloud::{CloudError, CloudResult, ErrorKind, Refusal};
use lepton_model::Labels;
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

/// Parameters of a call. Lists are flattened: `Tag.1.Key`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub fn of(name: &str, value: impl Display) -> Self {
        Self::default().set(name, value)
    }

    pub fn set(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    pub fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    pub fn list<T: Display>(self, name: &str, values: &[T]) -> Self {
        (1..).zip(values).fold(self, |params, (n, value)| params.set(format!("{name}.{n}"), value))
    }

    pub fn tags(self, tags: &Labels) -> Self {
        (1..).zip(tags).fold(self, |params, (n, (key, value))| {
            params.set(format!("Tag.{n}.Key"), key).set(format!("Tag.{n}.Value"), value)
        })
    }
}

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
        let query = canonical_query(&params.set("RegionId", region).0);
        let credentials = &self.config.credentials;
        let invalid = |error: &dyn Display| {
            CloudError::new(ErrorKind::Invalid { field: Some("endpoint".into()) }, format!("{base}: {error}"))
        };
        let mut request = Request::post(format!("{base}/?{query}"))
            .header("accept", "application/json")
            .header("x-acs-action", action)
            .header("x-acs-version", service.version)
            .header("x-acs-date", format_time((self.config.clock)(), "%Y-%m-%dT%H:%M:%SZ"))
            .header("x-acs-signature-nonce", uuid::Uuid::now_v7().simple().to_string())
            .header("x-acs-content-sha256", sha256_hex(b""))
            .body(Bytes::new())
            .map_err(|error| invalid(&error))?;
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let header = |value: &str| HeaderValue::from_str(value).map_err(|error| invalid(&error));
        request.headers_mut().insert("host", header(&host)?);
        if let Some(token) = &credentials.session_token {
            let mut token = header(token.expose())?;
            token.set_sensitive(true);
            request.headers_mut().insert("x-acs-security-token", token);
        }
        let mut authorization = header(&authorization(&request, credentials))?;
        authorization.set_sensitive(true);
        request.headers_mut().insert("authorization", authorization);
        Ok(request)
    }
}
