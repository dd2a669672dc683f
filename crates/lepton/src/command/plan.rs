//! `lepton plan`

use std::path::PathBuf;

use clap::Args;
use lepton_api::v1::ApplyInput;
use lepton_model::{ActionKind, PlanSpec};

use crate::args::{InProject, Show};
use crate::command::{Desk, apply};
use crate::failure::{Exit, Failure};
use crate::manifest;
use crate::screen::{Table, Tone};

/// Show what applying manifests would do: what goes where, why, and what does not fit
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed. The exit code is 9 when something would stay unplaced.

Examples:
  lepton plan -f examples/shop.yaml
  lepton plan -f shop.yaml -o json | jq '.actions[].reason'")]
pub(crate) struct PlanArgs {
    /// File, folder or `-` for stdin; may be given several times
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub project: InProject,
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: PlanArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let sources = manifest::read_all(&args.files, desk.asked(&args.project).as_ref())?;
    let input = ApplyInput { manifests: sources.iter().map(|source| source.manifest.clone()).collect() };
    let plan = desk.client.plan(&input).await.map_err(|error| apply::located(error, &sources))?;
    match desk.screen.document(args.show.output, &plan) {
        Some(result) => result?,
        None => print(desk, &plan)?,
    }
    if plan.unplaced.is_empty() {
        return Ok(());
    }
    let count = plan.unplaced.len();
    let what = if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") };
    Err(Failure::new(Exit::DoesNotFit, format!("{what} would stay unplaced"))
        .hint("ask for less, loosen spec.placement, or add a node: `lepton token create NAME --role join`"))
}

fn print(desk: &Desk<'_>, plan: &PlanSpec) -> Result<(), Failure> {
    let screen = desk.screen;
    if plan.actions.is_empty() && plan.unplaced.is_empty() {
        return screen.print("Nothing would change.");
    }
    if !plan.actions.is_empty() {
        let mut table = Table::new(["ACTION", "REPLICA", "NODE", "RISK", "WHY"]);
        for action in &plan.actions {
            let ports = match &action.kind {
                ActionKind::Start { ports, .. } | ActionKind::Update { ports, .. } if !ports.is_empty() => {
                    let ports: Vec<_> = ports.iter().map(|(name, port)| format!("{name}={port}")).collect();
                    format!(" ({})", ports.join(", "))
                }
                _ => String::new(),
            };
            table.row([
                action.kind.as_str().to_owned(),
                action.replica.to_string(),
                format!("{}{ports}", action.kind.node()),
                format!("{:?}", action.risk).to_lowercase(),
                action.reason.clone(),
            ]);
            if let Some(runner_up) = &action.runner_up {
                table.row(["", "", "", "", &format!("second best: {runner_up}")]);
            }
        }
        table.print(screen)?;
    }
    for unplaced in &plan.unplaced {
        screen.print(&format!(
            "{} {}: {}",
            screen.tone(Some(Tone::Bad), "does not fit"),
            unplaced.replica,
            unplaced.reason
        ))?;
    }
    if let Some(price) = &plan.price_per_hour {
        screen.print(&format!("running cost changes by {price} per hour"))?;
    }
    Ok(())
}
