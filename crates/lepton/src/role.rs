//! The roles: parts of Lepton that run in this process.

pub(crate) mod agent;
pub(crate) mod dev;
pub(crate) mod restore;
pub(crate) mod server;

use tracing_subscriber::EnvFilter;

/// Sends log lines to stderr; `wanted` is a filter such as `info` or `warn,lepton_agent=debug`.
pub(crate) fn log(wanted: &EnvFilterText) {
    let filter = EnvFilter::new(&wanted.0);
    // A second call (tests) finds a subscriber in place, which serves as well.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
}

/// A log filter that has been checked.
#[derive(Debug, Clone)]
pub(crate) struct EnvFilterText(String);

impl std::str::FromStr for EnvFilterText {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("{error}; write it like info, or warn,lepton_agent=debug")),
        }
    }
}
