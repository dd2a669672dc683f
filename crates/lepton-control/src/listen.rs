//! The accept loop: HTTP/1.1 and HTTP/2, with TLS where there is a certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::TlsConfig;
use crate::error::ServeError;
use crate::tasks::{TaskKind, Tasks};

/// A handshake, and the head of a request, have to be here within this time.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Bytes of a request's head; more is 431.
const HEAD_BYTES: usize = 32 << 10;

/// A bound listener.
pub(crate) struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    pub address: SocketAddr,
}

impl Listener {
    pub async fn bind(address: SocketAddr, tls: Option<&TlsConfig>) -> Result<Self, ServeError> {
        let tls = tls.map(acceptor).transpose()?;
        let failed = |source| ServeError::Bind { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Self { tcp, tls, address })
    }

    /// Takes connections until accepting should end; each is served by a task of its own.
    pub async fn serve(self, router: Router, tasks: Tasks, most: usize) {
        let accepting = tasks.ending(TaskKind::Accept);
        let places = Arc::new(Semaphore::new(most));
        loop {
            // A connection beyond the bound waits in the kernel's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Some(accepted) = accepting.run_until_cancelled(self.tcp.accept()).await else { return };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be given back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (router, tls) = (router.clone(), self.tls.clone());
            let ending = tasks.ending(TaskKind::Connection);
            tasks.spawn(TaskKind::Connection, async move {
                connection(stream, tls, router, ending).await;
                drop(place);
            });
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, ending: CancellationToken) {
    // Small answers should leave at once.
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, router, ending).await,
        Some(acceptor) => match tokio::time::timeout(HEAD_TIME, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => talk(stream, router, ending).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    ending: CancellationToken,
) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(256);
    let serving = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = ending.cancelled() => {
            // Answers what is under way, then closes.
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, ServeError> {
    let wrong = |path: &Path, what: &str| {
        let path = path.display().to_string();
        let what = what.to_owned();
        move |error: rustls::pki_types::pem::Error| ServeError::Tls(format!("{what} in {path}: {error}"))
    };
    let chain = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(wrong(&config.certificate, "no certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(wrong(&config.key, "no private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = |error: rustls::Error| ServeError::Tls(error.to_string());
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(tls)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}
