//! One signed call: a form in, XML out, refusals judged.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, Request};
use lepton_cloud::wire::{request, set_header};
use lepton_cloud::{CloudError, CloudResult, ErrorKind, Params, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::AwsCloud;
use crate::codes::CODES;

/// A service and the version of its API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    name: &'static str,
    version: &'static str,
}

pub(crate) const EC2: Service = Service { name: "ec2", version: "2016-11-15" };
pub(crate) const STS: Service = Service { name: "sts", version: "2011-06-15" };
pub(crate) const ELB: Service = Service { name: "elasticloadbalancing", version: "2015-12-01" };

/// EC2 says `<Response><Errors><Error>`, the others `<ErrorResponse><Error>`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorAnswer {
    #[serde(rename = "Errors")]
    errors: Errors,
    #[serde(rename = "Error")]
    error: Option<ErrorItem>,
    #[serde(rename = "RequestID", alias = "RequestId")]
    request_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Errors {
    #[serde(rename = "Error")]
    error: Option<ErrorItem>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorItem {
    code: String,
    message: String,
}

/// The answer of actions that say nothing but that they were accepted.
#[derive(Deserialize)]
pub(crate) struct Accepted {}

impl AwsCloud {
    /// Calls an action of EC2 in this region.
    pub(crate) async fn ec2<T: DeserializeOwned>(&self, action: &str, params: Params) -> CloudResult<T> {
        self.call(EC2, action, params).await
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        service: Service,
        action: &str,
        params: Params,
    ) -> CloudResult<T> {
        let answer = self.wire.send(self.request(service, action, params)?).await?;
        let text = std::str::from_utf8(&answer.body).map_err(CloudError::garbled)?;
        if answer.status.is_success() {
            return quick_xml::de::from_str(text).map_err(CloudError::garbled);
        }
        let answered: ErrorAnswer = quick_xml::de::from_str(text).unwrap_or_default();
        let error = answered.errors.error.or(answered.error).unwrap_or_default();
        Err(Refusal {
            status: answer.status.as_u16(),
            code: &error.code,
            message: &error.message,
            request_id: &answered.request_id,
            retry_after: answer.retry_after(),
        }
        .judge(CODES))
    }

    fn request(&self, service: Service, action: &str, params: Params) -> CloudResult<Request<Bytes>> {
        let region = self.config.region.as_str();
        let base = self.config.endpoint.replace("{service}", service.name).replace("{region}", region);
        let form = params.set("Action", action).set("Version", service.version).encode();
        // Forms write a space as `+`. AWS signs the bytes as they are, but moto only what a form's writer would make of them.
        let form = form.replace("%20", "+");
        let mut request = request(Method::POST, &format!("{base}/"), Bytes::from(form))?;
        set_header(&mut request, "content-type", "application/x-www-form-urlencoded; charset=utf-8")?;

        let at = u64::try_from((self.config.clock)().as_millis()).unwrap_or(0);
        let key = &self.config.credentials;
        let token = key.session_token.as_ref().map(|token| token.expose().to_owned());
        let identity = Credentials::new(&key.key_id, key.secret.expose(), token, None, "lepton").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service.name)
            .time(UNIX_EPOCH + Duration::from_millis(at))
            .settings(SigningSettings::default())
            .build()
            .map_err(unsignable)?
            .into();
        let headers =
            request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let uri = request.uri().to_string();
        let signable = SignableRequest::new("POST", &uri, headers, SignableBody::Bytes(request.body()));
        let signed = sign(signable.map_err(unsignable)?, &params).map_err(unsignable)?;
        let (instructions, _) = signed.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

fn unsignable(error: impl std::fmt::Display) -> CloudError {
    CloudError::new(ErrorKind::Invalid { field: Some("credentials".into()) }, error.to_string())
}
