//! Runs Lepton on public data and prints the scores, one command for each benchmark.
//!
//! Tables go to standard output; with `--json` they go to standard error and the last line of standard output is one object
//! `{"bench": …, "metrics": {…}}`. Data are read from `$LEPTON_DATA`, by default `../shared/data` from the project's root.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod agent_weight;
mod agents;
mod data;
mod decisions;
mod fleet_price;
mod gpu_sharing;
mod ingest;
mod process;
mod reassignment;
mod report;
mod survival;

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
    /// Series, memory and processor time of the real agent, beside its peers.
    AgentWeight(agent_weight::Arguments),
    /// Thousands of agents on one server: how soon a change reaches the last of them.
    Agents(agents::Arguments),
    /// Placement decisions a second on a large estate, one core.
    Decisions(decisions::Arguments),
    /// The cheapest fleet of offers for pods, with a proven bound and peers.
    FleetPrice(fleet_price::Arguments),
    /// Share of GPUs allocated when pods arrive one by one (openb traces), against published results.
    GpuSharing(gpu_sharing::Arguments),
    /// Machine reassignment (ROADEF/EURO challenge 2012): a whole estate improved in a given time.
    Reassignment(reassignment::Arguments),
    /// Kill -9 under load: what was acknowledged against what is found.
    Survival(survival::Arguments),
    /// Measurements in and out: samples a second, CPU, bytes and memory, beside peers.
    Ingest(ingest::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let report = match arguments.command {
        Command::AgentWeight(a) => agent_weight::run(&a)?,
        Command::Agents(a) => agents::run(&a)?,
        Command::Decisions(a) => decisions::run(&a)?,
        Command::FleetPrice(a) => fleet_price::run(&a)?,
        Command::GpuSharing(a) => gpu_sharing::run(&a)?,
        Command::Reassignment(a) => reassignment::run(&a)?,
        Command::Survival(a) => survival::run(&a)?,
        Command::Ingest(a) => ingest::run(&a)?,
    };
    report.print(arguments.json);
    Ok(())
}
