//! A whole agent against a server: join, measure, ship, report, be cut off, come back, be started anew.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lepton_agent::{AgentConfig, Secret};
use lepton_model::{Act, Name, Outcome, Period};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::receiver::{Receiver, until};

fn start(folder: &Path, server: &Receiver, token: Option<&str>) -> (JoinHandle<()>, CancellationToken) {
    let config = AgentConfig {
        name: Some(Name::new("edge-1").unwrap()),
        state_dir: folder.to_path_buf(),
        server: Some(server.url()),
        join_token: token.map(|token| Secret(token.to_owned())),
        interval: Period::from_secs(1),
        cgroups: false,
        ..AgentConfig::default()
    };
    let stop = CancellationToken::new();
    let run = lepton_agent::run(config, stop.clone());
    (tokio::spawn(async move { Box::pin(run).await.unwrap() }), stop)
}

fn stamps(server: &Receiver) -> Vec<i64> {
    server.stored(|stored| {
        let load = stored.samples.keys().filter(|(series, _)| series == "__name__=node_load1,node=edge-1");
        load.map(|(_, stamp)| *stamp).collect()
    })
}

#[tokio::test]
async fn joined_once_it_measures_reports_and_outlives_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Receiver::start().await;
    let (agent, stop) = start(folder.path(), &server, Some("lpt_join"));
    until("samples", || stamps(&server).len() >= 2).await;
    until("a status", || server.stored(|stored| !stored.statuses.is_empty())).await;
    server.stored(|stored| {
        assert_eq!(stored.joins, 1);
        assert!(
            stored.authorizations.contains("Bearer lpt_join")
                && stored.authorizations.contains("Bearer lpt_agent")
        );
        let status = stored.statuses.last().unwrap();
        assert!(status.capacity.cpu.as_millis() >= 1_000 && status.capacity.memory.get() > 1 << 20);
        assert!(!status.facts.kernel.is_empty());
        let one_tick = stored.samples.keys().filter(|(_, stamp)| *stamp == stamps_of_first(stored)).count();
        assert!(one_tick > 400, "{one_tick} series");
        assert!(stored.samples.keys().all(|(series, _)| series.contains("node=edge-1")));
    });
    let mode = folder.path().join("credential.json").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The server goes away for longer than the lease allows, and comes back.
    let before = stamps(&server).len();
    let stopped = server.stop().await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let server = stopped.start().await;
    until("the gap", || stamps(&server).len() >= before + 4).await;
    until("both link events", || server.stored(|stored| stored.events.len() >= 2)).await;
    server.stored(|stored| {
        let link: Vec<_> = stored.events.iter().filter(|e| e.act == Act::Link).map(|e| e.outcome).collect();
        assert_eq!(link, [Outcome::Failed, Outcome::Ok]);
        assert_eq!(stored.contradicted, 0);
    });
    let all = stamps(&server);
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] <= 2_000), "no gap: {all:?}");

    // Stopped and started anew: the credential serves, no token is needed, and a second agent is kept out.
    stop.cancel();
    agent.await.unwrap();
    let (agent, stop) = start(folder.path(), &server, None);
    let before = stamps(&server).len();
    until("samples of the second agent", || stamps(&server).len() > before + 1).await;
    let config = AgentConfig {
        state_dir: folder.path().to_path_buf(),
        server: Some(server.url()),
        ..AgentConfig::default()
    };
    let second = Box::pin(lepton_agent::run(config, CancellationToken::new())).await;
    assert!(matches!(second, Err(lepton_agent::AgentError::Running(_))));
    assert_eq!(server.stored(|stored| stored.joins), 1);
    stop.cancel();
    agent.await.unwrap();
}

fn stamps_of_first(stored: &super::receiver::Stored) -> i64 {
    stored.samples.keys().map(|(_, stamp)| *stamp).min().unwrap()
}

#[tokio::test]
async fn without_token_or_credential_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Receiver::start().await;
    let config = AgentConfig {
        state_dir: folder.path().to_path_buf(),
        server: Some(server.url()),
        ..AgentConfig::default()
    };
    let error = Box::pin(lepton_agent::run(config, CancellationToken::new())).await.unwrap_err();
    assert!(error.to_string().contains("--join-token-file"), "{error}");
}
