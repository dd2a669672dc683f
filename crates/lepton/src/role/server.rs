//! `lepton server`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use lepton_control::{RunningServer, ServeError, ServerConfig, TlsConfig};

use super::EnvFilterText;
use crate::command::environment;
use crate::command::get::interrupted;
use crate::context_file::read;
use crate::failure::{Exit, Failure};
use crate::screen::Screen;

/// Run the server: the API, the reconcilers, the store and the lake
#[derive(Debug, Args)]
#[command(after_help = "\
Settings come from defaults, then the configuration file, then LEPTON_… variables, then flags; the later wins.
All are checked before a port is bound. A file with every setting at its default: lepton server --print-config

Examples:
  lepton server --data /var/lib/lepton
  lepton server --config /etc/lepton/server.toml
  lepton server --listen 0.0.0.0:7700 --tls-certificate tls.pem --tls-key tls.key")]
pub(crate) struct ServerArgs {
    /// Configuration file (TOML) [env: LEPTON_SERVER_CONFIG]
    #[arg(long, env = "LEPTON_SERVER_CONFIG", hide_env = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of everything the server keeps [env: LEPTON_DATA_DIR]
    #[arg(long, env = "LEPTON_DATA_DIR", hide_env = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to listen on [env: LEPTON_LISTEN] [default: 127.0.0.1:7700]
    #[arg(long, env = "LEPTON_LISTEN", hide_env = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Certificate chain (PEM) [env: LEPTON_TLS_CERTIFICATE]
    #[arg(long, env = "LEPTON_TLS_CERTIFICATE", hide_env = true, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key (PEM) [env: LEPTON_TLS_KEY]
    #[arg(long, env = "LEPTON_TLS_KEY", hide_env = true, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Print the settings in effect and end
    #[arg(long)]
    pub print_config: bool,
    /// What to log [env: LEPTON_LOG]
    #[arg(long, env = "LEPTON_LOG", hide_env = true, default_value = "info", value_name = "FILTER")]
    pub log: EnvFilterText,
}

pub(crate) async fn run(args: ServerArgs, insecure: bool, screen: &Screen) -> Result<(), Failure> {
    let config = config(&args, insecure)?;
    if args.print_config {
        let text = toml::to_string(&config).map_err(|error| Failure::failed(error.to_string()))?;
        return screen.print(&text);
    }
    super::log(&args.log);
    let done = interrupted();
    let server = Box::pin(RunningServer::start(config)).await.map_err(refused)?;
    screen.note(&format!(
        "serving {}; administrator's token in {}",
        server.url(),
        server.admin_token_path().display()
    ));
    done.cancelled().await;
    screen.note("stopping …");
    Box::pin(server.shutdown()).await;
    Ok(())
}

/// Defaults, then the file, then environment and flags; checked whole.
fn config(args: &ServerArgs, insecure: bool) -> Result<ServerConfig, Failure> {
    let mut config = match &args.config {
        Some(path) => toml::from_str(&read(path)?).map_err(|error| {
            Failure::invalid(format!("{}: {}", path.display(), error.to_string().trim_end()))
        })?,
        None => ServerConfig::default(),
    };
    if let Some(data) = &args.data {
        config.data.clone_from(data);
    }
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    if let (Some(certificate), Some(key)) = (&args.tls_certificate, &args.tls_key) {
        config.tls = Some(TlsConfig { certificate: certificate.clone(), key: key.clone() });
    }
    config.insecure |= insecure || environment("LEPTON_INSECURE").is_some_and(|value| value == "1");
    config.validate().map_err(|errors| refused(ServeError::Config(errors)))?;
    Ok(config)
}

/// Why the server does not start, in words and with the exit code for it.
pub(super) fn refused(error: ServeError) -> Failure {
    match &error {
        ServeError::Config(errors) => {
            let lines = errors.iter().map(|error| format!("configuration: {error}")).collect();
            Failure::all(Exit::Invalid, lines)
        }
        _ => Failure::failed(with_sources(&error)),
    }
}

/// An error and what caused it, on one line.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(source) = at {
        text = format!("{text}: {source}");
        at = source.source();
    }
    text
}
