//! `lepton delete`

use std::path::PathBuf;

use clap::Args;
use lepton_model::Key;

use crate::args::InProject;
use crate::command::Desk;
use crate::failure::Failure;
use crate::manifest;
use crate::subject::{self, Thing};

/// Delete objects; what deleted services ran is stopped
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton delete service/shop
  lepton delete service shop web
  lepton delete -f examples/shop.yaml
  lepton delete job/import --ignore-not-found")]
pub(crate) struct DeleteArgs {
    /// What to delete: KIND/NAME …, or KIND NAME …
    #[arg(required_unless_present = "files", value_name = "KIND/NAME")]
    pub things: Vec<String>,
    /// Delete what these manifests describe
    #[arg(short, long = "file", value_name = "PATH", conflicts_with = "things")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub project: InProject,
    /// Do not fail when it does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
}

pub(crate) async fn run(args: DeleteArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let project = desk.project(&args.project);
    let keys: Vec<Key> = if args.files.is_empty() {
        Thing::list(&args.things)?.iter().map(|thing| thing.key(&project)).collect()
    } else {
        let sources = manifest::read_all(&args.files, desk.asked(&args.project).as_ref())?;
        // The other way round than they were applied: what depends on something goes before it.
        sources.iter().rev().map(|source| source.manifest.key()).collect()
    };
    for key in keys {
        match desk.client.delete(&key, None).await {
            Ok(_) => desk.screen.print(&format!("{} deleted", subject::shown(&key, &project)))?,
            Err(error) if error.is_not_found() && args.ignore_not_found => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
