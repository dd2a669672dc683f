//! `lepton apply`

mod wait;

use std::path::PathBuf;

use clap::Args;
use lepton_api::ClientError;
use lepton_api::manifest::Source;
use lepton_api::v1::{ApplyInput, ApplyOutcome};
use lepton_model::Period;

use crate::args::{InProject, Show};
use crate::command::Desk;
use crate::failure::{Exit, Failure};
use crate::manifest;
use crate::screen::Tone;
use crate::subject;

/// Make or change what manifests describe, all or nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton apply -f examples/shop.yaml          make it so
  lepton apply -f shop.yaml --wait            and wait until it runs
  lepton apply -f shop.yaml --dry-run         only say what would change
  lepton apply -f deploy/ -f extra.yaml       every .yaml, .yml and .json of a folder, and a file
  lepton get service/shop -o yaml | sed 's/replicas: 2/replicas: 3/' | lepton apply -f -")]
pub(crate) struct ApplyArgs {
    /// File, folder or `-` for stdin; may be given several times
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub project: InProject,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until services run and jobs have succeeded
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// Longest time to wait
    #[arg(long, default_value = "2m", value_name = "TIME", requires = "wait")]
    pub timeout: Period,
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: ApplyArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let sources = manifest::read_all(&args.files, desk.asked(&args.project).as_ref())?;
    let input = ApplyInput { manifests: sources.iter().map(|source| source.manifest.clone()).collect() };
    let report = desk.client.apply(&input, args.dry_run).await.map_err(|error| located(error, &sources))?;
    let shown = desk.screen.document(args.show.output, &report);
    let tabular = shown.is_none();
    if let Some(result) = shown {
        result?;
    } else {
        let project = desk.project(&args.project);
        for result in &report.results {
            let (word, tone) = match result.outcome {
                ApplyOutcome::Created => ("created", Some(Tone::Good)),
                ApplyOutcome::Changed => ("changed", Some(Tone::Warn)),
                ApplyOutcome::Unchanged => ("unchanged", Some(Tone::Dim)),
            };
            let place = subject::shown(&result.object.key(), &project);
            let aside = if args.dry_run { " (dry run)" } else { "" };
            desk.screen.print(&format!("{place} {}{aside}", desk.screen.tone(tone, word)))?;
        }
    }
    if args.wait {
        wait::until_running(desk, &report.results, args.timeout.duration()).await?;
    } else if tabular && !args.dry_run && desk.screen.interactive {
        desk.screen.note("see how it goes: lepton get services, lepton explain service/NAME");
    }
    Ok(())
}

/// Turns the server's `manifests[2].spec.…` into the file and line it was read from.
pub(crate) fn located(error: ClientError, sources: &[Source]) -> Failure {
    let ClientError::Refused { problem, .. } = &error else { return error.into() };
    if problem.errors.is_empty() {
        return error.into();
    }
    let messages = problem
        .errors
        .iter()
        .map(|error| {
            let place = error.field.strip_prefix("manifests[").and_then(|rest| rest.split_once(']'));
            let source =
                place.and_then(|(index, rest)| Some((sources.get(index.parse::<usize>().ok()?)?, rest)));
            match source {
                Some((source, rest)) => source.place(&lepton_model::FieldError {
                    field: rest.trim_start_matches('.').to_owned(),
                    problem: error.problem.clone(),
                }),
                None => error.to_string(),
            }
        })
        .collect();
    let exit = match problem.status {
        409 | 412 => Exit::Conflict,
        _ => Exit::Invalid,
    };
    Failure::all(exit, messages)
}
