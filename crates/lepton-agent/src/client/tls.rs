//! TLS by rustls with ring. Trusted are the machine's certificate authorities, or those of one file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of authorities cannot be read, or holds no certificate.
    #[error("{path}: {problem}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The machine has no certificate authorities.
    #[error("this machine has no certificate authorities; install ca-certificates or name a ca_file")]
    NoAuthorities,
    /// The library refuses its own defaults.
    #[error("rustls")]
    Library(#[from] rustls::Error),
}

/// How TLS connections are made.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts the authorities in `file`, or the machine's.
    ///
    /// # Errors
    /// There are none.
    pub fn new(file: Option<&Path>) -> Result<Self, TlsError> {
        let certificates = match file {
            Some(path) => from_file(path)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(match file {
                Some(path) => authorities(path, "holds no certificate authority"),
                None => TlsError::NoAuthorities,
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Makes a connection private, to the host of that name and no other.
    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

fn from_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = std::fs::read(path).map_err(|error| authorities(path, &error.to_string()))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| authorities(path, &format!("is no PEM file: {error}")))
}

fn authorities(path: &Path, problem: &str) -> TlsError {
    TlsError::Authorities { path: path.to_path_buf(), problem: problem.to_owned() }
}
