//! A server on loopback that keeps every request as it came and answers what a test tells it to.
//!
//! It shows what an adapter sends without a cloud. With `LEPTON_WIRETAP` set, every request is also written into that folder
//! (`<provider>-<process>-<number>.http`), where the vendors' own signers judge it: `tests/oracles/vendor-sdk.sh`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Request;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is answered: status and body.
pub type Respond = dyn Fn(&Request<Bytes>) -> (u16, String) + Send + Sync;

/// A server that listens until it is dropped.
pub struct Wiretap {
    address: String,
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Wiretap {
    /// Listens on a free port.
    pub async fn listen(provider: &'static str, respond: Box<Respond>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let (kept, respond) = (requests.clone(), Arc::<Respond>::from(respond));
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, provider, kept.clone(), respond.clone()));
            }
        });
        Self { address, requests, listening }
    }

    /// `http://127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The requests since the last time this was asked.
    pub fn take(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.requests.lock())
    }
}

async fn serve(
    mut stream: TcpStream,
    provider: &'static str,
    kept: Arc<Mutex<Vec<Request<Bytes>>>>,
    respond: Arc<Respond>,
) {
    let mut raw = Vec::new();
    loop {
        while whole(&raw).is_none() {
            let mut chunk = [0; 8_192];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => raw.extend_from_slice(&chunk[..read]),
            }
        }
        let rest = raw.split_off(whole(&raw).expect("a whole request"));
        let request = parse(&raw);
        let (status, body) = respond(&request);
        kept.lock().push(request);
        if let Some(folder) = std::env::var_os("LEPTON_WIRETAP").filter(|folder| !folder.is_empty()) {
            static NEXT: AtomicU64 = AtomicU64::new(1);
            let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let file = PathBuf::from(folder).join(format!("{provider}-{process}-{number}.http"));
            std::fs::write(file, &raw).expect("the folder of LEPTON_WIRETAP can be written");
        }
        raw = rest;
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Length of the first request, once it is there to its end.
fn whole(raw: &[u8]) -> Option<usize> {
    let head = raw.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&raw[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a content length"));
    (raw.len() >= head + length).then_some(head + length)
}

/// A raw request, as a vendor's SDK or this server kept it.
///
/// # Panics
/// It is no HTTP/1.1 request.
pub fn parse(raw: &[u8]) -> Request<Bytes> {
    let head = raw.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of the headers");
    let (text, body) = (std::str::from_utf8(&raw[..head]).expect("text"), &raw[head + 4..]);
    let mut lines = text.split("\r\n");
    let mut first = lines.next().expect("a request line").split(' ');
    let mut request =
        Request::builder().method(first.next().expect("a method")).uri(first.next().expect("a path"));
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header");
        request = request.header(name.trim(), value.trim());
    }
    request.body(Bytes::copy_from_slice(body)).expect("a request")
}
