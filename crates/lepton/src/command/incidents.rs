//! `lepton incidents`

use clap::{Args, Subcommand};
use lepton_api::ListQuery;
use lepton_api::v1::ObjectList;
use lepton_model::{IncidentPhase, IncidentSpec, Key, Kind, Name};

use crate::args::{InProject, Show};
use crate::command::{Desk, now};
use crate::failure::{Exit, Failure};
use crate::screen::{Table, ago};

/// Show what waits for a person; acknowledge or resolve it
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  lepton incidents
  lepton incidents --all -o json
  lepton incidents ack 0198c3a1 -m 'looking at it'
  lepton incidents resolve 0198c3a1 -m 'disk replaced'"
)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    pub verb: Option<IncidentVerb>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Resolved ones too
    #[arg(long)]
    pub all: bool,
    /// Only of this project; those of every project and of the estate otherwise
    #[arg(short, long, value_name = "NAME")]
    pub project: Option<Name>,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IncidentVerb {
    /// List them
    List(ListArgs),
    /// Say that you have one in hand
    Ack(NoteArgs),
    /// Say that one is over
    Resolve(NoteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    /// Its name, or the first characters of it
    pub name: String,
    #[command(flatten)]
    pub project: InProject,
    /// Words for those who read the record
    #[arg(short, long, default_value = "", value_name = "TEXT")]
    pub message: String,
}

pub(crate) async fn run(args: IncidentsArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    match args.verb {
        None => list(args.list, desk).await,
        Some(IncidentVerb::List(args)) => list(args, desk).await,
        Some(IncidentVerb::Ack(args)) => {
            let key = find(&args, desk).await?;
            desk.client.acknowledge(&key.project, &key.name, args.message).await?;
            desk.screen.print(&format!("incident/{} acknowledged", key.name))
        }
        Some(IncidentVerb::Resolve(args)) => {
            let key = find(&args, desk).await?;
            desk.client.resolve(&key.project, &key.name, args.message).await?;
            desk.screen.print(&format!("incident/{} resolved", key.name))
        }
    }
}

async fn incidents(project: Option<Name>, desk: &Desk<'_>) -> Result<ObjectList, Failure> {
    Ok(desk.client.list_all(Kind::Incident, &ListQuery { project, ..ListQuery::default() }).await?)
}

async fn list(args: ListArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let mut found = incidents(args.project.clone(), desk).await?;
    if !args.all {
        found.items.retain(|object| {
            object
                .decode::<IncidentSpec>()
                .is_ok_and(|incident| incident.status.phase != IncidentPhase::Resolved)
        });
    }
    if let Some(result) = desk.screen.document(args.show.output, &found) {
        return result;
    }
    if found.items.is_empty() {
        desk.screen.note(if args.all { "no incidents yet" } else { "nothing waits for a person" });
        return Ok(());
    }
    let mut table = Table::new(["NAME", "PHASE", "SEVERITY", "ABOUT", "TITLE", "OPEN FOR"]);
    for object in &found.items {
        let unreadable = |error| Failure::failed(format!("{} does not read: {error}", object.key()));
        let incident = object.decode::<IncidentSpec>().map_err(unreadable)?;
        let resolved = incident.status.phase == IncidentPhase::Resolved;
        let until = if resolved { incident.status.at } else { now() };
        table.row([
            object.meta.name.to_string(),
            incident.status.phase.as_str().to_owned(),
            format!("{:?}", incident.spec.severity).to_lowercase(),
            incident.spec.subject.to_string(),
            incident.spec.title,
            ago(incident.spec.opened_at, until),
        ]);
    }
    table.print(desk.screen)
}

/// The incident whose name begins so, in whatever project.
async fn find(args: &NoteArgs, desk: &Desk<'_>) -> Result<Key, Failure> {
    let all = incidents(args.project.project.clone(), desk).await?;
    let keys: Vec<Key> = all
        .items
        .iter()
        .filter(|o| o.meta.name.as_str().starts_with(&args.name))
        .map(lepton_model::AnyObject::key)
        .collect();
    match keys.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(Exit::NotFound, format!("there is no incident {:?}", args.name))
            .hint("lepton incidents --all")),
        many => match many.iter().find(|key| key.name == *args.name.as_str()) {
            Some(exact) => Ok(exact.clone()),
            None => Err(Failure::usage(format!(
                "{} incidents begin with {:?}; give more of the name",
                many.len(),
                args.name
            ))),
        },
    }
}
