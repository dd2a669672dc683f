//! The verbs, one file each, and the way from the command line to them.

pub(crate) mod apply;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod context;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod incidents;
pub(crate) mod logs;
pub(crate) mod node;
pub(crate) mod offers;
pub(crate) mod plan;
pub(crate) mod sql;
pub(crate) mod status;
pub(crate) mod token;

use std::path::PathBuf;

use lepton_api::Client;
use lepton_model::{Key, Name, Timestamp};

use crate::args::{Cli, Command, InProject, InProjects};
use crate::failure::{EXIT_CODES, Failure};
use crate::role;
use crate::screen::Screen;
use crate::target::{Reach, Surroundings, Target};
use crate::top;

/// What a verb works with.
pub(crate) struct Desk<'a> {
    pub client: Client,
    pub screen: &'a Screen,
    project: Option<Name>,
}

impl<'a> Desk<'a> {
    fn open(reach: &Reach, screen: &'a Screen) -> Result<Self, Failure> {
        let target = find_target(reach)?;
        let project = target.project.clone();
        Ok(Self { client: target.client()?, screen, project })
    }

    /// The project a command speaks of.
    pub fn project(&self, asked: &InProject) -> Name {
        self.asked(asked).unwrap_or_else(Key::default_project)
    }

    /// The project that somebody named, on the command line, in the environment or in the context.
    pub fn asked(&self, asked: &InProject) -> Option<Name> {
        asked.project.clone().or_else(|| self.project.clone())
    }

    /// The project to list; `None` for all.
    pub fn projects(&self, asked: &InProjects) -> Option<Name> {
        if asked.all_projects { None } else { Some(self.project(&asked.one)) }
    }
}

/// The server that the command line, the environment, the contexts file or the folder names.
pub(crate) fn find_target(reach: &Reach) -> Result<Target, Failure> {
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    Target::find(reach, &Surroundings { env: &environment, folder })
}

/// A variable of this process's environment.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The time now. The only clock of the command line: ages are shown by it.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Runs one command to its end.
pub(crate) async fn run(cli: Cli, screen: &Screen) -> Result<(), Failure> {
    let reach = &cli.reach;
    let desk = || Desk::open(reach, screen);
    match cli.command {
        Command::Dev(args) => Box::pin(role::dev::run(args, screen)).await,
        Command::Server(args) => Box::pin(role::server::run(args, reach.insecure, screen)).await,
        Command::Agent(args) => Box::pin(role::agent::run(args, reach, screen)).await,
        Command::Join(args) => Box::pin(role::agent::join(args, reach, screen)).await,
        Command::Restore(args) => role::restore::run(args, screen),
        Command::Apply(args) => apply::run(args, &desk()?).await,
        Command::Plan(args) => plan::run(args, reach, screen).await,
        Command::Delete(args) => delete::run(args, &desk()?).await,
        Command::Get(args) => get::run(args, &desk()?).await,
        Command::Describe(args) => describe::run(args, &desk()?).await,
        Command::Explain(args) => explain::run(args, &desk()?).await,
        Command::Events(args) => events::run(args, &desk()?).await,
        Command::Logs(args) => logs::run(args, &desk()?).await,
        Command::Status(args) => status::run(args, &desk()?).await,
        Command::Top(args) => top::run(args, &desk()?).await,
        Command::Sql(args) => sql::run(args, &desk()?).await,
        Command::Offers(args) => offers::run(args, &desk()?).await,
        Command::Incidents(args) => incidents::run(args, &desk()?).await,
        Command::Cordon(args) => node::cordon(args, &desk()?).await,
        Command::Uncordon(args) => node::uncordon(args, &desk()?).await,
        Command::Drain(args) => node::drain(args, &desk()?).await,
        Command::Token(args) => token::run(args, &desk()?).await,
        Command::Backup(args) => backup::run(args, &desk()?).await,
        Command::Context(args) => context::run(args, screen),
        Command::Completions(args) => completions::run(args, screen),
        Command::ExitCodes => screen.print(EXIT_CODES),
    }
}
