//! Chores that keep the house in order: `cargo xtask check` runs what CI runs.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod layers;
mod lengths;
mod licences;
mod metadata;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};

use crate::metadata::Metadata;

#[derive(Parser)]
#[command(about = "Lepton's chores")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything below that only looks: layers, licences, lengths.
    Check,
    /// Lower floors never depend on higher ones, brain siblings never on each other, brains not on I/O.
    Layers,
    /// Every linked crate has a licence that deny.toml allows, and none is banned there.
    Licences,
    /// Source files by length; fails past the limit.
    Lengths,
    /// Writes openapi/lepton.json from the server's routes.
    Openapi,
}

fn main() -> ExitCode {
    match run(&Args::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<()> {
    match chore {
        Chore::Check => {
            let metadata = Metadata::load()?;
            report("layers", &layers::check(&metadata))?;
            report("licences", &licences::check(&metadata, &root().join("deny.toml"))?)?;
            report("lengths", &lengths::check(&root())?)
        }
        Chore::Layers => report("layers", &layers::check(&Metadata::load()?)),
        Chore::Licences => {
            report("licences", &licences::check(&Metadata::load()?, &root().join("deny.toml"))?)
        }
        Chore::Lengths => {
            for (lines, file) in lengths::longest(&root(), 20)? {
                println!("{lines:>6}  {file}");
            }
            report("lengths", &lengths::check(&root())?)
        }
        Chore::Openapi => openapi(),
    }
}

fn report(chore: &str, findings: &[String]) -> Result<()> {
    for finding in findings {
        eprintln!("{chore}: {finding}");
    }
    ensure!(findings.is_empty(), "{chore}: {} to mend", findings.len());
    println!("{chore}: ok");
    Ok(())
}

/// The test that compares the committed document with the routes also writes it, when told to.
fn openapi() -> Result<()> {
    let status = Command::new("cargo")
        .args(["test", "--package", "lepton-control", "--test", "it", "openapi_is_committed"])
        .env("LEPTON_BLESS", "1")
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the OpenAPI document could not be written");
    }
    Ok(())
}

/// The workspace's root folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
