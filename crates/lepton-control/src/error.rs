//! Why a server does not start or stops.

use std::net::SocketAddr;
use std::path::PathBuf;

use lepton_model::FieldErrors;

/// A server that does not run. Each variant is something its owner mends differently.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error("configuration: {0}")]
    Config(FieldErrors),
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; is another server running, or the address not this machine's?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate or key is unusable.
    #[error("TLS: {0}")]
    Tls(String),
    /// The store does not open.
    #[error("store: {0}")]
    Store(String),
    /// The lake does not open.
    #[error("lake: {0}")]
    Lake(#[from] lepton_lake::LakeError),
}

impl ServeError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
