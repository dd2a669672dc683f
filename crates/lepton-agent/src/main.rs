//! The agent's small binary.

use std::process::ExitCode;

use clap::Parser;
use lepton_agent::{AgentArgs, AgentConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Measures this machine, runs what its Lepton server assigns to it, and goes on when cut off.
///
/// Settings come from the configuration file, then from the environment, then from flags; the later wins.
#[derive(Debug, Parser)]
#[command(name = "lepton-agent", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    agent: AgentArgs,
    /// What to log: error, warn, info, debug, or by part: info,lepton_agent::link=debug
    #[arg(long, env = "LEPTON_LOG", default_value = "info", value_name = "FILTER")]
    log: Targets,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    tracing_subscriber::registry().with(format).with(cli.log).init();
    match run(cli.agent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: AgentArgs) -> anyhow::Result<()> {
    let config = AgentConfig::load(args)?;
    // One thread: an agent waits nearly all of its time. Few and small ones for what may block.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .thread_stack_size(512 << 10)
        .build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let asked = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("asked to end");
            asked.cancel();
        });
        Box::pin(lepton_agent::run(config, stop)).await?;
        Ok(())
    })
}
