//! `lepton dev`: a server and an agent of this machine in one process, with nothing to set up.

mod greeting;

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use lepton_agent::link::Credential;
use lepton_agent::{AgentConfig, Secret};
use lepton_api::v1::TokenInput;
use lepton_api::{Client, ClientConfig};
use lepton_control::{RunningServer, ServeError, ServerConfig};
use lepton_model::{Kind, Name, NodePhase, NodeSpec, Object, Period, Role};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::EnvFilterText;
use super::agent::ended;
use super::server::refused;
use crate::command::get::interrupted;
use crate::context_file::{read_token, write_private};
use crate::failure::{Exit, Failure};
use crate::screen::Screen;
use crate::target::DevFile;

/// Ports that are tried after the wanted one.
const PORTS: u16 = 20;
/// Time in which the agent should have joined.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time the agent gets to stop its services and end.
const FAREWELL: Duration = Duration::from_secs(30);

/// Run a server and an agent on this machine, to try things: no root, no account, no set-up
#[derive(Debug, Args)]
#[command(after_help = "\
Everything lies in one folder, ./.lepton unless told otherwise. Commands given in this folder, or below it, find the server
and its token by themselves.

Ctrl-C stops server, agent and services. With --keep-services the services go on, and the next `lepton dev` takes them over.

Examples:
  lepton dev
  lepton dev --port 8800 --data /tmp/try
  lepton dev --keep-services")]
pub(crate) struct DevArgs {
    /// Folder for everything
    #[arg(long, default_value = ".lepton", value_name = "DIR")]
    pub data: PathBuf,
    /// Port on 127.0.0.1; 7700 or the next free one when absent
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Time between samples
    #[arg(long, default_value = "1s", value_name = "TIME")]
    pub interval: Period,
    /// Leave services running at the end
    #[arg(long)]
    pub keep_services: bool,
    /// What to log [env: LEPTON_LOG]
    #[arg(long, env = "LEPTON_LOG", hide_env = true, default_value = "warn", value_name = "FILTER")]
    pub log: EnvFilterText,
}

pub(crate) async fn run(args: DevArgs, screen: &Screen) -> Result<(), Failure> {
    super::log(&args.log);
    let data = std::path::absolute(&args.data)
        .map_err(|error| Failure::usage(format!("{}: {error}", args.data.display())))?;
    let _lock = lock(&data)?;
    let done = interrupted();
    if screen.interactive {
        screen.note("starting …");
    }
    let server = Box::pin(bind(&args, &data, screen)).await?;
    let result = Box::pin(with_agent(&args, &data, &server, &done, screen)).await;
    let _ = fs::remove_file(data.join(DevFile::NAME));
    Box::pin(server.shutdown()).await;
    result
}

/// One `lepton dev` per folder. The lock goes with the process, however it ends.
fn lock(data: &Path) -> Result<File, Failure> {
    let failed = |error: &std::io::Error| Failure::failed(format!("cannot use {}: {error}", data.display()));
    fs::create_dir_all(data).map_err(|error| failed(&error))?;
    let file = File::create(data.join("dev.lock")).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            Exit::Conflict,
            format!("`lepton dev` is running on {} already", data.display()),
        )
        .hint("use it (lepton status), or choose another folder with --data")),
    }
}

/// Starts the server on the wanted port, or on the next free one when none was asked for.
async fn bind(args: &DevArgs, data: &Path, screen: &Screen) -> Result<RunningServer, Failure> {
    let wanted = args.port.unwrap_or(7700);
    for port in wanted..=wanted.saturating_add(if args.port.is_some() { 0 } else { PORTS }) {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let config = ServerConfig { data: data.to_owned(), listen, ..ServerConfig::default() };
        match Box::pin(RunningServer::start(config)).await {
            Ok(server) => {
                if port != wanted {
                    screen.note(&format!("port {wanted} is taken; using {port}"));
                }
                return Ok(server);
            }
            Err(ServeError::Bind { .. }) if args.port.is_none() => {}
            Err(error) => return Err(refused(error).hint("lepton dev --help shows --port and --data")),
        }
    }
    Err(Failure::failed(format!("ports {wanted} to {} are all taken", wanted.saturating_add(PORTS)))
        .hint("name a free one with --port"))
}

async fn with_agent(
    args: &DevArgs,
    data: &Path,
    server: &RunningServer,
    done: &CancellationToken,
    screen: &Screen,
) -> Result<(), Failure> {
    let token = read_token(&server.admin_token_path())?;
    let client =
        Client::new(ClientConfig { server: server.url(), token: Some(token), ..ClientConfig::default() })?;
    let file = DevFile { server: server.url(), pid: std::process::id() };
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("cannot write into {}: {error}", data.display()))
    };
    let text = serde_json::to_vec_pretty(&file).map_err(|error| failed(&error))?;
    write_private(&data.join(DevFile::NAME), &text).map_err(|error| failed(&error))?;

    let config = agent_config(args, data, server, &client).await?;
    let stop = CancellationToken::new();
    let agent = lepton_agent::run(config, stop.clone());
    tokio::pin!(agent);
    let greeting = async {
        let node = joined(&client).await;
        greeting::print(args, server, node.as_ref(), screen)?;
        std::future::pending().await
    };
    tokio::select! {
        // An agent that ends by itself has failed.
        result = &mut agent => return result.map_err(|error| ended(&error)),
        result = greeting => return result,
        () = done.cancelled() => {}
    }
    let word =
        if args.keep_services { "services keep running" } else { "stopping services, agent and server" };
    screen.note(&format!("{word} … (Ctrl-C again to leave at once)"));
    stop.cancel();
    tokio::select! {
        result = &mut agent => result.map_err(|error| ended(&error)),
        () = tokio::time::sleep(FAREWELL) => {
            Err(Failure::new(Exit::TimedOut, format!("the agent did not end within {} s", FAREWELL.as_secs())))
        }
        _ = tokio::signal::ctrl_c() => Err(Failure::failed("left at once; services may still run")),
    }
}

async fn agent_config(
    args: &DevArgs,
    data: &Path,
    server: &RunningServer,
    client: &Client,
) -> Result<AgentConfig, Failure> {
    let state_dir = data.join("agent");
    let known = matches!(Credential::load(&state_dir), Ok(Some(_)));
    let join_token = if known { None } else { Some(Secret(join_token(client).await?)) };
    Ok(AgentConfig {
        state_dir,
        server: Some(server.url()),
        join_token,
        interval: args.interval,
        stop_services: !args.keep_services,
        labels: [("cloud".to_owned(), "local".to_owned())].into(),
        ..AgentConfig::default()
    })
}

/// A token that lets one agent join, within a minute.
async fn join_token(client: &Client) -> Result<String, Failure> {
    let name = Name::new("dev-agent").map_err(|error| Failure::failed(error.to_string()))?;
    let join = TokenInput {
        name,
        role: Role::Join,
        project: None,
        expires_in: Some(Period::from_secs(60)),
        description: "lepton dev lets its own agent join".to_owned(),
    };
    Ok(client.create_token(&join).await?.secret)
}

/// This machine's node, once it reports.
async fn joined(client: &Client) -> Option<Object<NodeSpec>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(list) = client.list(Kind::Node, &lepton_api::ListQuery::default()).await {
            let mut nodes = list.items.iter().filter_map(|object| object.decode::<NodeSpec>().ok());
            if let Some(node) = nodes.find(|node| node.status.phase == NodePhase::Ready) {
                return Some(node);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}
