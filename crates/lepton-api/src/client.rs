//! The typed client: one method per route of the v1 API.
//!
//! ```no_run
//! # async fn example() -> Result<(), lepton_api::ClientError> {
//! use lepton_api::{Client, ClientConfig};
//! let client = Client::new(ClientConfig {
//!     server: "https://lepton.example:7700".to_owned(),
//!     token: Some("lpt_…".to_owned()),
//!     ..ClientConfig::default()
//! })?;
//! println!("{} nodes ready", client.status().await?.nodes.get("ready").copied().unwrap_or(0));
//! # Ok(())
//! # }
//! ```
//!
//! It retries nothing by itself: whether a request may be sent twice is for the caller to say, and [`ClientError`] tells
//! apart what the answer depends on.

mod agents;
mod events;
mod logs;
mod objects;
mod offers;
mod people;
mod record;
mod watch;

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Problem;

pub use logs::{LogQuery, LogStream};
pub use objects::ListQuery;
pub use offers::OfferQuery;
pub use record::TimelineQuery;
pub use watch::{Watch, WatchQuery};

/// Largest answer that is read whole.
const MAX_ANSWER: usize = 64 << 20;

/// How a server is reached.
#[derive(Clone)]
pub struct ClientConfig {
    /// `http://` or `https://` address, without a path.
    pub server: String,
    /// Bearer token.
    pub token: Option<String>,
    /// PEM certificates of the authorities that are trusted, instead of the machine's own.
    pub authorities: Option<Vec<u8>>,
    /// Lets the token travel over plain HTTP to an address other than this machine's.
    pub insecure: bool,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for an ordinary request; streams have none.
    pub timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            server: "http://127.0.0.1:7700".to_owned(),
            token: None,
            authorities: None,
            insecure: false,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
        }
    }
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Why a request brought no answer. Each variant is something a caller acts on differently.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration cannot work; no request was sent.
    #[error("{0}")]
    Config(String),
    /// Nobody answers at the address.
    #[error("cannot reach {server}: {cause}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What the system said.
        cause: String,
    },
    /// The answer did not come in time. Whether the request was carried out is not known.
    #[error("{server} did not answer in time")]
    TimedOut {
        /// The server's address.
        server: String,
    },
    /// The server refused.
    #[error("{}", .problem.detail)]
    Refused {
        /// What it said.
        problem: Box<Problem>,
        /// When to try again, where it said so.
        retry_after: Option<Duration>,
    },
    /// The answer is not one of this API: another program, or a server of another version.
    #[error("{server} does not speak Lepton's v1 API: {cause}")]
    Protocol {
        /// The server's address.
        server: String,
        /// What is wrong with the answer.
        cause: String,
    },
}

impl ClientError {
    /// HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { problem, .. } => Some(problem.status),
            _ => None,
        }
    }

    /// Whether the server said that the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }
}

/// A connection to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    server: String,
    token: Option<header::HeaderValue>,
    timeout: Duration,
}

impl Client {
    /// Checks the configuration; connects with the first request.
    ///
    /// # Errors
    /// [`ClientError::Config`]: an address that is none, a token that no header can hold or that would travel unencrypted,
    /// certificates that are none.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let base = address(&config.server)?;
        let local = is_loopback(&base);
        if config.token.is_some() && base.scheme() == "http" && !local && !config.insecure {
            return Err(ClientError::Config(format!(
                "{} is not encrypted, so the token would travel in clear; use https://, or allow it with insecure",
                config.server
            )));
        }
        // Fails only when a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("lepton/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .redirect(reqwest::redirect::Policy::none());
        if local {
            builder = builder.no_proxy();
        }
        builder = match &config.authorities {
            Some(pem) => {
                let wrong = |error: reqwest::Error| {
                    ClientError::Config(format!("authority certificates: {}", cause(&error)))
                };
                let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)?;
                if certificates.is_empty() {
                    return Err(ClientError::Config(
                        "authority certificates: the file holds none".to_owned(),
                    ));
                }
                builder.tls_certs_only(certificates)
            }
            // Reading the machine's certificates takes milliseconds, and fails where there are none.
            None if base.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        let http = builder.build().map_err(|error| ClientError::Config(cause(&error)))?;
        let token = config.token.as_deref().map(bearer).transpose()?;
        let server = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base, server, token, timeout: config.timeout })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A request with its own time limit; `path` holds segments that need no escaping.
    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, ClientError> {
        let url = self.base.join(path).map_err(|error| ClientError::Config(error.to_string()))?;
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.clone());
        }
        Ok(request)
    }

    async fn get<Q: Serialize + ?Sized, A: DeserializeOwned>(
        &self,
        path: &str,
        query: &Q,
    ) -> Result<A, ClientError> {
        let request = self.request(Method::GET, path)?.query(query).timeout(self.timeout);
        self.answer(self.send(request).await?).await
    }

    async fn post<B: Serialize + ?Sized, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<A, ClientError> {
        let request = self.request(Method::POST, path)?.json(body).timeout(self.timeout);
        self.answer(self.send(request).await?).await
    }

    /// Sends a request; refusals become errors.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn answer<A: DeserializeOwned>(&self, response: Response) -> Result<A, ClientError> {
        let body = self.body(response).await?;
        serde_json::from_slice(&body)
            .map_err(|error| self.protocol(format!("the answer does not read: {error}")))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.protocol(format!("the answer has more than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn refusal(&self, response: Response) -> ClientError {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let Ok(body) = self.body(response).await else { return self.protocol(unexpected(status)) };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => ClientError::Refused { problem: Box::new(problem), retry_after },
            Err(_) => self.protocol(unexpected(status)),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> ClientError {
        let server = self.server.clone();
        if error.is_timeout() && !error.is_connect() {
            ClientError::TimedOut { server }
        } else {
            ClientError::Unreachable { server, cause: cause(error) }
        }
    }

    fn protocol(&self, cause: String) -> ClientError {
        ClientError::Protocol { server: self.server.clone(), cause }
    }
}

fn unexpected(status: StatusCode) -> String {
    format!("it answered {status} without saying why")
}

fn address(text: &str) -> Result<Url, ClientError> {
    let wrong = |why: &str| {
        ClientError::Config(format!(
            "{text:?} is not a server's address ({why}); write it like http://127.0.0.1:7700"
        ))
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("the scheme is neither http nor https"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("no host"));
    }
    if url.path() != "/" || url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("only scheme, host and port belong there"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn bearer(token: &str) -> Result<header::HeaderValue, ClientError> {
    let mut value = header::HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| ClientError::Config("the token holds characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn cause(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(server: &str, token: Option<&str>) -> Option<String> {
        let config = ClientConfig {
            server: server.to_owned(),
            token: token.map(str::to_owned),
            ..ClientConfig::default()
        };
        Client::new(config).err().map(|error| error.to_string())
    }

    #[test]
    fn addresses_are_checked_before_anything_is_sent() {
        let check = |server: &str, token: Option<&str>, expect: Option<&str>| match (
            refused(server, token),
            expect,
        ) {
            (None, None) => {}
            (Some(error), Some(part)) => assert!(error.contains(part), "{server}: {error}"),
            (got, _) => assert_eq!(got.as_deref(), expect, "{server}"),
        };
        check("http://127.0.0.1:7700", Some("lpt_x"), None);
        check("http://[::1]:7700", Some("lpt_x"), None);
        check("http://localhost:7700", Some("lpt_x"), None);
        check("http://10.0.0.1:7700", None, None);
        check("http://10.0.0.1:7700", Some("lpt_x"), Some("would travel in clear"));
        check("127.0.0.1:7700", None, Some("is not a server's address"));
        check("ftp://host", None, Some("neither http nor https"));
        check("http://host/path", None, Some("only scheme, host and port"));
        check("http://user:word@host", None, Some("only scheme, host and port"));
        check("http://127.0.0.1:7700", Some("a\nb"), Some("no token has"));
    }
}
