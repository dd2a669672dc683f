//! `lepton token`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lepton_api::v1::{TokenInput, TokenReport};
use lepton_model::{Name, Period, Role};

use crate::args::Show;
use crate::command::{Desk, now};
use crate::context_file::write_private;
use crate::failure::{Exit, Failure};
use crate::screen::{Format, Table, ago};

/// Make, list and revoke tokens
#[derive(Debug, Args)]
#[command(after_help = "\
Roles: viewer reads; operator also applies and looks after incidents; admin does everything; join lets one machine join, once.

Examples:
  lepton token create alice --role operator --project shop --save alice.token
  lepton token create edge-7 --role join --save edge-7.token
  lepton token list
  lepton token revoke alice")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub verb: TokenVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token; its secret is shown this once
    Create(CreateArgs),
    /// List tokens, without their secrets
    List {
        /// Ended and expired ones too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        show: Show,
    },
    /// Revoke a token
    Revoke {
        /// Its id, or its name if only one token in force has it
        token: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Whom or what it is for
    name: Name,
    /// What it may do
    #[arg(long, value_enum)]
    role: RoleArg,
    /// Only in this project
    #[arg(short, long, value_name = "NAME")]
    project: Option<Name>,
    /// How long it is accepted [default: 90d; 1h for join]
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Period>,
    /// What it is for, in words
    #[arg(long, default_value = "", value_name = "TEXT")]
    description: String,
    /// Write the secret into this file, readable only by you, instead of showing it
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    show: Show,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    Viewer,
    Operator,
    Admin,
    Join,
}

pub(crate) async fn run(args: TokenArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    match args.verb {
        TokenVerb::Create(args) => create(args, desk).await,
        TokenVerb::List { all, show } => list(all, show, desk).await,
        TokenVerb::Revoke { token } => revoke(&token, desk).await,
    }
}

async fn create(args: CreateArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    // A secret that cannot be saved must not be made.
    if let Some(path) = &args.save {
        write_private(path, b"")
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    let role = match args.role {
        RoleArg::Viewer => Role::Viewer,
        RoleArg::Operator => Role::Operator,
        RoleArg::Admin => Role::Admin,
        RoleArg::Join => Role::Join,
    };
    let input = TokenInput {
        name: args.name,
        role,
        project: args.project,
        expires_in: args.expires_in,
        description: args.description,
    };
    let made = desk.client.create_token(&input).await;
    if let (Err(_), Some(path)) = (&made, &args.save) {
        let _ = std::fs::remove_file(path);
    }
    let mut made = made?;
    if let Some(path) = &args.save {
        write_private(path, format!("{}\n", made.secret).as_bytes())
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
        desk.screen.note(&format!("token {} ({}) is in {}", made.token.name, made.token.id, path.display()));
        made.secret = String::new();
    }
    match desk.screen.document(args.show.output, &made) {
        Some(result) => result,
        None if args.save.is_some() => Ok(()),
        None => {
            desk.screen.note("keep it now, it is not shown again:");
            desk.screen.print(&made.secret)
        }
    }
}

async fn list(all: bool, show: Show, desk: &Desk<'_>) -> Result<(), Failure> {
    let now = now();
    let mut tokens = desk.client.tokens().await?;
    if !all {
        tokens.retain(is_in_force);
    }
    if let Some(result) = desk.screen.document(show.output, &tokens) {
        return result;
    }
    let mut headings = vec!["ID", "NAME", "ROLE", "PROJECT", "NODE", "AGE", "EXPIRES IN"];
    let wide = show.output == Format::Wide;
    if wide {
        headings.push("DESCRIPTION");
    }
    let mut table = Table::new(headings);
    for token in tokens {
        let expires = match (token.ended_at, token.expires_at) {
            (Some(at), _) => format!("ended {} ago", ago(at, now)),
            (None, Some(at)) if at <= now => format!("expired {} ago", ago(at, now)),
            (None, Some(at)) => ago(now, at),
            (None, None) => "never".to_owned(),
        };
        let text = |name: Option<Name>| name.map(|name| name.to_string()).unwrap_or_default();
        let mut row = vec![
            token.id.to_string(),
            token.name.to_string(),
            token.role.as_str().to_owned(),
            text(token.project),
            text(token.node),
            ago(token.created_at, now),
            expires,
        ];
        if wide {
            row.push(token.description);
        }
        table.row(row);
    }
    table.print(desk.screen)
}

fn is_in_force(token: &TokenReport) -> bool {
    token.ended_at.is_none() && token.expires_at.is_none_or(|at| at > now())
}

async fn revoke(text: &str, desk: &Desk<'_>) -> Result<(), Failure> {
    let tokens = desk.client.tokens().await?;
    let found: Vec<_> = tokens
        .iter()
        .filter(|token| token.id.to_string() == text || (token.name == *text && is_in_force(token)))
        .collect();
    match found.as_slice() {
        [token] => {
            desk.client.revoke_token(token.id).await?;
            desk.screen.print(&format!("token {} ({}) revoked", token.name, token.id))
        }
        [] => Err(Failure::new(Exit::NotFound, format!("there is no token {text:?} in force"))
            .hint("lepton token list")),
        many => {
            let ids: Vec<_> = many.iter().map(|token| token.id.to_string()).collect();
            Err(Failure::usage(format!(
                "{} tokens have this name; give the id: {}",
                many.len(),
                ids.join(", ")
            )))
        }
    }
}
