//! HTTP to a cloud: bounded answers, and errors that say whether the request may have taken effect.
//!
//! Adapters build and sign an [`http::Request`]; this sends it unchanged. Nothing of a request or an answer is logged here.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use lepton_model::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::{CloudError, CloudResult, ErrorKind};

/// Largest answer that is read. A full page of the wordiest cloud has about 1 MB.
const MAX_ANSWER: usize = 16 << 20;

/// What RFC 3986 leaves as it is; every other byte becomes `%XX`. All clouds' signatures are over this form.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as a part of a URL, the way signatures want it.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Starts a signed request: a URL with its host as a header, because signatures are over it.
///
/// # Errors
/// [`ErrorKind::Invalid`]: the endpoint in the configuration is no URL.
pub fn request(method: Method, url: &str, body: Bytes) -> CloudResult<Request<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(url)
        .body(body)
        .map_err(|error| bad_endpoint(error.to_string()))?;
    let host = request.uri().authority().map(ToString::to_string);
    let host = host.ok_or_else(|| bad_endpoint(format!("{url:?} names no host")))?;
    set_header(&mut request, "host", &host)?;
    Ok(request)
}

/// Sets a header. None of them show in debug output: some are secret.
///
/// # Errors
/// [`ErrorKind::Invalid`]: a value that no header can hold.
pub fn set_header(request: &mut Request<Bytes>, name: &'static str, value: &str) -> CloudResult<()> {
    let wrong = |_| {
        let field = Some(name.into());
        CloudError::new(ErrorKind::Invalid { field }, format!("the header {name} cannot hold this value"))
    };
    let mut value = HeaderValue::from_str(value).map_err(wrong)?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

fn bad_endpoint(what: impl AsRef<str>) -> CloudError {
    CloudError::new(ErrorKind::Invalid { field: Some("endpoint".into()) }, what)
}

/// Reads the clock. Signatures carry the time, so tests hand in their own.
pub type Clock = fn() -> Timestamp;

/// The machine's clock.
pub fn machine_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A moment in a pattern of `strftime`, in UTC.
pub fn format_time(at: Timestamp, pattern: &str) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    moment.strftime(pattern).to_string()
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Unanswered`] with the path to what is wrong.
    pub fn json<T: DeserializeOwned>(&self) -> CloudResult<T> {
        decode(&self.body)
    }

    /// From `Retry-After`, when it is in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header(RETRY_AFTER.as_str()).parse().ok().map(Duration::from_secs)
    }

    /// A header's text; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// JSON from a cloud.
///
/// # Errors
/// [`ErrorKind::Unanswered`] with the path to what is wrong.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> CloudResult<T> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(CloudError::garbled)?;
    reader.end().map_err(CloudError::garbled)?;
    Ok(value)
}

/// A connection pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Wire {
    http: reqwest::Client,
}

impl Wire {
    /// A pool for one cloud. Connects with the first request.
    ///
    /// # Errors
    /// [`ErrorKind::Permanent`]: this machine has no certificates to trust.
    pub fn new() -> CloudResult<Self> {
        // Fails only when a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("lepton/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            // A redirect would carry the signature to a host that it was not made for.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CloudError::new(ErrorKind::Permanent, chain(&error)))?;
        Ok(Self { http })
    }

    /// Sends a signed request and reads the answer.
    ///
    /// # Errors
    /// [`ErrorKind::Transient`] when nothing was sent, [`ErrorKind::Unanswered`] when the answer was lost on the way,
    /// [`ErrorKind::Invalid`] for a request that is none.
    pub async fn send(&self, request: Request<Bytes>) -> CloudResult<Answer> {
        let request = reqwest::Request::try_from(request).map_err(|error| bad_endpoint(chain(&error)))?;
        let mut response = self.http.execute(request).await.map_err(|error| lost(&error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(CloudError::garbled(format_args!("longer than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }
}

fn lost(error: &reqwest::Error) -> CloudError {
    let kind = if error.is_connect() { ErrorKind::Transient } else { ErrorKind::Unanswered };
    CloudError::new(kind, chain(error))
}

/// An error with its causes, without the URL: some clouds carry secrets in it.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time" } else { "connection failed" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_written_as_signatures_want_them() {
        assert_eq!(encode("a b*~/é+_-."), "a%20b%2A~%2F%C3%A9%2B_-.");
        let at = Timestamp::from_millis(1_767_323_045_678);
        assert_eq!(format_time(at, "%Y%m%dT%H%M%SZ"), "20260102T030405Z");
    }

    #[test]
    fn half_an_answer_may_have_taken_effect() {
        let error = decode::<Vec<u32>>(b"[1, 2").map_err(|error| error.kind);
        assert_eq!(error, Err(ErrorKind::Unanswered));
        let error = decode::<Vec<u32>>(b"[1, \"x\"]").map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|text| text.contains("[1]")), "{error:?}");
    }
}
