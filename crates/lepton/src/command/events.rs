//! `lepton events`

use std::time::Duration;

use clap::Args;
use lepton_api::TimelineQuery;
use lepton_api::v1::{TimelinePage, TimelineRow};
use lepton_model::{Act, Name, Outcome, Period};

use super::explain::plain;
use super::get::interrupted;
use crate::args::{InProjects, Show};
use crate::command::{Desk, now};
use crate::failure::Failure;
use crate::screen::{Format, Tone, stamp};
use crate::subject::Thing;

/// Pause between two looks for new events.
const PAUSE: Duration = Duration::from_secs(1);

/// Show the timeline: who did what to what, and why
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton events                          the last ones of the project
  lepton events -A -f                    everything, as it happens
  lepton events service/shop --since 1h
  lepton events --node edge-1 --act node_lost")]
pub(crate) struct EventsArgs {
    /// Only about this: KIND/NAME
    #[arg(value_name = "KIND/NAME")]
    pub what: Option<Thing>,
    #[command(flatten)]
    pub projects: InProjects,
    /// Only on this node
    #[arg(long, value_name = "NAME")]
    pub node: Option<Name>,
    /// Only this act, such as start, exit, repair_act or node_lost
    #[arg(long, value_parser = act, value_name = "ACT")]
    pub act: Option<Act>,
    /// Only of the last so long
    #[arg(long, value_name = "TIME")]
    pub since: Option<Period>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: u32,
    /// Go on showing events as they happen
    #[arg(short, long)]
    pub follow: bool,
    #[command(flatten)]
    pub show: Show,
}

fn act(text: &str) -> Result<Act, String> {
    serde_json::from_value(text.replace('-', "_").into()).map_err(|error| error.to_string())
}

pub(crate) async fn run(args: EventsArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    // What happens to the estate (nodes, plans) belongs to no project: it shows with --all-projects or when asked for.
    let narrow = args.what.is_some() || args.node.is_some();
    let mut query = TimelineQuery {
        project: if narrow && args.projects.one.project.is_none() && args.what.is_none() {
            None
        } else {
            desk.projects(&args.projects)
        },
        node: args.node.clone(),
        act: args.act,
        since: args.since.map(|since| now().before(since.duration())),
        limit: Some(args.limit),
        ..TimelineQuery::default()
    };
    if let Some(thing) = &args.what {
        let key = thing.key(&desk.project(&args.projects.one));
        (query.kind, query.name, query.project) = (Some(key.kind), Some(key.name), Some(key.project));
    }
    let page = desk.client.timeline(&query).await?;
    if !args.follow {
        if let Some(result) = desk.screen.document(args.show.output, &page) {
            return result;
        }
        if page.entries.is_empty() {
            desk.screen.note("no events; those of every project and of the estate: lepton events -A");
        }
        return lines(&page, args.show.output, desk);
    }
    let done = interrupted();
    let mut after = page.entries.last().map_or(0, |row| row.sequence);
    lines(&page, args.show.output, desk)?;
    (query.since, query.limit) = (None, None);
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = done.cancelled() => return Ok(()),
        }
        query.after = Some(after);
        let page = desk.client.timeline(&query).await?;
        after = page.entries.last().map_or(after, |row| row.sequence);
        lines(&page, args.show.output, desk)?;
    }
}

/// One line each; a stream of documents in the other formats.
fn lines(page: &TimelinePage, format: Format, desk: &Desk<'_>) -> Result<(), Failure> {
    for row in &page.entries {
        let unwritable = |error| Failure::failed(format!("cannot write the answer: {error}"));
        let text = match format {
            Format::Table | Format::Wide => line(row, format == Format::Wide, desk),
            Format::Json => serde_json::to_string(row).map_err(|error| unwritable(error.to_string()))?,
            Format::Yaml => format!("---\n{}", crate::screen::yaml(row).map_err(unwritable)?),
        };
        desk.screen.print(&text)?;
    }
    Ok(())
}

fn line(row: &TimelineRow, wide: bool, desk: &Desk<'_>) -> String {
    let entry = &row.entry;
    let tone = match entry.outcome {
        Outcome::Ok => None,
        Outcome::Failed => Some(Tone::Bad),
        Outcome::Skipped => Some(Tone::Dim),
    };
    let act = desk.screen.tone(tone, &format!("{:<14}", entry.act.as_str()));
    let plan = match (wide, entry.plan) {
        (true, Some(plan)) => format!("  [plan {plan}]"),
        _ => String::new(),
    };
    let time = desk.screen.tone(Some(Tone::Dim), &stamp(entry.at));
    let subject = entry.subject.to_string();
    let reason = plain(&entry.reason);
    format!("{time}  {act}  {subject:<28}  {reason}  ({}){plan}", plain(&entry.actor.0))
}
