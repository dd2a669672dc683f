//! `lepton context`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lepton_api::Client;
use lepton_model::Name;

use crate::args::Show;
use crate::command::environment;
use crate::context_file::{Context, Contexts, read_token};
use crate::failure::Failure;
use crate::screen::{Screen, Table};

/// Keep servers by name
#[derive(Debug, Args)]
#[command(after_help = "\
Contexts are kept in ~/.config/lepton/config.toml (LEPTON_CONFIG names another file), readable only by you:

  current = \"prod\"

  [contexts.prod]
  server = \"https://lepton.example.com:7700\"
  token_file = \"/home/alice/.config/lepton/prod.token\"
  project = \"shop\"

Examples:
  lepton context add prod --url https://lepton.example.com:7700 --with-token-file prod.token
  lepton context list
  lepton context use prod
  lepton --context prod get nodes
  lepton context remove prod")]
pub(crate) struct ContextArgs {
    #[command(subcommand)]
    pub verb: ContextVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContextVerb {
    /// Show the contexts; the one in use is marked
    List(Show),
    /// Use a context from now on
    Use {
        /// Its name
        name: String,
    },
    /// Add a context, or change one; the first one added is used at once
    Add(AddArgs),
    /// Forget a context
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Its name
    name: String,
    /// Address of the server
    #[arg(long, value_name = "URL")]
    url: String,
    /// File with the token; read at every use
    #[arg(long, value_name = "FILE")]
    with_token_file: Option<PathBuf>,
    /// Copy the token into the contexts file instead of remembering where its file is
    #[arg(long, requires = "with_token_file")]
    store_token: bool,
    /// Project to work in
    #[arg(short, long, value_name = "NAME")]
    project: Option<Name>,
    /// PEM file with the authorities to trust instead of the machine's own
    #[arg(long, value_name = "FILE")]
    with_ca_file: Option<PathBuf>,
    /// Allow the token to travel unencrypted
    #[arg(long)]
    allow_plain: bool,
}

pub(crate) fn run(args: ContextArgs, screen: &Screen) -> Result<(), Failure> {
    let path = Contexts::path(&environment)
        .ok_or_else(|| Failure::usage("there is no home folder").hint("set LEPTON_CONFIG to a file"))?;
    let mut contexts = Contexts::load(&path)?;
    match args.verb {
        ContextVerb::List(show) => return list(&contexts, show, screen),
        ContextVerb::Use { name } => {
            contexts.named(&name)?;
            contexts.current = Some(name.clone());
            screen.note(&format!("using context {name}"));
        }
        ContextVerb::Add(add) => {
            let name = add.name.clone();
            let context = context_of(add)?;
            let known = contexts.contexts.insert(name.clone(), context).is_some();
            let current = contexts.current.get_or_insert_with(|| name.clone());
            let aside = if *current == name { "; it is in use" } else { "" };
            screen.note(&format!("{} context {name}{aside}", if known { "changed" } else { "added" }));
        }
        ContextVerb::Remove { name } => {
            contexts.named(&name)?;
            contexts.contexts.remove(&name);
            if contexts.current.as_ref() == Some(&name) {
                contexts.current = None;
            }
            screen.note(&format!("removed context {name}"));
        }
    }
    contexts.save(&path)
}

fn context_of(add: AddArgs) -> Result<Context, Failure> {
    let absolute = |path: PathBuf| {
        std::path::absolute(&path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    };
    let token_file = add.with_token_file.map(absolute).transpose()?;
    let token = token_file.as_deref().map(read_token).transpose()?;
    let context = Context {
        server: add.url,
        token: if add.store_token { token.clone() } else { None },
        token_file: if add.store_token { None } else { token_file },
        project: add.project,
        ca_file: add.with_ca_file.map(absolute).transpose()?,
        insecure: add.allow_plain,
    };
    // An address that cannot work is refused now rather than at the first use.
    let config = lepton_api::ClientConfig {
        server: context.server.clone(),
        token,
        insecure: context.insecure,
        ..lepton_api::ClientConfig::default()
    };
    Client::new(config)?;
    Ok(context)
}

fn list(contexts: &Contexts, show: Show, screen: &Screen) -> Result<(), Failure> {
    // Tokens stay in the file.
    let mut shown = contexts.clone();
    for context in shown.contexts.values_mut() {
        context.token = context.token.as_ref().map(|_| "(kept in the file)".to_owned());
    }
    if let Some(result) = screen.document(show.output, &shown) {
        return result;
    }
    if shown.contexts.is_empty() {
        screen
            .note("no contexts yet; add one with `lepton context add NAME --url URL --with-token-file FILE`");
        return Ok(());
    }
    let mut table = Table::new(["", "NAME", "SERVER", "PROJECT", "TOKEN"]);
    for (name, context) in &shown.contexts {
        let mark = if shown.current.as_ref() == Some(name) { "*" } else { "" };
        let project = context.project.as_ref().map_or("", Name::as_str);
        let token = match (&context.token_file, &context.token) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(note)) => note.clone(),
            (None, None) => "none".to_owned(),
        };
        table.row([mark, name, &context.server, project, &token]);
    }
    table.print(screen)
}
