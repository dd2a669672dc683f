//! The command line, as clap sees it. Each command's own flags are beside its code.

use clap::{Args, Parser, Subcommand};
use lepton_model::Name;

use crate::command::{
    apply, backup, completions, context, delete, describe, events, explain, get, incidents, logs, node,
    offers, plan, sql, status, token,
};
use crate::failure::EXIT_CODES;
use crate::role::{agent, dev, restore, server};
use crate::screen::Format;
use crate::target::Reach;
use crate::top;

const AFTER_HELP: &str = "\
Examples:
  lepton dev                          a server and an agent on this machine, data under ./.lepton
  lepton apply -f examples/shop.yaml  run a service
  lepton get services                 see it
  lepton explain service/shop         why it is as it is
  lepton sql \"SELECT * FROM nodes\"    ask anything

`lepton help exit-codes` lists what the exit codes mean.";

/// Operate machines of several clouds and your own as one estate.
#[derive(Debug, Parser)]
#[command(name = "lepton", version, after_help = AFTER_HELP, disable_help_subcommand = false, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub reach: Reach,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // Roles.
    Dev(dev::DevArgs),
    Server(server::ServerArgs),
    Agent(agent::AgentArgs),
    Join(agent::JoinArgs),
    // What is wanted.
    Apply(apply::ApplyArgs),
    Plan(plan::PlanArgs),
    Delete(delete::DeleteArgs),
    // What is.
    Get(get::GetArgs),
    Describe(describe::DescribeArgs),
    Explain(explain::ExplainArgs),
    Events(events::EventsArgs),
    Logs(logs::LogsArgs),
    Status(status::StatusArgs),
    Top(top::TopArgs),
    Sql(sql::SqlArgs),
    Offers(offers::OffersArgs),
    // People's work.
    Incidents(incidents::IncidentsArgs),
    Cordon(node::CordonArgs),
    Uncordon(node::UncordonArgs),
    Drain(node::DrainArgs),
    Token(token::TokenArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    // The command line itself.
    Context(context::ContextArgs),
    Completions(completions::CompletionsArgs),
    /// What the exit codes mean
    #[command(name = "exit-codes", after_help = EXIT_CODES)]
    ExitCodes,
}

impl Command {
    /// Whether it runs a part of Lepton, rather than asking one.
    pub fn is_server(&self) -> bool {
        matches!(self, Self::Dev(_) | Self::Server(_))
    }
}

/// How the result is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Show {
    /// How to show the result
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Which project is meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InProject {
    /// Project; the context's own, else `default` [env: LEPTON_PROJECT]
    #[arg(short, long, value_name = "NAME")]
    pub project: Option<Name>,
}

/// Which projects are meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InProjects {
    #[command(flatten)]
    pub one: InProject,
    /// Every project that the token sees
    #[arg(short = 'A', long, conflicts_with = "project")]
    pub all_projects: bool,
}
