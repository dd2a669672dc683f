//! `lepton agent` and `lepton join`

use std::path::PathBuf;

use clap::Args;
use lepton_agent::{AgentArgs as Settings, AgentConfig, AgentError, ConfigError};
use lepton_model::{Name, Period};

use super::EnvFilterText;
use super::server::with_sources;
use crate::command::environment;
use crate::command::get::interrupted;
use crate::failure::{Exit, Failure};
use crate::screen::Screen;
use crate::target::Reach;

/// Run the agent of this machine: measure it, run what the server assigns to it
#[derive(Debug, Args)]
#[command(after_help = "\
Settings come from defaults, then the configuration file, then LEPTON_… variables, then flags; the later wins.
Services go on when the agent ends; the next agent takes them over. `lepton-agent` is the same in a small binary.

Examples:
  lepton agent --server https://lepton.example.com:7700 --join-token-file edge-7.token
  lepton agent --config /etc/lepton/agent.toml")]
pub(crate) struct AgentArgs {
    /// Configuration file (TOML) [env: LEPTON_AGENT_CONFIG]
    #[arg(long, env = "LEPTON_AGENT_CONFIG", hide_env = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File with the one-time token to join with; not needed once joined [env: LEPTON_JOIN_TOKEN_FILE]
    #[arg(long, env = "LEPTON_JOIN_TOKEN_FILE", hide_env = true, value_name = "FILE")]
    pub join_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Make this machine a node of an estate, and run its agent
#[derive(Debug, Args)]
#[command(after_help = "\
An administrator makes the one-time token:  lepton token create edge-7 --role join --save edge-7.token

Examples:
  lepton join --server https://lepton.example.com:7700 --token-file edge-7.token
  lepton join --server https://10.0.0.5:7700 --ca-file ca.pem --token-file t --label zone=b --label cloud=edge")]
pub(crate) struct JoinArgs {
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What both take.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Name of this node; made from the host name when absent [env: LEPTON_AGENT_NAME]
    #[arg(long, env = "LEPTON_AGENT_NAME", hide_env = true)]
    pub name: Option<Name>,
    /// A label of this node, told when joining; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Folder for credential, disk queue, and the state of services [env: LEPTON_AGENT_STATE_DIR]
    #[arg(long, env = "LEPTON_AGENT_STATE_DIR", hide_env = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Time between samples, such as 10s or 1s [env: LEPTON_AGENT_INTERVAL]
    #[arg(long, env = "LEPTON_AGENT_INTERVAL", hide_env = true, value_name = "TIME")]
    pub interval: Option<Period>,
    /// Do not limit services by control groups
    #[arg(long)]
    pub no_cgroups: bool,
    /// What to log [env: LEPTON_LOG]
    #[arg(long, env = "LEPTON_LOG", hide_env = true, default_value = "info", value_name = "FILTER")]
    pub log: EnvFilterText,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}

pub(crate) async fn run(args: AgentArgs, reach: &Reach, screen: &Screen) -> Result<(), Failure> {
    start(args.config, args.join_token_file, args.node, reach, screen).await
}

pub(crate) async fn join(args: JoinArgs, reach: &Reach, screen: &Screen) -> Result<(), Failure> {
    if reach.server.is_none() && environment("LEPTON_SERVER").is_none() {
        return Err(Failure::usage("which server? name it with --server URL or LEPTON_SERVER"));
    }
    start(None, reach.token_file.clone(), args.node, reach, screen).await
}

async fn start(
    config: Option<PathBuf>,
    join_token_file: Option<PathBuf>,
    node: NodeArgs,
    reach: &Reach,
    screen: &Screen,
) -> Result<(), Failure> {
    let settings = Settings {
        config,
        server: reach.server.clone().or_else(|| environment("LEPTON_SERVER")),
        name: node.name,
        state_dir: node.state_dir.map(absolute).transpose()?,
        interval: node.interval,
        ca_file: reach.ca_file.clone().or_else(|| environment("LEPTON_CA_FILE").map(PathBuf::from)),
        join_token_file,
        labels: node.labels,
        insecure: reach.insecure || environment("LEPTON_INSECURE").is_some_and(|value| value == "1"),
        no_cgroups: node.no_cgroups,
    };
    let config = AgentConfig::load(settings).map_err(misconfigured)?;
    super::log(&node.log);
    let done = interrupted();
    screen.note(&format!(
        "agent of {}, state in {}",
        config.server.as_deref().unwrap_or("no server"),
        config.state_dir.display()
    ));
    Box::pin(lepton_agent::run(config, done)).await.map_err(|error| ended(&error))
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(&path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

fn misconfigured(error: ConfigError) -> Failure {
    match error {
        ConfigError::Invalid(errors) => Failure::all(
            Exit::Invalid,
            errors.iter().map(|error| format!("configuration: {error}")).collect(),
        ),
        other => Failure::invalid(with_sources(&other)),
    }
}

/// Why the agent could not start.
pub(super) fn ended(error: &AgentError) -> Failure {
    let text = with_sources(error);
    match error {
        AgentError::State(path, _) => Failure::failed(text).hint(format!(
            "choose a folder that you may write with --state-dir, or run as an owner of {}",
            path.display()
        )),
        AgentError::NoJoinToken(_) | AgentError::JoinToken(..) => Failure::usage(text)
            .hint("an administrator makes one: lepton token create NODE --role join --save FILE"),
        AgentError::Join(_) => Failure::new(Exit::Denied, text).hint(
            "a join token works once and for an hour: lepton token create NODE --role join --save FILE",
        ),
        _ => Failure::failed(text),
    }
}
