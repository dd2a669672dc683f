//! The HTTP probe: one GET over a fresh connection to the loopback address. Redirects are answers, not followed.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use lepton_model::HttpProbe;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How much of a body is looked at.
const BODY: usize = 64 << 10;

pub(super) async fn get(address: SocketAddr, probe: &HttpProbe) -> Result<String, String> {
    let started = Instant::now();
    let stream = TcpStream::connect(address).await.map_err(|error| super::words(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(chain)?;
    let mut request = Request::get(&probe.path)
        .header("host", address.to_string())
        .header("user-agent", concat!("lepton-agent/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close");
    for (name, value) in &probe.headers {
        request = request.header(name, value);
    }
    let request =
        request.body(Empty::<Bytes>::new()).map_err(|e| format!("the request is malformed: {e}"))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(chain)?;
        let status = response.status();
        let healthy = if probe.expect_status.is_empty() {
            (200..400).contains(&status.as_u16())
        } else {
            probe.expect_status.contains(&status.as_u16())
        };
        if !healthy {
            return Err(status.to_string());
        }
        if let Some(text) = &probe.expect_body {
            let body = read(response.into_body()).await?;
            if memchr::memmem::find(&body, text.as_bytes()).is_none() {
                return Err(format!("{status}, but the body does not hold {text:?}"));
            }
        }
        Ok(status)
    };
    tokio::pin!(exchange);
    // Driven here and not in a task of its own, so that a probe that is dropped closes its connection.
    let status = tokio::select! {
        status = &mut exchange => status?,
        ended = connection => {
            // The connection is done; what it has brought is with the exchange.
            ended.map_err(chain)?;
            exchange.await?
        }
    };
    Ok(format!("{status} in {} ms", started.elapsed().as_millis()))
}

async fn read(mut body: hyper::body::Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.map_err(chain)?.data_ref() {
            let room = BODY - bytes.len();
            bytes.extend(data.iter().take(room));
            if bytes.len() == BODY {
                break;
            }
        }
    }
    Ok(bytes)
}

/// An error with what it says of its cause.
fn chain(error: hyper::Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
