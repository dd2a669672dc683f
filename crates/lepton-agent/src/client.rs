//! A lean HTTP/1.1 client: one server, a few kept connections, bounded answers.
//!
//! hyper's connections directly, because what an agent needs of a client is small (no redirects, cookies, proxies,
//! HTTP/2) and it has to be forgettable: with it the whole agent stays under 8 MB resident, 1.7 MB of that its own
//! (`lepton-bench agent-weight`). The typed client of `lepton-api`, on reqwest, is for everyone else.

mod endpoint;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

pub use endpoint::{Endpoint, EndpointError};
pub use tls::{Tls, TlsError};

/// What travels in a request: bytes, or a stream of them.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// Largest answer: an assignment of some thousand replicas.
const MAX_ANSWER: usize = 8 << 20;

/// Connections kept open: one waits in the long poll, one carries everything else.
const MAX_IDLE: usize = 2;

/// Why there was no answer. All of these are worth another attempt later.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nobody there, or the network between is cut.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] std::io::Error),
    /// There, but TLS was not agreed on: a certificate that is not trusted, or no TLS at all.
    #[error("no TLS with {0}")]
    Tls(String, #[source] std::io::Error),
    /// The connection broke before the whole answer was there. The request may have been carried out.
    #[error("the connection broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time. The request may have been carried out.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// Seconds of `Retry-After`. The form with a date is not read: clocks differ.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// What the server says went wrong, in a line: the detail of a problem document, or the start of the body.
    pub fn complaint(&self) -> String {
        let detail = serde_json::from_slice::<serde_json::Value>(&self.body).ok();
        let detail = detail.as_ref().and_then(|problem| problem.get("detail")?.as_str());
        let text = detail.map_or_else(|| String::from_utf8_lossy(&self.body).into_owned(), str::to_owned);
        format!("{}: {}", self.status, text.trim().chars().take(300).collect::<String>())
    }
}

type Sender = http1::SendRequest<Body>;

/// Talks to one server.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    tls: Option<Tls>,
    idle: Mutex<Vec<Sender>>,
}

impl Client {
    /// A client of `endpoint`; `tls` is used when the endpoint wants it.
    pub fn new(endpoint: Endpoint, tls: Option<Tls>) -> Arc<Self> {
        Arc::new(Self { endpoint, tls, idle: Mutex::new(Vec::new()) })
    }

    /// Whom it talks to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A request of this server; `path` begins with `/`.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.endpoint.authority())
            .header(header::USER_AGENT, concat!("lepton-agent/", env!("CARGO_PKG_VERSION")))
    }

    /// Sends a request and reads the answer, all within `timeout`.
    ///
    /// # Errors
    /// There was no whole answer.
    pub async fn send(&self, request: Request<Body>, timeout: Duration) -> Result<Answer, SendError> {
        match tokio::time::timeout(timeout, Box::pin(self.exchange(request))).await {
            Ok(result) => result,
            Err(_) => Err(SendError::TimedOut(timeout)),
        }
    }

    async fn exchange(&self, mut request: Request<Body>) -> Result<Answer, SendError> {
        // A kept connection may have been closed by the server meanwhile; then the request comes back unsent.
        loop {
            let kept = self.idle.lock().pop();
            let (mut sender, was_kept) = match kept {
                Some(sender) if sender.is_ready() => (sender, true),
                Some(_) => continue,
                None => (self.connect().await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let body =
                        Limited::new(body, MAX_ANSWER).collect().await.map_err(SendError::Broken)?.to_bytes();
                    let mut idle = self.idle.lock();
                    if idle.len() < MAX_IDLE && sender.is_ready() {
                        idle.push(sender);
                    }
                    return Ok(Answer { status: head.status, headers: head.headers, body });
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if was_kept => request = unsent,
                    _ => return Err(SendError::Broken(Box::new(error.into_error()))),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Sender, SendError> {
        match tokio::time::timeout(CONNECT, Box::pin(self.dial())).await {
            Ok(result) => result,
            Err(_) => Err(SendError::TimedOut(CONNECT)),
        }
    }

    async fn dial(&self) -> Result<Sender, SendError> {
        let name = || self.endpoint.authority().to_owned();
        let stream =
            TcpStream::connect(self.endpoint.address()).await.map_err(|e| SendError::Connect(name(), e))?;
        // Requests are written in one piece; waiting for more to send would only delay them.
        stream.set_nodelay(true).map_err(|e| SendError::Connect(name(), e))?;
        match &self.tls {
            Some(tls) if self.endpoint.is_tls() => {
                let stream =
                    tls.connect(self.endpoint.host(), stream).await.map_err(|e| SendError::Tls(name(), e))?;
                serve(stream).await
            }
            _ => serve(stream).await,
        }
    }
}

/// Speaks HTTP over a stream; the connection ends when its sender is dropped.
async fn serve<S>(stream: S) -> Result<Sender, SendError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| SendError::Broken(Box::new(error)))?;
    // Its errors reach whoever waits for the answer.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// A body of bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
