//! A running server and hands to talk to it.

use std::time::{Duration, Instant};

use lepton_control::{RunningServer, ServerConfig};
use lepton_model::Period;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Estate {
    pub server: RunningServer,
    pub admin: String,
    pub http: reqwest::Client,
    pub folder: tempfile::TempDir,
}

/// A configuration for tests in a new folder: any free port, a short lease.
pub fn config(folder: &tempfile::TempDir) -> ServerConfig {
    ServerConfig {
        data: folder.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        lease: Period::from_millis(1_000),
        drain: Period::from_secs(5),
        ..ServerConfig::default()
    }
}

impl Estate {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&folder);
        change(&mut config);
        Self::start(config, folder).await
    }

    pub async fn start(config: ServerConfig, folder: tempfile::TempDir) -> Self {
        let server = Box::pin(RunningServer::start(config)).await.unwrap();
        let admin = std::fs::read_to_string(server.admin_token_path()).unwrap().trim().to_owned();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { server, admin, http, folder }
    }

    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.server.url()));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path, &self.admin).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.post_as(&self.admin, path, body).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path, token).json(&body).send().await.unwrap()).await
    }

    /// Applies one manifest and expects it to be taken.
    pub async fn apply(&self, manifest: Value) -> Value {
        let (status, report) = self.post("/v1/apply", json!({ "manifests": [manifest] })).await;
        assert_eq!(status, 200, "{report}");
        report
    }

    /// Makes a token and returns its secret.
    pub async fn token(&self, name: &str, role: &str, project: Option<&str>) -> String {
        let mut input = json!({"name": name, "role": role});
        if let Some(project) = project {
            input["project"] = project.into();
        }
        let (status, token) = self.post("/v1/tokens", input).await;
        assert_eq!(status, 201, "{token}");
        token["secret"].as_str().unwrap().to_owned()
    }

    /// Joins a node with 4 cores and 8 GiB.
    pub async fn join(&self, name: &str) -> Agent<'_> {
        let token = self.token("join", "join", None).await;
        let input = json!({"name": name, "facts": facts(name), "capacity": capacity()});
        let (status, report) = self.post_as(&token, "/v1/agents/join", input).await;
        assert_eq!(status, 201, "{report}");
        let token = report["token"].as_str().unwrap().to_owned();
        let agent = Agent { estate: self, name: name.to_owned(), token };
        agent.report(0, json!([])).await;
        agent
    }

    /// Asks for `path` until `done` holds of the answer.
    pub async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let (_, value) = self.get(path).await;
            if done(&value) {
                return value;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain on {path}: {value:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub fn facts(name: &str) -> Value {
    json!({"hostname": name, "machine_id": format!("machine-{name}"), "architecture": "x86_64"})
}

pub fn capacity() -> Value {
    json!({"cpu": "4", "memory": "8Gi"})
}

pub async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// An agent as the wire sees it.
pub struct Agent<'a> {
    pub estate: &'a Estate,
    pub name: String,
    pub token: String,
}

impl Agent<'_> {
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/agents/{}/{rest}", self.name)
    }

    /// Reports the node's state.
    pub async fn report(&self, generation: u64, replicas: Value) {
        let now = lepton_model::Timestamp::from_millis(
            i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
        );
        let input = json!({
            "generation": generation, "facts": facts(&self.name), "capacity": capacity(), "replicas": replicas, "now": now,
        });
        let request = self.estate.request(Method::PUT, &self.path("status"), &self.token).json(&input);
        let (status, body) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, 204, "{body}");
    }

    /// Polls once.
    pub async fn poll(&self, generation: u64, wait: &str) -> Value {
        let path = self.path(&format!("assignment?generation={generation}&streams=0&wait={wait}"));
        let (status, body) =
            answer(self.estate.request(Method::GET, &path, &self.token).send().await.unwrap()).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Polls until the assignment satisfies `done`.
    pub async fn poll_until(&self, done: impl Fn(&[Value]) -> bool) -> Value {
        let start = Instant::now();
        let mut generation = 0;
        loop {
            let report = self.poll(generation, "2s").await;
            if let Some(replicas) = report["assignment"]["replicas"].as_array()
                && done(replicas)
            {
                return report;
            }
            generation = report["generation"].as_u64().unwrap();
            assert!(start.elapsed() < PATIENCE, "the assignment never came: {report:#}");
        }
    }

    /// Reports every replica of an assignment in one phase.
    pub async fn obey(&self, assignment: &Value, phase: &str) {
        let replicas: Vec<Value> = assignment["assignment"]["replicas"]
            .as_array()
            .unwrap()
            .iter()
            .map(|assigned| {
                let mut report = assigned["replica"].clone();
                report["incarnation"] = assigned["incarnation"].clone();
                report["generation"] = assigned["generation"].clone();
                report["node"] = self.name.clone().into();
                report["phase"] = phase.into();
                report
            })
            .collect();
        self.report(assignment["generation"].as_u64().unwrap(), replicas.into()).await;
    }
}

pub fn service(name: &str, replicas: u32) -> Value {
    json!({"kind": "service", "name": name, "spec": {"replicas": replicas, "command": ["sleep", "1000"]}})
}
