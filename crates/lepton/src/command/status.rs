//! `lepton status`

use std::collections::BTreeMap;

use clap::Args;
use lepton_api::v1::ReconcilerState;

use crate::args::Show;
use crate::command::Desk;
use crate::failure::Failure;
use crate::screen::{Table, Tone, ago};

/// Show the estate in a few numbers, and what the server is doing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton status
  lepton status -o json | jq '.nodes.ready'")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: StatusArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let report = desk.client.status().await?;
    let screen = desk.screen;
    if let Some(result) = screen.document(args.show.output, &report) {
        return result;
    }
    let server = desk.client.server();
    screen.print(&format!(
        "server     {server}, version {}, up for {}",
        report.version,
        ago(report.started_at, report.now)
    ))?;
    screen.print(&format!(
        "nodes      {}",
        counts(&report.nodes, "none; add this machine: lepton join --help")
    ))?;
    screen.print(&format!(
        "services   {}",
        counts(&report.services, "none; start one: lepton apply -f examples/shop.yaml")
    ))?;
    screen.print(&format!("jobs       {}", counts(&report.jobs, "none")))?;
    let incidents = match report.open_incidents {
        0 => "none".to_owned(),
        count => screen.tone(Some(Tone::Bad), &format!("{count} to look at: lepton incidents")),
    };
    screen.print(&format!("incidents  {incidents}"))?;
    if let Some(advice) = &report.advice {
        screen.print(&format!("advice     {advice}: lepton get policies"))?;
    }
    screen.print(&format!(
        "samples    {} taken, {} series in memory",
        report.samples_accepted, report.active_series
    ))?;
    screen.print("")?;
    let mut table = Table::new(["RECONCILER", "STATE", "RUNS", "FAILED", "LAST RUN", "TOOK", "WHAT IT DID"]);
    for one in &report.reconcilers {
        let state = match one.state {
            ReconcilerState::Waiting => "waiting",
            ReconcilerState::Ok => "ok",
            ReconcilerState::Failing => "failing",
            ReconcilerState::Standby => "standby",
        };
        table.row([
            one.name.clone(),
            state.to_owned(),
            one.runs.to_string(),
            one.failures.to_string(),
            one.last_run.map(|at| format!("{} ago", ago(at, report.now))).unwrap_or_default(),
            one.last_duration_ms.map(|took| format!("{took:.1} ms")).unwrap_or_default(),
            one.last_message.clone(),
        ]);
    }
    if table.is_empty() { Ok(()) } else { table.print(screen) }
}

/// `3 running, 1 degraded`
fn counts(counts: &BTreeMap<String, u64>, none: &str) -> String {
    let parts: Vec<_> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(phase, count)| format!("{count} {phase}"))
        .collect();
    if parts.is_empty() { none.to_owned() } else { parts.join(", ") }
}
