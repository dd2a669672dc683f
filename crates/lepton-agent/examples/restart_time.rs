//! How long a supervised service is away when it is killed: from SIGKILL to its first answer to an HTTP request.
//!
//! ```text
//! cargo run --release -p lepton-agent --example restart_time -- 200
//! ```
//!
//! The service is this program itself, as a small HTTP server. It is killed again as soon as it serves, so its back-off is
//! set to forget at once; what is measured is the first restart after a good run, which comes without a wait.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lepton_agent::supervise::{Contact, Supervisor, SupervisorConfig, SystemClock};
use lepton_model::{AssignmentSpec, Name};
use tokio::sync::{mpsc, watch};

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    if let Ok(port) = std::env::var("PORT") {
        return serve(port.parse()?);
    }
    let kills: usize = std::env::args().nth(1).map_or(Ok(100), |n| n.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut times = runtime.block_on(measure(kills))?;
    times.sort_unstable();
    let at = |quantile: usize| {
        times.get((times.len().saturating_sub(1)) * quantile / 100).copied().unwrap_or_default()
    };
    let mut out = std::io::stdout();
    writeln!(out, "kills {}  median {:?}  p99 {:?}  max {:?}", times.len(), at(50), at(99), at(100))?;
    Ok(())
}

fn serve(port: u16) -> Result<(), Fault> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    Ok(())
}

async fn measure(kills: usize) -> Result<Vec<Duration>, Fault> {
    let dir = std::env::temp_dir().join(format!("lepton-restart-time-{}", std::process::id()));
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let (events, mut received) = mpsc::channel(100_000);
    let (_contact, contact) = watch::channel(Contact::never(Duration::from_secs(15)));
    let config = SupervisorConfig {
        state_dir: dir.clone(),
        node: Name::new("restart-time")?,
        clock: Arc::new(SystemClock),
        cgroups: true,
    };
    let supervisor = Supervisor::open(config, events, contact).await?;
    let assignment: AssignmentSpec = serde_json::from_value(serde_json::json!({"replicas": [{
        "replica": {"kind": "service", "project": "default", "name": "server", "ordinal": 0},
        "incarnation": 1, "generation": 1, "ports": {"http": port},
        "spec": {
            "ports": ["http"],
            "command": [std::env::current_exe()?],
            "checks": [{"name": "page", "probe": {"http": {"port": "http"}}}],
            "run": {"service": {
                "restart": {"backoff": {"reset": "1ms"}, "crash_loop": {"restarts": 1000, "within": "1s"}},
                "startup": "10s", "repair": [], "partition": "keep",
            }},
        },
    }]}))?;
    supervisor.apply(1, assignment).await?;
    let mut times = Vec::with_capacity(kills);
    answered(port).await;
    for _ in 0..kills {
        let pid = supervisor.reports().first().and_then(|report| report.pid).ok_or("it has no process")?;
        let killed = Instant::now();
        let target = rustix::process::Pid::from_raw(i32::try_from(pid)?).ok_or("it has no process")?;
        rustix::process::kill_process(target, rustix::process::Signal::KILL)?;
        dead(pid).await;
        answered(port).await;
        times.push(killed.elapsed());
        // The next kill is of the new process, once the supervisor knows it.
        let old = pid;
        let mut changes = supervisor.changes();
        while supervisor.reports().first().is_none_or(|report| report.pid.is_none_or(|pid| pid == old)) {
            changes.changed().await?;
        }
        while received.try_recv().is_ok() {}
    }
    supervisor.shutdown(false).await;
    std::fs::remove_dir_all(dir)?;
    Ok(times)
}

fn ask(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(&start == b"HTTP/1.1 200")
}

async fn answered(port: u16) {
    while !tokio::task::spawn_blocking(move || ask(port)).await.is_ok_and(|answer| answer.unwrap_or(false)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Until the killed process is gone, and its port with it: it dies a moment after the signal was sent.
async fn dead(pid: u32) {
    let lives = || {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
    };
    while lives() {
        tokio::task::yield_now().await;
    }
}
