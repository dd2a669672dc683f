//! Programs that other tests run: this very test binary, told by its environment what to be.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lepton_agent::supervise::{Contact, Supervisor};
use lepton_model::AssignmentSpec;
use tokio::sync::{mpsc, watch};

use super::rig::config;

/// The command that runs one of the programs below.
pub fn command(program: &str) -> Vec<String> {
    let itself = std::env::current_exe().unwrap().display().to_string();
    let test = format!("{}::{program}", module_path!().split_once("::").unwrap().1);
    vec![itself, "--exact".into(), test, "--ignored".into(), "--nocapture".into()]
}

/// An HTTP server on `PORT`: answers `200 well`; after `GET /hang` it accepts and never answers again.
#[test]
#[ignore = "a program that other tests run"]
fn server() {
    let port: u16 = std::env::var("PORT").expect("run by another test").parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut kept = Vec::new();
    let mut hangs = false;
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        if hangs {
            kept.push(stream);
            continue;
        }
        let mut request = [0; 1_024];
        let length = stream.read(&mut request).unwrap_or(0);
        hangs = request[..length].starts_with(b"GET /hang");
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell");
    }
}

/// An agent on the folder `AGENT_DIR` that obeys `assignment.json` there, until it is killed.
#[test]
#[ignore = "a program that other tests run"]
fn agent() {
    let dir = PathBuf::from(std::env::var("AGENT_DIR").expect("run by another test"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (events, mut received) = mpsc::channel(1_000);
        let (_contact, contact) = watch::channel(Contact::never(Duration::from_secs(15)));
        let supervisor = Supervisor::open(config(&dir), events, contact).await.unwrap();
        let text = std::fs::read(dir.join("assignment.json")).unwrap();
        let (generation, replicas) = serde_json::from_slice(&text).unwrap();
        let assignment = AssignmentSpec { replicas, runbooks: BTreeMap::new(), plan: None };
        supervisor.apply(generation, assignment).await.unwrap();
        while received.recv().await.is_some() {}
    });
}

/// Starts [`agent`] as a process of its own, killed when dropped: as a crash does it, without a word.
pub struct Agent(std::process::Child);

impl Agent {
    pub fn start(dir: &Path, generation: u64, replicas: &[lepton_model::AssignedReplica]) -> Self {
        std::fs::write(dir.join("assignment.json"), serde_json::to_vec(&(generation, replicas)).unwrap())
            .unwrap();
        let command = command("agent");
        let child = std::process::Command::new(&command[0])
            .args(&command[1..])
            .env("AGENT_DIR", dir)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
