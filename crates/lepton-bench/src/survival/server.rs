//! A server process that is killed and started again on one folder and one port.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::process::{Used, tree};

use super::writer::{BATCH, METRIC};

/// How to talk to it.
#[derive(Clone)]
pub struct Reach {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// `Bearer …`
    pub authorization: String,
    agent: ureq::Agent,
}

impl Reach {
    /// Status of a POST; an error when there was no whole answer.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<u16> {
        let mut request =
            self.agent.post(format!("{}{path}", self.url)).header("Authorization", &self.authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.send(body)?;
        let status = answer.status().as_u16();
        // Only an answer that came whole is an acknowledgement.
        answer.body_mut().read_to_vec()?;
        Ok(status)
    }

    /// The rows of a statement.
    pub fn sql(&self, query: &str) -> Result<Vec<Vec<Value>>> {
        let mut answer = self
            .agent
            .post(format!("{}/v1/sql", self.url))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json")
            .send(json!({ "query": query }).to_string())?;
        let text = answer.body_mut().read_to_string()?;
        ensure!(answer.status() == 200, "{query}: {text}");
        let mut answer: Value = serde_json::from_str(&text)?;
        ensure!(answer["truncated"] == false, "{query}: cut short");
        Ok(serde_json::from_value(answer["rows"].take())?)
    }
}

/// What was there in the end.
pub struct Found {
    pub lost_samples: u64,
    pub double_samples: u64,
    pub objects: BTreeSet<u64>,
    pub entries: BTreeSet<u64>,
    pub double_entries: u64,
}

pub struct Server {
    binary: PathBuf,
    folder: PathBuf,
    port: u16,
    child: Child,
    authorization: String,
}

impl Server {
    pub fn start(binary: Option<PathBuf>, folder: &Path) -> Result<Self> {
        Self::start_with(binary, folder, None)
    }

    /// Starts it with a configuration file.
    pub fn start_with(binary: Option<PathBuf>, folder: &Path, config: Option<&Path>) -> Result<Self> {
        let beside = std::env::current_exe()?.with_file_name("lepton");
        let binary = binary.unwrap_or(beside);
        ensure!(
            binary.is_file(),
            "{} is not there; build it (cargo build --release -p lepton) or name one with --server",
            binary.display()
        );
        // Free now, and nobody else's a moment later on a machine that runs benchmarks.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = spawn(&binary, folder, port, config)?;
        let mut server =
            Self { binary, folder: folder.to_owned(), port, child, authorization: String::new() };
        server.wait_ready()?;
        let token =
            std::fs::read_to_string(folder.join("admin.token")).context("the server wrote no admin.token")?;
        server.authorization = format!("Bearer {}", token.trim());
        Ok(server)
    }

    pub fn reach(&self) -> Reach {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build();
        Reach {
            url: format!("http://127.0.0.1:{}", self.port),
            authorization: self.authorization.clone(),
            agent: config.into(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Memory and processor time so far.
    pub fn usage(&self) -> Result<Used> {
        tree(self.child.id())
    }

    /// `Bearer …` of its administrator.
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.binary, &self.folder, self.port, None)?;
        self.wait_ready()
    }

    fn wait_ready(&mut self) -> Result<()> {
        let reach = self.reach();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if let Ok(answer) = reach.agent.get(format!("{}/readyz", reach.url)).call()
                && answer.status() == 200
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
                anyhow::bail!("the server ended with {status}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        anyhow::bail!("the server is not ready after a minute")
    }

    /// Looks for what was acknowledged. `batches` are the acknowledged numbers of sample batches.
    pub fn found(&self, batches: &[u64]) -> Result<Found> {
        let reach = self.reach();
        let acknowledged: BTreeSet<u64> = batches.iter().copied().collect();
        let (mut lost_samples, mut double_samples) = (acknowledged.len() as u64 * BATCH as u64, 0);
        // The value of a sample is the number of its batch; each batch has one sample of each series.
        let per_batch = format!(
            "SELECT CAST(value AS INTEGER), count(*), count(DISTINCT series_number) FROM \
             (SELECT value, label(labels, 'n') AS series_number FROM samples WHERE metric = '{METRIC}') \
             GROUP BY 1 ORDER BY 1 LIMIT 5000 OFFSET "
        );
        for offset in (0..).step_by(5_000) {
            let rows = reach.sql(&format!("{per_batch}{offset}"))?;
            for row in &rows {
                let number = |at: usize| row.get(at).and_then(Value::as_u64).context("not a number");
                let (batch, count, distinct) = (number(0)?, number(1)?, number(2)?);
                if acknowledged.contains(&batch) {
                    lost_samples -= distinct.min(BATCH as u64);
                }
                double_samples += count - distinct;
            }
            if rows.len() < 5_000 {
                break;
            }
        }
        let numbers = |query: &str| -> Result<Vec<u64>> {
            let rows = reach.sql(query)?;
            Ok(rows
                .iter()
                .filter_map(|row| row.first()?.as_str()?.strip_prefix("made-")?.parse().ok())
                .collect())
        };
        let objects = numbers("SELECT name FROM runbooks")?;
        let entries = numbers("SELECT name FROM timeline WHERE act = 'apply' AND kind = 'runbook'")?;
        let distinct: BTreeSet<u64> = entries.iter().copied().collect();
        Ok(Found {
            lost_samples,
            double_samples,
            objects: objects.into_iter().collect(),
            double_entries: (entries.len() - distinct.len()) as u64,
            entries: distinct,
        })
    }
}

fn spawn(binary: &Path, folder: &Path, port: u16, config: Option<&Path>) -> Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("server.log"))?;
    let mut command = Command::new(binary);
    command.arg("server").arg("--data").arg(folder).args(["--listen", &format!("127.0.0.1:{port}")]);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("cannot start {}", binary.display()))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
