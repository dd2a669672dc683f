//! `lepton explain`

use std::fmt::Write as _;

use clap::Args;
use lepton_api::v1::{ExplainReport, ReplicaExplanation, TimelineRow};
use lepton_model::{Kind, Outcome, ReplicaPhase, Timestamp};

use crate::args::{InProject, Show};
use crate::command::{Desk, now};
use crate::failure::Failure;
use crate::screen::{Screen, Table, Tone, ago};
use crate::subject::{self, Thing};

/// Tell why something is as it is: where it runs and why there, what happened, what to do next
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton explain service/shop
  lepton explain node/edge-1
  lepton explain service shop -p prod -o json")]
pub(crate) struct ExplainArgs {
    /// KIND/NAME, or KIND NAME
    #[arg(required = true, num_args = 1..=2, value_name = "KIND/NAME")]
    pub what: Vec<String>,
    #[command(flatten)]
    pub project: InProject,
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: ExplainArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let project = desk.project(&args.project);
    for thing in Thing::list(&args.what)? {
        let report = desk.client.explain(thing.kind, &thing.name, Some(&project)).await?;
        if let Some(result) = desk.screen.document(args.show.output, &report) {
            result?;
            continue;
        }
        let key = report.object.key();
        let flag = if args.project.project.is_some() { format!(" -p {project}") } else { String::new() };
        let text = told(&report, &subject::shown(&key, &project), &flag, now(), desk.screen);
        desk.screen.print(&text)?;
    }
    Ok(())
}

/// The story as text.
pub(super) fn told(
    report: &ExplainReport,
    name: &str,
    flag: &str,
    now: Timestamp,
    screen: &Screen,
) -> String {
    let mut text = String::new();
    let heading = |text: &mut String, words: &str| {
        let _ = writeln!(text, "\n{}", screen.tone(Some(Tone::Strong), words));
    };
    let _ = writeln!(text, "{}: {}", screen.tone(Some(Tone::Strong), name), plain(&report.summary));
    if !report.replicas.is_empty() {
        heading(&mut text, "Replicas");
        for replica in &report.replicas {
            of_replica(&mut text, replica, now, screen);
        }
    }
    if !report.problems.is_empty() {
        heading(&mut text, "Problems");
        for problem in &report.problems {
            let _ = writeln!(text, "  {} {}", screen.tone(Some(Tone::Bad), "•"), plain(problem));
        }
    }
    if !report.timeline.is_empty() {
        heading(&mut text, "What happened");
        text.push_str(&history(&report.timeline, now, screen));
    }
    heading(&mut text, "Next");
    for (command, why) in next(report, name, flag) {
        let _ = writeln!(text, "  {command:<40}  {}", screen.tone(Some(Tone::Dim), why));
    }
    text
}

fn of_replica(text: &mut String, replica: &ReplicaExplanation, now: Timestamp, screen: &Screen) {
    let report = &replica.report;
    let phase = report.phase.as_str();
    let pid = report.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let since = report.started_at.map(|at| format!(", for {}", ago(at, now))).unwrap_or_default();
    let restarts = match report.restarts {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        n => format!(", restarted {n} times"),
    };
    let _ = writeln!(
        text,
        "  {}-{} on {}: {}{since}{pid}{restarts}",
        report.replica.name,
        report.replica.ordinal,
        report.node,
        screen.tone(Tone::of(phase), phase)
    );
    if !replica.placed_because.is_empty() {
        let _ = writeln!(text, "    why here: {}", plain(&replica.placed_because));
    }
    if let Some(runner_up) = &replica.runner_up {
        let _ = writeln!(text, "    second best: {}", plain(&runner_up.to_string()));
    }
    for (name, port) in &report.ports {
        let _ = writeln!(text, "    port {name}: {}:{port}", report.node);
    }
    for check in &report.checks {
        let word = if check.healthy { "healthy" } else { "unhealthy" };
        let word = screen.tone(Tone::of(word), word);
        let _ = writeln!(
            text,
            "    check {}: {word}, {} ago: {}",
            check.name,
            ago(check.at, now),
            plain(&check.message)
        );
    }
    if let Some(exit) = &report.last_exit {
        let _ = writeln!(text, "    last process: {exit}, {} ago", ago(exit.at, now));
    }
    if !report.message.is_empty() {
        let _ = writeln!(text, "    note: {}", plain(&report.message));
    }
}

/// Timeline entries as indented lines.
pub(super) fn history(rows: &[TimelineRow], now: Timestamp, screen: &Screen) -> String {
    let mut table = Table::new(["AGO", "WHO", "ACT", "ABOUT", "WHY"]);
    for row in rows {
        let entry = &row.entry;
        let failed = if entry.outcome == Outcome::Failed { "FAILED: " } else { "" };
        table.row([
            ago(entry.at, now),
            entry.actor.to_string(),
            entry.act.as_str(),
            entry.subject.to_string(),
            format!("{failed}{}", entry.reason),
        ]);
    }
    table.text(screen, "  ")
}

/// What a person would do now.
fn next(report: &ExplainReport, name: &str, flag: &str) -> Vec<(String, &'static str)> {
    let object = &report.object.meta.name;
    let mut next = Vec::new();
    let ill = report.replicas.iter().any(|replica| {
        matches!(
            replica.report.phase,
            ReplicaPhase::CrashLooping
                | ReplicaPhase::BackingOff
                | ReplicaPhase::Unhealthy
                | ReplicaPhase::Failed
        )
    });
    match report.object.kind {
        Kind::Service | Kind::Job => {
            if report.replicas.is_empty() && !report.problems.is_empty() {
                next.push(("lepton get nodes -o wide".to_owned(), "what the nodes have"));
            }
            let why = if ill { "what it said before it fell ill" } else { "what it says" };
            next.push((format!("lepton logs {object}{flag} --tail 50"), why));
            next.push((format!("lepton events {name}{flag} -f"), "what happens to it from now on"));
        }
        Kind::Node => {
            next.push((format!("lepton events --node {object}"), "what happened there"));
            next.push((format!("lepton drain {object}"), "move its work away"));
        }
        Kind::Incident => {
            next.push((format!("lepton incidents ack {object}{flag}"), "say that you have it in hand"));
            next.push((format!("lepton incidents resolve {object}{flag}"), "say that it is over"));
        }
        _ => next.push((format!("lepton get {name}{flag} -o yaml"), "the whole object")),
    }
    if !report.problems.is_empty() && report.object.kind != Kind::Incident {
        next.push((format!("lepton incidents{flag}"), "what waits for a person"));
    }
    next
}

/// Text from elsewhere, without control characters that would steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
