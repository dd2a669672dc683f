//! A server with its agents.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::network::{Namespace, kill};
use crate::process::{Process, binary};
use crate::wait::{until, within};

const SERVER: &str = "10.231.0.1:7700";

/// A server in its namespace, and the nodes that have joined it.
#[derive(Debug)]
pub struct Estate {
    /// The nodes, in the order they joined.
    pub nodes: Vec<Node>,
    server: Option<Process>,
    hub: Namespace,
    folder: TempDir,
}

/// A node: an agent in its namespace.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The agent; `None` while it is down.
    pub agent: Option<Process>,
    /// Where it runs.
    pub namespace: Namespace,
    /// The agent's folder.
    pub state: PathBuf,
    link: String,
    labels: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Estate {
    /// Starts a server whose nodes are lost after `lease`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(lease: Duration) -> Result<Self> {
        let hub = Namespace::new("s")?;
        hub.make_hub("10.231.0.1")?;
        let folder = tempfile::tempdir()?;
        let config = format!("listen = \"{SERVER}\"\ninsecure = true\nlease = \"{}ms\"\n", lease.as_millis());
        std::fs::write(folder.path().join("server.toml"), config)?;
        let mut estate = Self { nodes: Vec::new(), server: None, hub, folder };
        estate.start_server()?;
        Ok(estate)
    }

    /// Starts the server on what is in its folder.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn start_server(&mut self) -> Result<()> {
        let mut command = self.hub.command(binary("lepton")?);
        command.args(["server", "--config"]).arg(self.folder.path().join("server.toml"));
        command.arg("--data").arg(self.data());
        self.server = Some(Process::start(&mut command, &self.folder.path().join("server.log"))?);
        until("the server to answer", || Ok(self.lepton(&["status"]).is_ok()))
            .with_context(|| self.server_log())
    }

    /// Kills the server as a crash would.
    pub fn kill_server(&mut self) {
        // `nsenter` has replaced itself by the server.
        self.server = None;
    }

    /// The end of the server's log.
    pub fn server_log(&self) -> String {
        self.server.as_ref().map(Process::tail).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for what a test needs besides.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// The server's namespace.
    pub fn hub(&self) -> &Namespace {
        &self.hub
    }

    /// A `lepton` command that talks to the server as its administrator.
    ///
    /// # Errors
    /// When the binary is not there.
    pub fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = self.hub.command(binary("lepton")?);
        command
            .args(args)
            .env("LEPTON_SERVER", format!("http://{SERVER}"))
            .env("LEPTON_TOKEN_FILE", self.data().join("admin.token"))
            .env("LEPTON_INSECURE", "1")
            .env("HOME", self.folder.path());
        Ok(command)
    }

    /// Runs a `lepton` command; its standard output.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn lepton(&self, args: &[&str]) -> Result<String> {
        let output = self.command(args)?.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            output.status.success(),
            "lepton {}: {}: {}{}",
            args.join(" "),
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }

    /// Applies a manifest.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(&self, manifest: &Value) -> Result<()> {
        let file =
            self.folder.path().join(format!("{}.json", manifest["name"].as_str().unwrap_or("manifest")));
        std::fs::write(&file, serde_json::to_string(manifest)?)?;
        self.lepton(&["apply", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// The rows of a statement.
    ///
    /// # Errors
    /// When it fails.
    pub fn sql(&self, query: &str) -> Result<Vec<Value>> {
        let mut report: Value = serde_json::from_str(&self.lepton(&["sql", "-o", "json", query])?)?;
        let names: Vec<String> = report["columns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|column| column["name"].as_str().map(str::to_owned))
            .collect();
        let rows: Vec<Vec<Value>> = serde_json::from_value(report["rows"].take())?;
        let object = |row: Vec<Value>| Value::Object(names.iter().cloned().zip(row).collect());
        Ok(rows.into_iter().map(object).collect())
    }

    /// The only value of a statement.
    ///
    /// # Errors
    /// When it fails or gives anything but one row with one column.
    pub fn value(&self, query: &str) -> Result<Value> {
        let rows = self.sql(query)?;
        match rows.as_slice() {
            [Value::Object(row)] if row.len() == 1 => Ok(row.values().next().cloned().unwrap_or(Value::Null)),
            _ => bail!("wanted one value from {query}, got {rows:?}"),
        }
    }

    /// The number that a statement gives.
    ///
    /// # Errors
    /// When it gives anything else.
    pub fn count(&self, query: &str) -> Result<i64> {
        self.value(query)?.as_i64().with_context(|| format!("wanted a number from {query}"))
    }

    /// Waits until a statement gives a number for which `holds`.
    ///
    /// # Errors
    /// When the time is over.
    pub fn wait_count(&self, limit: Duration, query: &str, holds: impl Fn(i64) -> bool) -> Result<i64> {
        let mut last = None;
        let found = within(limit, query, || {
            let count = self.count(query)?;
            last = Some(count);
            Ok(holds(count).then_some(count))
        });
        found.with_context(|| format!("last: {last:?}\n{}\n{}", self.story(), self.server_log()))
    }

    /// The newest timeline entries, for a failing test.
    pub fn story(&self) -> String {
        self.lepton(&[
            "sql",
            "SELECT at, actor, act, name, ordinal, node, reason FROM timeline ORDER BY at DESC LIMIT 40",
        ])
        .unwrap_or_else(|error| error.to_string())
    }

    /// Adds a node with labels and joins its agent.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn join(&mut self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let state = self.folder.path().join(name);
        self.join_with(name, labels, state, &[])
    }

    /// The same with a given folder for the agent and additional environment.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn join_with(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        state: PathBuf,
        environment: &[(&str, &str)],
    ) -> Result<()> {
        let namespace = Namespace::new(name)?;
        let at = self.nodes.len();
        let link = format!("va{at}");
        self.hub.connect(&namespace, &link, &format!("10.231.0.{}", at + 2))?;
        std::fs::create_dir_all(&state)?;
        let token = self.folder.path().join(format!("{name}.join"));
        self.lepton(&["token", "create", name, "--role", "join", "--save", &token.to_string_lossy()])?;
        let mut all: Vec<(String, String)> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        all.push(("LEPTON_JOIN_TOKEN_FILE".to_owned(), token.to_string_lossy().into_owned()));
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let called = name.to_owned();
        self.nodes.push(Node { name: called, agent: None, namespace, state, link, labels, environment: all });
        self.start_agent(at)?;
        let query = format!("SELECT count(*) FROM nodes WHERE name = '{name}' AND phase = 'ready'");
        let ready = self.wait_count(Duration::from_secs(60), &query, |count| count == 1);
        ready.map(drop).with_context(|| self.nodes.get(at).map(Node::log).unwrap_or_default())
    }

    /// Starts a node's agent.
    ///
    /// # Errors
    /// When the binary is not there.
    pub fn start_agent(&mut self, at: usize) -> Result<()> {
        let log = self.folder.path().join(format!("agent-{at}.log"));
        let node = self.nodes.get_mut(at).context("no such node")?;
        let mut command = node.namespace.command("env");
        command.args(node.environment.iter().map(|(key, value)| format!("{key}={value}")));
        command.arg(binary("lepton-agent")?);
        command.args([
            "--server",
            &format!("http://{SERVER}"),
            "--insecure",
            "--interval",
            "1s",
            "--name",
            &node.name,
        ]);
        command.arg("--state-dir").arg(&node.state);
        for label in &node.labels {
            command.args(["--label", label]);
        }
        node.agent = Some(Process::start(&mut command, &log)?);
        Ok(())
    }

    /// Cuts a node's link, or mends it.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn set_link(&self, at: usize, up: bool) -> Result<()> {
        let node = self.nodes.get(at).context("no such node")?;
        self.hub.ip(&["link", "set", &node.link, if up { "up" } else { "down" }])
    }

    /// The position of the node with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn position(&self, name: &str) -> Result<usize> {
        self.nodes.iter().position(|node| node.name == name).with_context(|| format!("no node {name}"))
    }
}

impl Node {
    /// The end of its agent's log.
    pub fn log(&self) -> String {
        self.agent.as_ref().map(Process::tail).unwrap_or_default()
    }

    /// Processes in its namespace whose command line holds `text`.
    pub fn processes(&self, text: &str) -> Vec<i32> {
        let holds = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(text)
        };
        self.namespace.pids().into_iter().filter(holds).collect()
    }

    /// Kills a process of it as a crash would.
    pub fn kill(&self, pid: i32) {
        kill(pid);
    }
}
