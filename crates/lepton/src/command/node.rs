//! `lepton cordon`, `uncordon`, `drain`

use std::time::Duration;

use clap::Args;
use lepton_api::v1::ApplyInput;
use lepton_model::{AssignmentSpec, Key, Kind, Manifest, Name, NodeSpec, Object, Period};
use tokio::time::Instant;

use crate::command::Desk;
use crate::failure::{Exit, Failure};
use crate::screen::length;

/// Pause between two looks at a node that is being drained.
const PAUSE: Duration = Duration::from_millis(500);

/// Place nothing new on nodes; what runs there stays
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton cordon edge-1
  lepton uncordon edge-1")]
pub(crate) struct CordonArgs {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<Name>,
}

/// Place work on nodes again, after cordon or drain
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton uncordon edge-1")]
pub(crate) struct UncordonArgs {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<Name>,
}

/// Move everything off nodes and place nothing new there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton drain edge-1
  lepton drain edge-1 --wait --timeout 10m
  lepton uncordon edge-1                   and take work again")]
pub(crate) struct DrainArgs {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<Name>,
    /// Wait until nothing runs there any more
    #[arg(long)]
    pub wait: bool,
    /// Longest time to wait
    #[arg(long, default_value = "5m", value_name = "TIME", requires = "wait")]
    pub timeout: Period,
}

pub(crate) async fn cordon(args: CordonArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    for node in &args.nodes {
        change(desk, node, "cordoned", |spec| spec.cordoned = true).await?;
    }
    Ok(())
}

pub(crate) async fn uncordon(args: UncordonArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    for node in &args.nodes {
        change(desk, node, "uncordoned", |spec| (spec.cordoned, spec.draining) = (false, false)).await?;
    }
    Ok(())
}

pub(crate) async fn drain(args: DrainArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    for node in &args.nodes {
        change(desk, node, "draining", |spec| spec.draining = true).await?;
    }
    if !args.wait {
        return Ok(());
    }
    let start = Instant::now();
    for node in &args.nodes {
        let key = Key::of_estate(Kind::Assignment, node.clone());
        let mut said = None;
        loop {
            let left = match desk.client.object(&key).await {
                Ok(object) => {
                    object.decode::<AssignmentSpec>().map_or(0, |assignment| assignment.spec.replicas.len())
                }
                // A node that never had work has no assignment.
                Err(error) if error.is_not_found() => 0,
                Err(error) => return Err(error.into()),
            };
            if left == 0 {
                desk.screen.note(&format!("node/{node}: empty after {}", length(start.elapsed())));
                break;
            }
            if start.elapsed() >= args.timeout.duration() {
                let message =
                    format!("node/{node}: {left} replicas are still there after {}", length(start.elapsed()));
                return Err(Failure::new(Exit::TimedOut, message)
                    .hint("other nodes may not have room: lepton get plans, lepton get nodes"));
            }
            if said != Some(left) {
                desk.screen.note(&format!("node/{node}: {left} replicas to move"));
                said = Some(left);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Reads a node, changes what is wanted of it, and writes it back unless somebody else has written since.
async fn change(
    desk: &Desk<'_>,
    name: &Name,
    word: &str,
    change: impl FnOnce(&mut NodeSpec),
) -> Result<(), Failure> {
    let key = Key::of_estate(Kind::Node, name.clone());
    let unreadable = |error| Failure::failed(format!("{key} does not read: {error}"));
    let node: Object<NodeSpec> = desk.client.object(&key).await?.decode().map_err(unreadable)?;
    let mut spec = node.spec;
    change(&mut spec);
    let manifest = Manifest {
        kind: Kind::Node,
        project: key.project.clone(),
        name: name.clone(),
        labels: node.meta.labels,
        // A node's status changes all the time, and with it the revision: two people who set the same flag do not conflict.
        revision: None,
        spec: serde_json::to_value(spec).map_err(|error| Failure::failed(error.to_string()))?,
    };
    desk.client.apply(&ApplyInput { manifests: vec![manifest] }, false).await?;
    desk.screen.print(&format!("node/{name} {word}"))
}
