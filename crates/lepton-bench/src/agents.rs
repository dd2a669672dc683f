//! Many agents on one server: how soon a change reaches the last of them.
//!
//! A real server process; its agents are simulated up to what they say on the wire: each joins with a one-time token of its
//! own, reports its status within every third of its lease, and waits for its assignment in a long poll on a connection of
//! its own. Then a service for every node is applied, and the clock runs until every agent holds its replica: planning,
//! storing and telling included.

mod crowd;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::report::Report;
use crate::survival::Server;
use crowd::Crowd;

/// Most replicas of one service, and so the size of a cohort of nodes.
const COHORT: u32 = 10_000;

/// Flags of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many agents.
    #[arg(long, default_value_t = 100_000)]
    agents: u32,
    /// Time without contact after which a node is lost, in seconds.
    #[arg(long, default_value_t = 60)]
    lease: u32,
    /// Longest wait for the last agent, in seconds.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// The `lepton` binary; the one beside this one when absent.
    #[arg(long)]
    server: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Report> {
    raise_file_limit(u64::from(arguments.agents) + 500)?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("server.toml");
    std::fs::write(
        &config,
        format!(
            "lease = \"{}s\"\n[limits]\nchanges_per_second = 1000000\nconnections = {}\n",
            arguments.lease,
            arguments.agents + 10_000
        ),
    )?;
    let server = Server::start_with(arguments.server.clone(), folder.path(), Some(&config))?;
    let reach = server.reach();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let start = Instant::now();
    let lease = Duration::from_secs(arguments.lease.into());
    let crowd = runtime.block_on(Crowd::join(&server, arguments.agents, lease, cohort))?;
    let joining = start.elapsed().as_secs_f64();
    wait("every node to be ready", arguments.seconds, || {
        crowd.told()?;
        let rows = reach.sql("SELECT count(*) FROM nodes WHERE phase = 'ready'")?;
        Ok(rows.first().and_then(|row| row.first()).and_then(Value::as_u64) == Some(arguments.agents.into()))
    })?;

    let manifests: Vec<Value> = (0..arguments.agents.div_ceil(COHORT))
        .map(|number| {
            json!({
                "kind": "service",
                "name": format!("everywhere-{number}"),
                "spec": {
                    "command": ["true"],
                    "replicas": COHORT.min(arguments.agents - number * COHORT),
                    "placement": {
                        "selector": format!("cohort={number}"),
                        "spread": [{ "by": "node", "max_skew": 1, "required": true }],
                    },
                },
            })
        })
        .collect();
    let body = serde_json::to_vec(&json!({ "manifests": manifests }))?;
    let before = server.usage()?;
    let start = Instant::now();
    let status = reach.post("/v1/apply", &[("Content-Type", "application/json")], &body)?;
    ensure!(status == 200, "apply was answered with {status}");
    let applied = start.elapsed().as_secs_f64();
    wait("every agent to be told", arguments.seconds, || Ok(crowd.told()? == arguments.agents as usize))?;
    let told = crowd.moments().map(|at| at.duration_since(start).as_secs_f64());
    let (first, last) = told.fold((f64::MAX, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)));
    let after = server.usage()?;

    let mut table = String::new();
    let per_second = f64::from(arguments.agents) / joining;
    let _ = writeln!(table, "{} agents joined in {joining:.1} s ({per_second:.0}/s)", arguments.agents);
    let _ = writeln!(
        table,
        "a service for each: stored after {applied:.2} s, the first agent told after {first:.2} s, the last after {last:.2} s"
    );
    let cpu = after.cpu_seconds - before.cpu_seconds;
    let _ = writeln!(table, "server: {cpu:.2} s of CPU for the change, {:.0} MB resident", after.rss_mb);
    let metrics = json!({
        "agents": arguments.agents,
        "joined_per_second": per_second,
        "applied_seconds": applied,
        "first_seconds": first,
        "last_seconds": last,
        "cpu_seconds": cpu,
        "rss_mb": after.rss_mb,
    });
    Ok(Report { bench: "agents", table, metrics })
}

/// The label that says which service an agent's node is for.
fn cohort(number: u32) -> String {
    (number / COHORT).to_string()
}

fn wait(what: &str, seconds: u64, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !holds()? {
        ensure!(start.elapsed() < Duration::from_secs(seconds), "waited {seconds} s for {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Each agent is a connection: a file of this process and one of the server's, which inherits the limit.
fn raise_file_limit(files: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    // Above the hard limit only root gets.
    let maximum = limit.maximum.map(|maximum| maximum.max(files));
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum })
        .with_context(|| format!("this needs {files} open files; raise `ulimit -n` or take fewer agents"))
}
