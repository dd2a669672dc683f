//! Configuration: defaults, then one TOML file, then the environment, then flags; checked whole before anything starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use lepton_model::{Bytes, FieldErrors, Labels, Name, Period};
use serde::{Deserialize, Serialize};

use crate::client::Endpoint;
use crate::collect::Roots;

/// Everything an agent needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Name of this node; made from the host name when absent.
    pub name: Option<Name>,
    /// Where the agent keeps its credential, its queue and its services' state, logs and data.
    pub state_dir: PathBuf,
    /// `https://lepton.example:7700`. Without one the agent only measures, for `remote_write`.
    pub server: Option<String>,
    /// Certificate authorities to trust for `server` and `remote_write`, instead of the machine's; PEM.
    pub ca_file: Option<PathBuf>,
    /// Lets the agent's token travel to `server` without TLS.
    pub insecure: bool,
    /// File with the one-time token to join with.
    pub join_token_file: Option<PathBuf>,
    /// The one-time token itself; from the environment only.
    #[serde(skip)]
    pub join_token: Option<Secret>,
    /// Labels of the node, told when joining.
    pub labels: Labels,
    /// Time between samples.
    pub interval: Period,
    /// Most series that are measured.
    pub max_series: usize,
    /// Whether to limit services by control groups where the machine permits.
    pub cgroups: bool,
    /// Whether services end with the agent. Normally they go on, and the next agent takes them over.
    pub stop_services: bool,
    /// Bounds of the disk queue.
    pub spool: SpoolSizes,
    /// Further receivers of the samples.
    pub remote_write: Vec<RemoteWrite>,
    /// Where the machine's files are.
    pub roots: Roots,
}

/// Bounds of the disk queue. The oldest goes when more comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolSizes {
    /// For samples: 256 MiB hold about two days at one second's interval, twenty at ten.
    pub samples: Bytes,
    /// For timeline entries.
    pub events: Bytes,
}

impl Default for SpoolSizes {
    fn default() -> Self {
        Self { samples: Bytes::mebi(256), events: Bytes::mebi(64) }
    }
}

/// A receiver that speaks Prometheus remote write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteWrite {
    /// `https://prometheus.example/api/v1/write`
    pub url: String,
    /// 2.0 unless the receiver is older.
    #[serde(default)]
    pub version: RemoteWriteVersion,
    /// File with the bearer token; read at each request, so that it can be rotated.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// Labels that every series gets: `job`, `instance`, …
    #[serde(default)]
    pub labels: Labels,
}

/// Version of the remote write protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RemoteWriteVersion {
    /// Understood by everything.
    #[serde(rename = "1.0")]
    V1,
    /// Smaller on the wire.
    #[default]
    #[serde(rename = "2.0")]
    V2,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            name: None,
            state_dir: PathBuf::from("/var/lib/lepton/agent"),
            server: None,
            ca_file: None,
            insecure: false,
            join_token_file: None,
            join_token: None,
            labels: Labels::new(),
            interval: Period::from_secs(10),
            max_series: 10_000,
            cgroups: true,
            stop_services: false,
            spool: SpoolSizes::default(),
            remote_write: Vec::new(),
            roots: Roots::default(),
        }
    }
}

/// Flags and environment variables; each wins over the file.
#[derive(Debug, Clone, Default, Args)]
pub struct AgentArgs {
    /// Configuration file (TOML)
    #[arg(long, env = "LEPTON_AGENT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address of the server: https://lepton.example:7700
    #[arg(long, env = "LEPTON_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Name of this node; from the host name when absent
    #[arg(long, env = "LEPTON_AGENT_NAME")]
    pub name: Option<Name>,
    /// Folder for credential, queue, and the state of services
    #[arg(long, env = "LEPTON_AGENT_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Time between samples: 10s, 1s
    #[arg(long, env = "LEPTON_AGENT_INTERVAL")]
    pub interval: Option<Period>,
    /// Certificate authorities to trust (PEM), instead of the machine's
    #[arg(long, env = "LEPTON_AGENT_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// File with the one-time token to join with; LEPTON_JOIN_TOKEN may hold the token itself
    #[arg(long, env = "LEPTON_JOIN_TOKEN_FILE", value_name = "FILE")]
    pub join_token_file: Option<PathBuf>,
    /// A label of this node; may be repeated
    #[arg(long = "label", env = "LEPTON_AGENT_LABELS", value_name = "KEY=VALUE", value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Let the agent's token travel without TLS to another machine
    #[arg(long, env = "LEPTON_AGENT_INSECURE")]
    pub insecure: bool,
    /// Do not use control groups
    #[arg(long, env = "LEPTON_AGENT_NO_CGROUPS")]
    pub no_cgroups: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0}")]
    File(PathBuf, #[source] std::io::Error),
    /// The file is no TOML, or has a field that does not exist or does not read.
    #[error("{path}: {problem}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line, field and what is wrong.
        problem: String,
    },
    /// It reads, and cannot work.
    #[error("the configuration cannot work:\n{0}")]
    Invalid(FieldErrors),
}

impl AgentConfig {
    /// Puts defaults, file, environment and flags together, and checks the whole.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn load(args: AgentArgs) -> Result<Self, ConfigError> {
        let mut config = match &args.config {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| ConfigError::File(path.clone(), error))?;
                Self::from_toml(path, &text)?
            }
            None => Self::default(),
        };
        config.join_token =
            std::env::var("LEPTON_JOIN_TOKEN").ok().filter(|token| !token.is_empty()).map(Secret);
        config.override_with(args);
        config.validate().map_err(ConfigError::Invalid)?;
        Ok(config)
    }

    fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text)
            .map_err(|error| ConfigError::Toml { path: path.to_path_buf(), problem: error.to_string() })
    }

    fn override_with(&mut self, args: AgentArgs) {
        let AgentArgs {
            config: _, server, name, state_dir, interval, ca_file, join_token_file, labels, ..
        } = args;
        self.server = server.or(self.server.take());
        self.name = name.or(self.name.take());
        self.ca_file = ca_file.or(self.ca_file.take());
        self.join_token_file = join_token_file.or(self.join_token_file.take());
        if let Some(state_dir) = state_dir {
            self.state_dir = state_dir;
        }
        if let Some(interval) = interval {
            self.interval = interval;
        }
        self.labels.extend(labels);
        self.insecure |= args.insecure;
        self.cgroups &= !args.no_cgroups;
    }

    /// Everything that cannot work.
    ///
    /// # Errors
    /// Every mistake, by field.
    pub fn validate(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        let interval = self.interval.duration();
        errors.require(
            (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&interval),
            "interval",
            "is from 1s to 1m",
        );
        errors.require((100..=100_000).contains(&self.max_series), "max_series", "is from 100 to 100000");
        for (field, size) in [("spool.samples", self.spool.samples), ("spool.events", self.spool.events)] {
            errors.require(size >= MIN_SPOOL, field, format!("is at least {MIN_SPOOL}"));
        }
        errors.require(
            self.server.is_some() || !self.remote_write.is_empty(),
            "server",
            "is missing; name a server, or a remote_write receiver",
        );
        if let Some(server) = &self.server {
            match Endpoint::parse(server) {
                Err(error) => errors.push("server", error.to_string()),
                Ok(endpoint) => {
                    errors.require(
                        endpoint.path().is_empty(),
                        "server",
                        "has no path, only scheme, host and port",
                    );
                    errors.require(
                        self.insecure || !endpoint.is_exposed(),
                        "server",
                        "would get the agent's token without TLS; use https://, or allow it with insecure = true",
                    );
                }
            }
        }
        for (at, target) in self.remote_write.iter().enumerate() {
            let field = format!("remote_write[{at}].url");
            match Endpoint::parse(&target.url) {
                Err(error) => errors.push(field, error.to_string()),
                Ok(endpoint) => errors.require(
                    target.bearer_token_file.is_none() || self.insecure || !endpoint.is_exposed(),
                    field,
                    "would get its bearer token without TLS; use https://, or allow it with insecure = true",
                ),
            }
        }
        let urls: std::collections::BTreeSet<_> =
            self.remote_write.iter().map(|target| &target.url).collect();
        errors.require(urls.len() == self.remote_write.len(), "remote_write", "names a url twice");
        errors.require(self.state_dir.is_absolute(), "state_dir", "is an absolute path");
        errors.into_result()
    }
}

/// Less could not hold a segment that is written and one that is read.
const MIN_SPOOL: Bytes = Bytes::mebi(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn problem(toml: &str, args: AgentArgs) -> String {
        let loaded = AgentConfig::from_toml(Path::new("agent.toml"), toml).and_then(|mut config| {
            config.override_with(args);
            config.validate().map_err(ConfigError::Invalid)
        });
        loaded.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn mistakes_name_their_field() {
        let check = |toml: &str, expect: &str| {
            let found = problem(toml, AgentArgs::default());
            assert!(
                if expect.is_empty() { found.is_empty() } else { found.contains(expect) },
                "{toml}: {found}"
            );
        };
        check("server = 'https://lepton.example'", "");
        check("server = 'http://127.0.0.1:7700'\ninterval = '1s'\n[spool]\nsamples = '16Mi'", "");
        check("[[remote_write]]\nurl = 'http://10.0.0.1:9090/api/v1/write'\nversion = '1.0'", "");
        check("", "server: is missing");
        check("servr = 'x'", "unknown field `servr`");
        check("server = 'lepton.example'", "server: ");
        check("server = 'https://lepton.example/v1'", "server: has no path");
        check("server = 'http://10.0.0.1'", "server: would get the agent's token without TLS");
        check("server = 'http://10.0.0.1'\ninsecure = true", "");
        check("server = 'https://a.example'\ninterval = '100ms'", "interval: is from 1s to 1m");
        check("server = 'https://a.example'\ninterval = 'soon'", "is not a length of time");
        check("server = 'https://a.example'\n[spool]\nevents = '1Ki'", "spool.events: is at least 1Mi");
        check(
            "[[remote_write]]\nurl = 'http://10.0.0.1'\nbearer_token_file = '/t'",
            "remote_write[0].url: would get its bearer token",
        );
        check("[[remote_write]]\nurl = 'https://a.example'\nversion = '3.0'", "unknown variant `3.0`");
        check("server = 'https://a.example'\nstate_dir = 'here'", "state_dir: is an absolute path");
    }

    #[test]
    fn flags_win_over_the_file() {
        let toml = "server = 'https://a.example'\ninterval = '1s'\n[labels]\ncloud = 'aws'\nzone = 'a'";
        let mut config = AgentConfig::from_toml(Path::new("agent.toml"), toml).unwrap();
        config.override_with(AgentArgs {
            server: Some("https://b.example".to_owned()),
            labels: vec![("zone".to_owned(), "b".to_owned())],
            no_cgroups: true,
            ..AgentArgs::default()
        });
        assert_eq!(config.server.as_deref(), Some("https://b.example"));
        assert_eq!(config.interval, Period::from_secs(1));
        assert_eq!(
            config.labels.into_iter().collect::<Vec<_>>(),
            [("cloud".to_owned(), "aws".to_owned()), ("zone".to_owned(), "b".to_owned())]
        );
        assert!(!config.cgroups);
    }
}
