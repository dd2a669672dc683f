//! `lepton completions`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Failure;
use crate::screen::Screen;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lepton completions bash > ~/.local/share/bash-completion/completions/lepton
  lepton completions zsh > \"${fpath[1]}/_lepton\"
  lepton completions fish > ~/.config/fish/completions/lepton.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

pub(crate) fn run(args: CompletionsArgs, screen: &Screen) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lepton", &mut script);
    screen.raw(&script)
}
