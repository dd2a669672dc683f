//! `lepton plan`

use std::path::{Path, PathBuf};

use clap::Args;
use lepton_api::manifest::Source;
use lepton_api::v1::PlanRequest;
use lepton_model::{
    ActionKind, AnyObject, Manifest, Meta, Money, Name, PlanId, PlanReport, PlanSpec, Strategy, Uid,
};
use lepton_plan::{Aim, Estate, PlanInput, Snapshot, WhatIf};
use rust_decimal::Decimal;

use crate::args::{InProject, Show};
use crate::command::{Desk, apply, now};
use crate::context_file::write_private;
use crate::failure::{Exit, Failure};
use crate::manifest;
use crate::screen::{Screen, Table, Tone, yaml};
use crate::target::Reach;

/// Hours of a month, as clouds count them.
const MONTH_HOURS: u32 = 730;
/// Longest estate file.
const MAX_ESTATE: u64 = 256 << 20;

/// Show what would be done: what goes where, why, what it costs, what moves, and what does not fit
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed. The exit code is 9 when something would stay unplaced.
A node's price is its spec.price, or that of its offer by the labels cloud, region, instance_type (zone, market).
A node with the label instance_type counts as rented: empty, it could be given back.

Examples:
  lepton plan -f examples/shop.yaml
  lepton plan --strategy cost                             what consolidation would move and save
  lepton plan --what-if lose-zone=cn-hangzhou-h           what would go where, and what would not fit
  lepton plan --strategy cost=1,balance=0.5 --what-if 'price=cloud=aliyun*1.3'
  lepton plan --save-estate estate.yaml                   a file to think about without a server:
  lepton plan --estate estate.yaml -f shop.yaml --what-if lose-node=edge-1
  lepton plan -f shop.yaml -o json | jq '.actions[].reason'")]
pub(crate) struct PlanArgs {
    /// File, folder or `-` for stdin with what would be applied; may be given several times
    #[arg(
        short,
        long = "file",
        value_name = "PATH",
        required_unless_present_any = ["strategy", "what_if", "estate", "save_estate"]
    )]
    pub files: Vec<PathBuf>,
    /// What to aim at: priority, balance, cost, or weights such as cost=1,balance=0.5; what runs well may then move
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Option<Strategy>,
    /// Suppose this: lose-zone=NAME, lose-region=, lose-cloud=, lose-node=, price=SELECTOR*FACTOR; may be given several times
    #[arg(long, value_name = "SUPPOSITION")]
    pub what_if: Vec<WhatIf>,
    /// Plan on this file instead of the live estate, without a server
    #[arg(long, value_name = "FILE", conflicts_with = "save_estate")]
    pub estate: Option<PathBuf>,
    /// Write the live estate, with its prices, to a file for --estate
    #[arg(long, value_name = "FILE")]
    pub save_estate: Option<PathBuf>,
    #[command(flatten)]
    pub project: InProject,
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: PlanArgs, reach: &Reach, screen: &Screen) -> Result<(), Failure> {
    if let Some(path) = &args.estate {
        let sources = sources(&args, args.project.project.as_ref())?;
        let plan = offline(path, &sources, &args)?;
        return show(&args, screen, &plan);
    }
    let desk = Desk::open(reach, screen)?;
    if let Some(path) = &args.save_estate {
        save(&desk, path).await?;
        if args.files.is_empty() && args.strategy.is_none() && args.what_if.is_empty() {
            return Ok(());
        }
    }
    let sources = sources(&args, desk.asked(&args.project).as_ref())?;
    let request = PlanRequest {
        manifests: sources.iter().map(|source| source.manifest.clone()).collect(),
        strategy: args.strategy,
        what_if: args.what_if.iter().map(ToString::to_string).collect(),
    };
    let plan = desk.client.plan(&request).await.map_err(|error| apply::located(error, &sources))?;
    show(&args, screen, &plan)
}

fn sources(args: &PlanArgs, project: Option<&Name>) -> Result<Vec<Source>, Failure> {
    if args.files.is_empty() { Ok(Vec::new()) } else { manifest::read_all(&args.files, project) }
}

async fn save(desk: &Desk<'_>, path: &Path) -> Result<(), Failure> {
    let estate = desk.client.estate().await?;
    let text = yaml(&estate).map_err(Failure::failed)?;
    // Services' environments may hold secrets.
    write_private(path, text.as_bytes())
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
    desk.screen.note(&format!("the estate is in {}", path.display()));
    Ok(())
}

/// The same plan as the server makes, on a file.
fn offline(path: &Path, sources: &[Source], args: &PlanArgs) -> Result<PlanSpec, Failure> {
    let wrong = |problem: &dyn std::fmt::Display| Failure::invalid(format!("{}: {problem}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if size > MAX_ESTATE {
        return Err(wrong(&format!("larger than {MAX_ESTATE} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let value: serde_json::Value = serde_saphyr::from_str(&text).map_err(|error| wrong(&error))?;
    let estate: Estate = serde_path_to_error::deserialize(value).map_err(|error| wrong(&error))?;
    let mut snapshot = Snapshot::try_from(estate).map_err(|errors| wrong(&errors))?;
    for source in sources {
        let located = |errors: lepton_model::FieldErrors| {
            let lines = errors.iter().map(|error| format!("{}: {error}", source.place(error))).collect();
            Failure::all(Exit::Invalid, lines)
        };
        source.manifest.validate().map_err(located)?;
        snapshot.imagine(&object(&source.manifest, snapshot.revision)).map_err(located)?;
    }
    for supposed in &args.what_if {
        snapshot.suppose(supposed).map_err(|error| Failure::invalid(error.to_string()))?;
    }
    let (now, aim) = (now(), args.strategy.map(Aim::of));
    let id = PlanId::from_parts(now, [0; 10]);
    let input = PlanInput { now, id, parent: None, snapshot: &snapshot, aim: aim.as_ref() };
    lepton_plan::plan(&input).map_err(|error| Failure::invalid(error.to_string()))
}

/// The object that a manifest would become.
fn object(manifest: &Manifest, revision: u64) -> AnyObject {
    let (key, now) = (manifest.key(), now());
    AnyObject {
        kind: key.kind,
        meta: Meta {
            project: key.project,
            name: key.name,
            uid: Uid::from_parts(now, [0; 10]),
            labels: manifest.labels.clone(),
            generation: 1,
            revision,
            created_at: now,
            updated_at: now,
        },
        spec: manifest.spec.clone(),
        status: serde_json::Value::Null,
    }
}

fn show(args: &PlanArgs, screen: &Screen, plan: &PlanSpec) -> Result<(), Failure> {
    match screen.document(args.show.output, plan) {
        Some(result) => result?,
        None => print(screen, plan)?,
    }
    if plan.unplaced.is_empty() {
        return Ok(());
    }
    let count = plan.unplaced.len();
    let what = if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") };
    Err(Failure::new(Exit::DoesNotFit, format!("{what} would stay unplaced"))
        .hint("ask for less, loosen spec.placement, or add a node: `lepton offers` finds one, `lepton token create NAME --role join` lets it in"))
}

fn print(screen: &Screen, plan: &PlanSpec) -> Result<(), Failure> {
    if plan.actions.is_empty() && plan.unplaced.is_empty() {
        screen.print("Nothing would change.")?;
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
    plan.report.as_ref().map_or(Ok(()), |report| summary(screen, report))
}

/// What it costs, how good it is, what could be given back.
fn summary(screen: &Screen, report: &PlanReport) -> Result<(), Failure> {
    let month = |money: Money| money.amount.saturating_mul(Decimal::from(MONTH_HOURS)).round_dp(2);
    let (before, after, currency) = (report.cost_before, report.cost_aim, report.currency);
    if !(before.amount.is_zero() && after.amount.is_zero()) {
        let change = Money::new(after.amount.saturating_sub(before.amount), currency);
        let sign = if change.amount.is_sign_negative() { "" } else { "+" };
        screen.print(&format!(
            "rented nodes in use cost {before} an hour now, {} after ({sign}{}; {sign}{} a month)",
            after.amount,
            change.amount,
            month(change)
        ))?;
    }
    if !report.idle.is_empty() {
        let names: Vec<_> = report.idle.iter().map(Name::as_str).collect();
        screen.print(&format!("rented and empty, could be given back: {}", names.join(", ")))?;
    }
    if report.unpriced > 0 && !before.amount.is_zero() {
        screen.note(&format!("{} ready nodes have no known price", report.unpriced));
    }
    screen.note(&format!(
        "{} objective {:.4} {currency} over {} (was {:.4}), proven bound {:.4}{}",
        report.strategy,
        report.objective.total(),
        report.horizon,
        report.before.total(),
        report.lower_bound,
        report.gap.map(|gap| format!(", gap {:.1} %", gap * 100.0)).unwrap_or_default()
    ));
    Ok(())
}
