//! A server of the routes an agent calls, over real sockets, that fails on command.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use lepton_agent::client::{Client, Endpoint};
use lepton_api::remote_write::{Limits, Protocol, Scratch, decode};
use lepton_api::v1::{AgentStatusInput, EventsInput};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What happens to a request instead of a 204.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// This status, nothing stored.
    Status(u16),
    /// 429 with a `Retry-After` of this many seconds.
    Busy(u64),
    /// Nothing stored and never an answer.
    Hang,
    /// The connection is cut before the body was read.
    Cut,
    /// Stored, and then the connection is cut: the acknowledgement is lost.
    StoredAndCut,
    /// Stored, and then never an answer.
    StoredAndHang,
}

/// What arrived.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Value bits by series and time.
    pub samples: BTreeMap<(String, i64), u64>,
    /// Samples that were stored before with the same value.
    pub repeated: usize,
    /// Samples that were stored before with another value.
    pub contradicted: usize,
    pub events: Vec<lepton_model::TimelineEntry>,
    pub statuses: Vec<AgentStatusInput>,
    pub joins: usize,
    pub authorizations: std::collections::BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<VecDeque<Fault>>,
    stored: Mutex<Stored>,
}

/// A running server.
pub(crate) struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), Arc::default()).await
    }

    async fn at(address: SocketAddr, shared: Arc<Shared>) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Refuses all connections, and breaks the open ones.
    pub(crate) async fn stop(self) -> Stopped {
        self.accepting.abort();
        let _ = self.accepting.await;
        Stopped { address: self.address, shared: self.shared }
    }

    pub(crate) fn client(&self) -> Arc<Client> {
        Client::new(Endpoint::parse(&self.url()).unwrap(), None)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.shared.faults.lock().extend(faults);
    }

    pub(crate) fn faults_left(&self) -> usize {
        self.shared.faults.lock().len()
    }

    pub(crate) fn stored<R>(&self, look: impl FnOnce(&Stored) -> R) -> R {
        look(&self.shared.stored.lock())
    }
}

/// A server that is down, with what it had.
pub(crate) struct Stopped {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Stopped {
    pub(crate) async fn start(self) -> Receiver {
        Receiver::at(self.address, self.shared).await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Ends, and with it every connection, when the task is aborted.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| handle(Arc::clone(&shared), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// `Err` makes hyper close the connection without an answer.
async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if let Some(token) = head.headers.get("authorization") {
        shared.stored.lock().authorizations.insert(token.to_str().unwrap().to_owned());
    }
    let answer =
        |status: u16, body: String| Ok(Response::builder().status(status).body(Full::from(body)).unwrap());
    match path.rsplit('/').next().unwrap_or_default() {
        "join" => {
            shared.stored.lock().joins += 1;
            return answer(200, r#"{"node":"edge-1","token":"lpt_agent","lease":"3s"}"#.to_owned());
        }
        "assignment" => {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = lepton_agent::supervise::Clock::wall(&lepton_agent::supervise::SystemClock);
            let report =
                format!(r#"{{"generation":0,"streams":[],"streams_version":1,"now":"{now}","lease":"3s"}}"#);
            return answer(200, report);
        }
        "status" => {
            let input = serde_json::from_slice(&body.collect().await.map_err(|_| "cut")?.to_bytes()).unwrap();
            shared.stored.lock().statuses.push(input);
            return answer(204, String::new());
        }
        _ => {}
    }
    let fault = shared.faults.lock().pop_front();
    match fault {
        Some(Fault::Status(status)) => return answer(status, r#"{"detail":"as told"}"#.to_owned()),
        Some(Fault::Busy(seconds)) => {
            let response =
                Response::builder().status(429).header("retry-after", seconds).body(Full::default());
            return Ok(response.unwrap());
        }
        Some(Fault::Hang) => match std::future::pending::<Infallible>().await {},
        Some(Fault::Cut) => return Err("cut"),
        Some(Fault::StoredAndCut | Fault::StoredAndHang) | None => {}
    }
    let bytes = body.collect().await.map_err(|_| "cut")?.to_bytes();
    if path.ends_with("/events") {
        let input: EventsInput = serde_json::from_slice(&bytes).unwrap();
        shared.stored.lock().events.extend(input.entries);
    } else {
        let content = head.headers["content-type"].to_str().unwrap();
        store(&shared, Protocol::from_content_type(content).unwrap(), &bytes);
    }
    match fault {
        Some(Fault::StoredAndCut) => Err("cut"),
        Some(Fault::StoredAndHang) => match std::future::pending::<Infallible>().await {},
        _ if path.ends_with("/events") => answer(200, r#"{"accepted":1,"known":0}"#.to_owned()),
        _ => answer(204, String::new()),
    }
}

fn store(shared: &Shared, protocol: Protocol, body: &[u8]) {
    let mut stored = shared.stored.lock();
    decode(protocol, body, &Limits::default(), &mut Scratch::default(), |labels, samples| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
        assert!(labels.is_sorted());
        for (stamp, value) in samples {
            match stored.samples.insert((labels.join(","), *stamp), value.to_bits()) {
                None => {}
                Some(before) if before == value.to_bits() => stored.repeated += 1,
                Some(_) => stored.contradicted += 1,
            }
        }
    })
    .unwrap();
}

/// Waits until `right`, at most 30 s.
pub(crate) async fn until(what: &str, mut right: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !right() {
        assert!(began.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
