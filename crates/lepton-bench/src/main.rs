//! Runs Lepton on public data and prints the scores, one command for each benchmark.
//!
//! Tables go to standard output; with `--json` they go to standard error and the last line of standard output is one object
//! `{"bench": …, "metrics": {…}}`. Data are read from `$LEPTON_DATA`, by default `../shared/data` from the project's root.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod data;
mod decisions;
mod gpu_sharing;
mod report;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "lepton-bench", about, version)]
struct Arguments {
    /// Print one JSON object as the last line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Placement decisions a second on a large estate, one core.
    Decisions(decisions::Arguments),
    /// Share of GPUs allocated when pods arrive one by one (openb traces), against published results.
    GpuSharing(gpu_sharing::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let report = match arguments.command {
        Command::Decisions(a) => decisions::run(&a)?,
        Command::GpuSharing(a) => gpu_sharing::run(&a)?,
    };
    report.print(arguments.json);
    Ok(())
}
