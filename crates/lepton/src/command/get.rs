//! `lepton get`

mod columns;
mod replicas;

use clap::Args;
use lepton_api::v1::{ObjectList, WatchMessage};
use lepton_api::{ListQuery, WatchQuery};
use lepton_model::{AnyObject, Kind, Name, Scope, Selector};
use tokio_util::sync::CancellationToken;

use crate::args::{InProjects, Show};
use crate::command::{Desk, now};
use crate::failure::Failure;
use crate::screen::{Format, Table};
use crate::subject::{Thing, name_of};

pub(crate) use columns::places;

/// List objects, or show some by name
#[derive(Debug, Args)]
#[command(after_help = "\
Kinds: nodes, services, jobs, runbooks, webhooks, incidents, plans, assignments, tokens; and replicas, the running copies of
services and jobs.

Examples:
  lepton get services
  lepton get nodes -o wide
  lepton get service/shop -o yaml
  lepton get replicas -A
  lepton get services -l tier=web,'cloud in (aliyun,aws)'
  lepton get services --watch")]
pub(crate) struct GetArgs {
    /// KINDS, KIND NAME …, or KIND/NAME …
    #[arg(required = true, value_name = "KIND")]
    pub what: Vec<String>,
    #[command(flatten)]
    pub projects: InProjects,
    /// Only objects whose labels match, such as `tier=web,!spot`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<Selector>,
    /// Go on showing changes until interrupted
    #[arg(short, long)]
    pub watch: bool,
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: GetArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let (first, names) =
        args.what.split_first().ok_or_else(|| Failure::usage("name a kind, such as services"))?;
    if matches!(first.as_str(), "replica" | "replicas") {
        let names = names.iter().map(|name| name_of(name)).collect::<Result<Vec<_>, _>>()?;
        return replicas::run(&args, &names, desk).await;
    }
    if !names.is_empty() || first.contains('/') {
        return some(&args, &Thing::list(&args.what)?, desk).await;
    }
    let kind: Kind = first.parse().map_err(Failure::usage)?;
    let list = desk.client.list_all(kind, &query(&args, kind, desk)).await?;
    if args.watch {
        return watch(&args, kind, list, desk).await;
    }
    if let Some(result) = desk.screen.document(args.show.output, &list) {
        return result;
    }
    if list.items.is_empty() {
        desk.screen.note(&nothing(kind, desk.projects(&args.projects).as_ref()));
        return Ok(());
    }
    table(&args, kind, &list.items).print(desk.screen)
}

pub(crate) fn query(args: &GetArgs, kind: Kind, desk: &Desk<'_>) -> ListQuery {
    let project = match kind.scope() {
        Scope::Project => desk.projects(&args.projects),
        Scope::Estate => None,
    };
    ListQuery { project, labels: args.selector.clone().unwrap_or_default(), ..ListQuery::default() }
}

async fn some(args: &GetArgs, things: &[Thing], desk: &Desk<'_>) -> Result<(), Failure> {
    if args.watch || args.selector.is_some() {
        return Err(Failure::usage(
            "--watch and --selector are for lists; name a kind only, such as services",
        ));
    }
    let project = desk.project(&args.projects.one);
    let mut objects = Vec::new();
    for thing in things {
        objects.push(desk.client.object(&thing.key(&project)).await?);
    }
    let shown = match objects.as_slice() {
        [one] => desk.screen.document(args.show.output, one),
        // One document, whatever the format: several objects are a list.
        all => desk.screen.document(args.show.output, &serde_json::json!({ "items": all })),
    };
    if let Some(result) = shown {
        return result;
    }
    let mut rest = objects.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|object| object.kind == first.kind).count();
        let (group, after) = rest.split_at(same);
        table(args, first.kind, group).print(desk.screen)?;
        rest = after;
    }
    Ok(())
}

fn table(args: &GetArgs, kind: Kind, objects: &[AnyObject]) -> Table {
    let wide = args.show.output == Format::Wide;
    let project = args.projects.all_projects && kind.scope() == Scope::Project;
    let mut table = Table::new(columns::headings(kind, wide, project));
    let now = now();
    for object in objects {
        table.row(columns::cells(object, now, wide, project));
    }
    table
}

/// What to do about an empty list.
fn nothing(kind: Kind, project: Option<&Name>) -> String {
    let place = match (kind.scope(), project) {
        (Scope::Project, Some(project)) => format!(" in project {project} (all projects: -A)"),
        _ => String::new(),
    };
    let next = match kind {
        Kind::Node => " that this token sees; add this machine: lepton join --help",
        Kind::Service => "; start one: lepton apply -f examples/shop.yaml",
        Kind::Job => "; start one: lepton apply -f examples/job.yaml",
        Kind::Runbook => "; examples/runbook.yaml shows one",
        Kind::Policy => "; the usual one holds: rebalancing advises, examples/policy.yaml shows more",
        Kind::Incident => "; all is well",
        _ => "",
    };
    format!("no {}{place}{next}", kind.plural())
}

/// Shows the list, then every change of it: rows, or objects one a line.
async fn watch(args: &GetArgs, kind: Kind, list: ObjectList, desk: &Desk<'_>) -> Result<(), Failure> {
    let query = query(args, kind, desk);
    let mut from = list.revision;
    if !show_changes(args, kind, &list.items, desk, true)? {
        desk.screen.note(&format!("{}; watching", nothing(kind, query.project.as_ref())));
    }
    let done = interrupted();
    loop {
        let wanted = WatchQuery { kind: Some(kind), project: query.project.clone(), from: Some(from) };
        let mut watch = desk.client.watch(&wanted).await?;
        loop {
            let message = tokio::select! {
                message = watch.next() => message?,
                () = done.cancelled() => return Ok(()),
            };
            let Some(message) = message else { break };
            match message {
                WatchMessage::Put { object } if query.labels.matches(&object.meta.labels) => {
                    show_changes(args, kind, &[object], desk, false)?;
                }
                WatchMessage::Delete { key } => desk.screen.note(&format!("{key} deleted")),
                WatchMessage::Put { .. } | WatchMessage::Bookmark { .. } => {}
                WatchMessage::Compacted { .. } => {
                    let list = desk.client.list_all(kind, &query).await?;
                    show_changes(args, kind, &list.items, desk, false)?;
                    from = list.revision;
                    break;
                }
            }
            from = watch.revision().unwrap_or(from);
        }
    }
}

/// Whether anything was shown.
fn show_changes(
    args: &GetArgs,
    kind: Kind,
    objects: &[AnyObject],
    desk: &Desk<'_>,
    heading: bool,
) -> Result<bool, Failure> {
    match args.show.output {
        Format::Table | Format::Wide if !objects.is_empty() => {
            let text = table(args, kind, objects).text(desk.screen, "");
            let rows =
                if heading { text.as_str() } else { text.split_once('\n').map_or("", |(_, rows)| rows) };
            desk.screen.print(rows)?;
        }
        Format::Table | Format::Wide => {}
        Format::Json | Format::Yaml => {
            for object in objects {
                let unwritable = |error| Failure::failed(format!("cannot write the answer: {error}"));
                let text = if args.show.output == Format::Json {
                    serde_json::to_string(object).map_err(|error| unwritable(error.to_string()))?
                } else {
                    format!("---\n{}", crate::screen::yaml(object).map_err(unwritable)?)
                };
                desk.screen.print(&text)?;
            }
        }
    }
    Ok(!objects.is_empty())
}

/// Fires when the person presses Ctrl-C or the process is asked to end.
pub(crate) fn interrupted() -> CancellationToken {
    let token = CancellationToken::new();
    let fire = token.clone();
    tokio::spawn(async move {
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
        fire.cancel();
    });
    token
}
