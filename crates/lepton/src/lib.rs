//! The command line: `lepton dev`, `lepton apply`, `lepton explain`, …; every role of Lepton in one binary.
//!
//! Two halves. The *roles* (`dev`, `server`, `agent`, `join`, `restore`) run parts of Lepton in this process. The *verbs*
//! (all others) are a client of the v1 API and nothing more: they hold no state, decide nothing, and can do nothing that
//! `curl` could not.
//!
//! ```text
//! args ─► target (which server, which token) ─► command/* ─► screen (table, json, yaml; colour; exit code)
//!                                                  │
//!                                                  └─ manifest (YAML with line numbers) ─► lepton_api::Client
//! ```
//!
//! Manners: what was asked for goes to stdout, everything else to stderr; colour and progress only on a terminal; every
//! failure has an exit code of its own ([`failure::Exit`]) and says what to do about it.

mod args;
mod command;
mod context_file;
pub mod failure;
pub mod manifest;
mod role;
mod screen;
mod subject;
mod target;
mod top;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::failure::Failure;
use crate::screen::Screen;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are answers (exit code 0); everything else is a usage error (2).
        Err(error) => error.exit(),
    };
    let screen = Screen::of_this_process();
    match start(cli, &screen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(&screen);
            failure.exit()
        }
    }
}

fn start(cli: Cli, screen: &Screen) -> Result<(), Failure> {
    let workers = if cli.command.is_server() { None } else { Some(1) };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    let runtime =
        builder.enable_all().build().map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(command::run(cli, screen));
    // Reading stdin can block a thread for ever; do not wait for it.
    runtime.shutdown_background();
    result
}
