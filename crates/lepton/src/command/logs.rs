//! `lepton logs`

use clap::Args;
use lepton_api::LogQuery;
use lepton_model::Kind;

use super::get::interrupted;
use crate::args::InProject;
use crate::command::Desk;
use crate::failure::Failure;
use crate::subject::{Thing, name_of};

/// Show what a service or job writes
#[derive(Debug, Args)]
#[command(after_help = "\
With several replicas, all are shown, each line with its replica's name.

Examples:
  lepton logs shop
  lepton logs shop -f --tail 20
  lepton logs shop --replica 1
  lepton logs job/import -p data")]
pub(crate) struct LogsArgs {
    /// Name of the service or job; or service/NAME, job/NAME
    #[arg(value_name = "NAME")]
    pub what: String,
    #[command(flatten)]
    pub project: InProject,
    /// Only this replica: 0, 1, 2, …
    #[arg(short, long, value_name = "N")]
    pub replica: Option<u32>,
    /// Lines from the end to begin with
    #[arg(short, long, default_value_t = 200, value_name = "LINES")]
    pub tail: u32,
    /// Go on with what is written later
    #[arg(short, long)]
    pub follow: bool,
}

pub(crate) async fn run(args: LogsArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    let project = desk.project(&args.project);
    let name = if args.what.contains('/') {
        let thing: Thing = args.what.parse().map_err(Failure::usage)?;
        if !matches!(thing.kind, Kind::Service | Kind::Job) {
            return Err(Failure::usage(format!("a {} writes no log; services and jobs do", thing.kind)));
        }
        thing.name
    } else {
        name_of(&args.what)?
    };
    let query = LogQuery { replica: args.replica, tail: Some(args.tail), follow: args.follow };
    let done = interrupted();
    let shown = async {
        let mut stream = desk.client.logs(&project, &name, &query).await?;
        while let Some(bytes) = stream.next().await? {
            desk.screen.raw(&bytes)?;
        }
        Ok(())
    };
    tokio::select! {
        result = shown => result,
        () = done.cancelled() => Ok(()),
    }
}
