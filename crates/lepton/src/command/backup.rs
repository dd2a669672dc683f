//! `lepton backup`

use clap::Args;

use crate::args::Show;
use crate::command::Desk;
use crate::failure::Failure;
use crate::screen::bytes;

/// Write a consistent copy of everything into the server's backup folder, while it works on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton backup
  lepton backup -o json | jq -r .path")]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub show: Show,
}

pub(crate) async fn run(args: BackupArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    if desk.screen.interactive {
        desk.screen.note("copying …");
    }
    let made = desk.client.backup().await?;
    if let Some(result) = desk.screen.document(args.show.output, &made) {
        return result;
    }
    desk.screen.print(&made.path)?;
    desk.screen.note(&format!(
        "{} at revision {}, sha256 {}\nbring it back with: lepton restore {} --data FOLDER",
        bytes(made.bytes as f64),
        made.revision,
        made.sha256,
        made.path
    ));
    Ok(())
}
