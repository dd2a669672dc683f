//! Other servers, given the same requests over loopback HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::replay::Replay;
use super::{Measured, Peer};

/// A running peer, ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; either way nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn ingest(peer: Peer, dir: &Path, replay: &mut Replay<'_>) -> anyhow::Result<Measured> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let (name, path) = match peer {
        Peer::VictoriaMetrics => ("victoria-metrics", "/api/v1/write"),
        Peer::Prometheus => ("prometheus", "/api/v1/write"),
    };
    let data = dir.join(name);
    std::fs::create_dir_all(&data)?;
    let mut command = Command::new(name);
    match peer {
        Peer::VictoriaMetrics => {
            command.arg(format!("-storageDataPath={}", data.display()));
            command.args([format!("-httpListenAddr={address}"), "-retentionPeriod=100y".into()]);
        }
        Peer::Prometheus => {
            let config = dir.join("prometheus.yml");
            std::fs::write(&config, "global: {}\n")?;
            command.arg(format!("--config.file={}", config.display()));
            command.arg(format!("--storage.tsdb.path={}", data.display()));
            command.arg(format!("--web.listen-address={address}"));
            command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
        }
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let server = Server { child: child.with_context(|| format!("start {name}"))?, address };
    server.wait_ready()?;

    let before = server.cpu()?;
    let mut connection = server.connect()?;
    let mut wall = Duration::ZERO;
    let samples = replay.samples();
    while let Some(request) = replay.next() {
        let began = Instant::now();
        let status = post(&mut connection, &server.address, path, request.body)?;
        ensure!((200..300).contains(&status), "{name} answered {status}");
        wall += began.elapsed();
    }
    // Written in the background, as ours is: both pay for it before they are measured.
    let size = match peer {
        Peer::VictoriaMetrics => {
            get(&server.address, "/internal/force_flush")?;
            get(&server.address, "/internal/force_merge")?;
            server.wait_idle()?;
            folder_size(&data)?
        }
        Peer::Prometheus => {
            post(&mut connection, &server.address, "/api/v1/admin/tsdb/snapshot", b"")?;
            folder_size(&data.join("snapshots"))?
        }
    };
    let cpu = server.cpu()? - before;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id()))?;
    Ok(Measured {
        name: name.into(),
        samples,
        wall: wall.as_secs_f64(),
        cpu,
        bytes_per_sample: size as f64 / samples as f64,
        rss_mb: status_mb(&status, "VmHWM:"),
    })
}

impl Server {
    fn connect(&self) -> anyhow::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(BufReader::new(stream))
    }

    fn wait_ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if get(&self.address, "/-/ready").is_ok_and(|status| status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("peer at {} does not get ready", self.address)
    }

    /// Waits until it has used hardly any CPU for a second.
    fn wait_idle(&self) -> anyhow::Result<()> {
        for _ in 0..120 {
            let before = self.cpu()?;
            std::thread::sleep(Duration::from_secs(1));
            if self.cpu()? - before < 0.05 {
                return Ok(());
            }
        }
        bail!("peer at {} does not come to rest", self.address)
    }

    /// CPU it used, in seconds: user and system time of all its threads.
    fn cpu(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, rest) = stat.rsplit_once(')').context("unreadable stat")?;
        let ticks = |at: usize| rest.split_whitespace().nth(at).and_then(|ticks| ticks.parse::<f64>().ok());
        let ticks = ticks(11).zip(ticks(12)).context("unreadable stat")?;
        Ok((ticks.0 + ticks.1) / rustix::param::clock_ticks_per_second() as f64)
    }
}

fn post(connection: &mut BufReader<TcpStream>, host: &str, path: &str, body: &[u8]) -> anyhow::Result<u16> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
         X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.get_mut().write_all(&[head.as_bytes(), body].concat())?;
    answer(connection)
}

fn get(host: &str, path: &str) -> anyhow::Result<u16> {
    let mut connection = BufReader::new(TcpStream::connect(host)?);
    connection.get_ref().set_read_timeout(Some(Duration::from_secs(60)))?;
    connection
        .get_mut()
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    answer(&mut connection)
}

/// Reads one answer; its status.
fn answer(connection: &mut BufReader<TcpStream>) -> anyhow::Result<u16> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status =
        line.split_whitespace().nth(1).and_then(|code| code.parse().ok()).context("not an HTTP answer")?;
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    std::io::copy(&mut connection.by_ref().take(length), &mut std::io::sink())?;
    Ok(status)
}

fn folder_size(dir: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        size += if kind.is_dir() { folder_size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(size)
}

/// A memory figure of `/proc/PID/status` in MB.
pub(super) fn status_mb(status: &str, field: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0)
        / 1000.0
}
