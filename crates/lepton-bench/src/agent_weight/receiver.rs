//! The least server that an agent is content with: it lets it join, assigns nothing, and counts what it ships.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use lepton_api::remote_write::{Limits, Protocol, Scratch, decode};

#[derive(Default)]
struct Counted {
    series: BTreeSet<Vec<u8>>,
    samples: u64,
}

/// A running server; its threads end with the process.
pub(super) struct Receiver {
    address: SocketAddr,
    counted: Arc<Mutex<Counted>>,
}

impl Receiver {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, counted) = (listener.local_addr()?, Arc::<Mutex<Counted>>::default());
        let shared = Arc::clone(&counted);
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // The agent closed the connection: what came before is counted.
                    let _ = serve(&stream, &shared);
                });
            }
        });
        Ok(Self { address, counted })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Series and samples that were shipped.
    pub(super) fn counted(&self) -> (usize, u64) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        (counted.series.len(), counted.samples)
    }
}

fn serve(stream: &TcpStream, counted: &Mutex<Counted>) -> anyhow::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    let mut scratch = Scratch::default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).context("a request line")?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            match header.trim().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse()?
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut body)?;
        let answer = match path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default()
        {
            "join" => r#"{"node":"bench","token":"lpt_bench","lease":"15s"}"#.to_owned(),
            "assignment" => {
                // As a server with nothing new: held for as long as was asked.
                std::thread::sleep(Duration::from_secs(30));
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
                let now = lepton_model::Timestamp::from_millis(i64::try_from(since.as_millis())?);
                format!(r#"{{"generation":0,"streams":[],"streams_version":1,"now":"{now}","lease":"15s"}}"#)
            }
            "prometheus" => {
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                let Counted { series, samples: total } = &mut *counted;
                decode(Protocol::V2, &body, &Limits::default(), &mut scratch, |labels, samples| {
                    let key = labels
                        .iter()
                        .flat_map(|(name, value)| [*name, b"\0", *value, b"\0"])
                        .collect::<Vec<_>>();
                    series.insert(key.concat());
                    *total += samples.len() as u64;
                })?;
                String::new()
            }
            "events" => r#"{"accepted":1,"known":0}"#.to_owned(),
            _ => String::new(),
        };
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
    }
}
