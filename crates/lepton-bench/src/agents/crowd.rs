//! The simulated agents.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use lepton_api::v1::{AgentStatusInput, AssignmentReport, JoinInput, JoinReport, TokenInput, TokenSecret};
use lepton_model::{Bytes as Size, Cpu, Facts, Name, Resources, Role, Timestamp};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

use crate::survival::Server;

/// Agents that join at the same time.
const AT_ONCE: usize = 64;
/// Connections from one address of this machine: it has about 28,000 ports for them.
const PER_ADDRESS: u32 = 20_000;

/// Agents that have joined.
pub(super) struct Crowd {
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    admin: String,
    lease: Duration,
    told: AtomicUsize,
    moments: Mutex<Vec<Instant>>,
    failed: Mutex<Option<anyhow::Error>>,
}

impl Crowd {
    /// Lets `count` agents join; their tasks go on until the runtime ends.
    pub async fn join(
        server: &Server,
        count: u32,
        lease: Duration,
        cohort: impl Fn(u32) -> String,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            server: server.address(),
            admin: server.authorization().to_owned(),
            lease,
            told: AtomicUsize::new(0),
            moments: Mutex::default(),
            failed: Mutex::default(),
        });
        let places = Arc::new(Semaphore::new(AT_ONCE));
        for number in 0..count {
            let place = Arc::clone(&places).acquire_owned().await?;
            let (own, cohort) = (Arc::clone(&shared), cohort(number));
            tokio::spawn(async move {
                let joined = Agent::join(&own, number, cohort).await;
                drop(place);
                let ended = match joined {
                    Ok(agent) => agent.live(&own).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = ended {
                    own.failed.lock().get_or_insert(error.context(format!("agent {number}")));
                }
            });
            if number % 10_000 == 9_999 {
                eprintln!("{} agents have joined", number + 1);
            }
            if let Some(error) = shared.failed.lock().take() {
                return Err(error);
            }
        }
        let _all = places.acquire_many(u32::try_from(AT_ONCE)?).await?;
        Ok(Self { shared })
    }

    /// How many hold a replica.
    ///
    /// # Errors
    /// The first failure of an agent.
    pub fn told(&self) -> Result<usize> {
        self.shared.failed.lock().take().map_or_else(|| Ok(self.shared.told.load(Ordering::Relaxed)), Err)
    }

    /// When each was told.
    pub fn moments(&self) -> impl Iterator<Item = Instant> {
        self.shared.moments.lock().clone().into_iter()
    }
}

struct Agent {
    name: Name,
    authorization: String,
    facts: Facts,
    capacity: Resources,
    /// For the long poll.
    wire: Wire,
}

impl Agent {
    async fn join(shared: &Shared, number: u32, cohort: String) -> Result<Self> {
        let mut wire = Wire::open(shared.server, number).await?;
        let name: Name = format!("sim-{number}").parse()?;
        let token = TokenInput {
            name: name.clone(),
            role: Role::Join,
            project: None,
            expires_in: None,
            description: String::new(),
        };
        let made: TokenSecret = wire.call(Method::POST, "/v1/tokens", &shared.admin, Some(&token)).await?;
        let facts = Facts { hostname: name.to_string(), machine_id: name.to_string(), ..Facts::default() };
        let capacity =
            Resources { cpu: Cpu::from_millis(2_000), memory: Size::mebi(4_096), ..Resources::default() };
        let input = JoinInput {
            name: Some(name.clone()),
            labels: [("cohort".to_owned(), cohort)].into_iter().collect(),
            facts: facts.clone(),
            capacity: capacity.clone(),
        };
        let secret = format!("Bearer {}", made.secret);
        let report: JoinReport = wire.call(Method::POST, "/v1/agents/join", &secret, Some(&input)).await?;
        let authorization = format!("Bearer {}", report.token);
        let mut agent = Self { name, authorization, facts, capacity, wire };
        agent.report(0).await?;
        Ok(agent)
    }

    /// Keeps the lease and waits for news, on one connection: a poll ends before a status is due.
    async fn live(mut self, shared: &Shared) -> Result<()> {
        let (mut generation, mut holds) = (0, false);
        loop {
            let wait = (shared.lease / 3).as_millis();
            let path = format!(
                "/v1/agents/{}/assignment?generation={generation}&streams=0&wait={wait}ms",
                self.name
            );
            let answer: AssignmentReport =
                self.wire.call(Method::GET, &path, &self.authorization, None::<&()>).await?;
            generation = answer.generation;
            if !holds && answer.assignment.is_some_and(|assignment| !assignment.replicas.is_empty()) {
                holds = true;
                shared.moments.lock().push(Instant::now());
                shared.told.fetch_add(1, Ordering::Relaxed);
            }
            self.report(generation).await?;
        }
    }

    async fn report(&mut self, generation: u64) -> Result<()> {
        let status = AgentStatusInput {
            generation,
            facts: self.facts.clone(),
            capacity: self.capacity.clone(),
            replicas: Vec::new(),
            ports_taken: Vec::new(),
            conditions: Vec::new(),
            now: Timestamp::from_millis(0),
        };
        let path = format!("/v1/agents/{}/status", self.name);
        self.wire.send(Method::PUT, &path, &self.authorization, Some(&status)).await.map(drop)
    }
}

/// One HTTP/1.1 connection.
struct Wire {
    sender: SendRequest<Full<Bytes>>,
}

impl Wire {
    async fn open(server: SocketAddr, number: u32) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        let [.., last] = (number / PER_ADDRESS).to_be_bytes();
        socket.bind((Ipv4Addr::new(127, 0, 1, last.saturating_add(1)), 0).into())?;
        let stream = socket.connect(server).await.context("cannot connect")?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        authorization: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Bytes> {
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .body(Full::from(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    async fn call<A: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        authorization: &str,
        body: Option<&impl Serialize>,
    ) -> Result<A> {
        Ok(serde_json::from_slice(&self.send(method, path, authorization, body).await?)?)
    }
}
