//! `/v1/telemetry`: Prometheus remote write 1.0 and 2.0, OTLP metrics over HTTP.
//!
//! Senders retry on 429 and 5xx and never on other 4xx; so a request that will never be taken is a 400, and one that may be
//! taken later is a 429 or 503.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lepton_api::otlp::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use lepton_api::remote_write::{EXEMPLARS_WRITTEN, HISTOGRAMS_WRITTEN, Protocol, SAMPLES_WRITTEN};
use lepton_lake::Appended;
use prost::Message as _;

use super::Fail;
use super::input::{decoded, media_type, read_body, read_json};
use crate::app::App;
use crate::auth::Caller;
use crate::telemetry::{self, Origin, read_otlp, read_remote_write};

/// Larger bodies are read on a thread of their own, so that they do not hold up others.
const INLINE: usize = 64 << 10;

/// Takes Prometheus remote write, 1.0 or 2.0 by `Content-Type`. Every sample that can be kept is on disk when this answers;
/// the `X-Prometheus-Remote-Write-*-Written` headers count them. Those that never can be are named in a 400.
#[utoipa::path(
    post, path = "/v1/telemetry/prometheus", operation_id = "remote_write", tag = "telemetry",
    request_body(content_type = "application/x-protobuf", description = "Snappy-compressed protobuf"),
    responses((status = 204, description = "All on disk")),
)]
pub(crate) async fn remote_write(
    caller: Caller,
    State(app): State<App>,
    request: Request,
) -> Result<Response, Fail> {
    caller.may_measure()?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let protocol = kind.and_then(Protocol::from_content_type);
    let protocol = protocol.ok_or_else(|| {
        Fail::media_type("application/x-protobuf, with proto=io.prometheus.write.v2.Request for 2.0")
    })?;
    match request.headers().get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"snappy") => {}
        Some(_) => {
            return Err(Fail::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Content-Encoding must be snappy",
            ));
        }
    }
    let limit = app.config.limits.telemetry_body.get();
    let body = read_body(request, limit).await?;
    let (batch, origin) = (app.lake.batch(), Origin::of(&caller));
    let written = if body.len() <= INLINE {
        read_remote_write(batch, &origin, protocol, &body, limit)?
    } else {
        let work = move || read_remote_write(batch, &origin, protocol, &body, limit);
        crate::tasks::blocking(work).await.map_err(Fail::internal)??
    };
    let kept = telemetry::store(&app, &written.batch).await?;
    let refused = kept.refused() + written.unusable;
    let mut response = if refused == 0 {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let why = why_refused(&kept, written.unusable, written.first_problem);
        Fail::malformed(format!("{refused} samples were refused for good: {why}; the others are on disk"))
            .into_response()
    };
    for (name, count) in
        [(SAMPLES_WRITTEN, kept.accepted + kept.duplicates), (HISTOGRAMS_WRITTEN, 0), (EXEMPLARS_WRITTEN, 0)]
    {
        if let Ok(value) = HeaderValue::from_str(&count.to_string()) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if written.histograms > 0 {
        tracing::debug!(count = written.histograms, "native histograms were passed over");
    }
    Ok(response)
}

fn why_refused(kept: &Appended, unusable: u64, first: Option<String>) -> String {
    let first = first.or_else(|| kept.first_invalid.as_ref().map(ToString::to_string)).unwrap_or_default();
    let parts = [
        (kept.too_old, "older than is kept".to_owned()),
        (kept.too_new, "too far in the future".to_owned()),
        (kept.invalid + unusable, format!("unusable labels ({first})")),
    ];
    let named: Vec<_> =
        parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{n} {why}")).collect();
    named.join(", ")
}

/// The same under the path that Prometheus itself uses.
#[utoipa::path(
    post, path = "/api/v1/write", operation_id = "remote_write_alias", tag = "telemetry",
    request_body(content_type = "application/x-protobuf", description = "Snappy-compressed protobuf"),
    responses((status = 204, description = "All on disk")),
)]
pub(crate) async fn remote_write_alias(
    caller: Caller,
    state: State<App>,
    request: Request,
) -> Result<Response, Fail> {
    remote_write(caller, state, request).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

/// Takes OTLP metrics, protobuf or JSON. Names and labels follow OpenTelemetry's rules for Prometheus. What has no place in the
/// lake (delta temporality, exponential histograms) is counted in `partial_success`.
#[utoipa::path(
    post, path = "/v1/telemetry/otlp/v1/metrics", operation_id = "otlp_metrics", tag = "telemetry",
    request_body(content(
        (Vec<u8> = "application/x-protobuf"),
        (serde_json::Value = "application/json"),
    ), description = "ExportMetricsServiceRequest; gzip is understood"),
    responses((status = 200, description = "ExportMetricsServiceResponse in the form of the request", body = serde_json::Value)),
)]
pub(crate) async fn otlp_metrics(
    caller: Caller,
    State(app): State<App>,
    request: Request,
) -> Result<Response, Fail> {
    caller.may_measure()?;
    let form = match media_type(request.headers()).as_deref() {
        Some("application/x-protobuf") => Form::Protobuf,
        Some("application/json") => Form::Json,
        _ => return Err(Fail::media_type("application/x-protobuf or application/json")),
    };
    // The decoded form is many times larger than its bytes; so the smaller of the limits holds.
    let limit = app.config.limits.body.get();
    let headers = request.headers().clone();
    let body = decoded(&headers, read_body(request, limit).await?, limit)?;
    let (mut batch, origin) = (app.lake.batch(), Origin::of(&caller));
    let work = move || -> Result<_, Fail> {
        let request: ExportMetricsServiceRequest = match form {
            Form::Protobuf => ExportMetricsServiceRequest::decode(body).map_err(Fail::malformed)?,
            Form::Json => read_json(&body)?,
        };
        let rejected = read_otlp(&request, &origin, &mut batch);
        Ok((batch, rejected))
    };
    let (batch, mut rejected) = crate::tasks::blocking(work).await.map_err(Fail::internal)??;
    let kept = telemetry::store(&app, &batch).await?;
    if kept.refused() > 0 {
        rejected.add(kept.refused(), why_refused(&kept, 0, None));
    }
    let partial_success = (rejected.points > 0).then(|| ExportMetricsPartialSuccess {
        rejected_data_points: i64::try_from(rejected.points).unwrap_or(i64::MAX),
        error_message: Vec::from_iter(rejected.why).join("; "),
    });
    let answer = ExportMetricsServiceResponse { partial_success };
    Ok(match form {
        Form::Protobuf => {
            ([(header::CONTENT_TYPE, "application/x-protobuf")], answer.encode_to_vec()).into_response()
        }
        Form::Json => axum::Json(answer).into_response(),
    })
}
