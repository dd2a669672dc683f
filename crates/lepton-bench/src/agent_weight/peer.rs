//! Other people's agents, where they are installed: started in the foreground with their own defaults, at the same
//! interval. One that is only read from is read as often as it would be by a Prometheus.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{Running, WARM_UP, Weight, weigh};

/// Names and weights of those that are installed.
pub(super) fn measure_all(interval: &str, seconds: Duration) -> anyhow::Result<Vec<(&'static str, Weight)>> {
    let every: lepton_model::Period = interval.parse()?;
    let every = every.duration();
    let mut weights = Vec::new();
    for (name, measure) in [
        ("prometheus-node-exporter", node_exporter as fn(Duration, Duration) -> anyhow::Result<Weight>),
        ("collectd", collectd),
    ] {
        let installed =
            Command::new("sh").args(["-c", &format!("command -v {name}")]).stdout(Stdio::null()).status()?;
        if installed.success() {
            weights.push((name, measure(every, seconds).context(name)?));
        } else {
            eprintln!("{name} is not installed; left out");
        }
    }
    Ok(weights)
}

fn start(command: &mut Command) -> anyhow::Result<Running> {
    Ok(Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
}

fn node_exporter(every: Duration, seconds: Duration) -> anyhow::Result<Weight> {
    const ADDRESS: &str = "127.0.0.1:19100";
    let running =
        start(Command::new("prometheus-node-exporter").arg(format!("--web.listen-address={ADDRESS}")))?;
    let mut series = 0;
    let weight = weigh(running.0.id(), WARM_UP, seconds, || {
        let mut next = Instant::now();
        let end = next + seconds;
        while next < end {
            series = scrape(ADDRESS)?;
            next += every;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    })?;
    Ok(Weight { series, ..weight })
}

/// Number of samples that `/metrics` gives.
fn scrape(address: &str) -> anyhow::Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    Ok(body.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count())
}

/// The plugins that read what the agent reads; values go to CSV files, which are counted by their columns.
fn collectd(every: Duration, seconds: Duration) -> anyhow::Result<Weight> {
    // It refuses to write below a folder whose name begins with a dot.
    let folder = tempfile::Builder::new().prefix("collectd-").tempdir()?;
    let (config, data) = (folder.path().join("collectd.conf"), folder.path().join("data"));
    let mut text = format!(
        "Interval {}\nBaseDir \"{}\"\nPIDFile \"{}\"\n",
        every.as_secs(),
        folder.path().display(),
        folder.path().join("pid").display()
    );
    for plugin in [
        "cpu",
        "memory",
        "vmem",
        "swap",
        "df",
        "disk",
        "interface",
        "load",
        "processes",
        "protocols",
        "irq",
        "contextswitch",
        "entropy",
        "uptime",
        "users",
        "conntrack",
        "tcpconns",
        "csv",
    ] {
        text.push_str(&format!("LoadPlugin {plugin}\n"));
    }
    text.push_str(&format!(
        "<Plugin vmem>\nVerbose true\n</Plugin>\n<Plugin csv>\nDataDir \"{}\"\n</Plugin>\n",
        data.display()
    ));
    std::fs::write(&config, text)?;
    let running = start(Command::new("collectd").args(["-f", "-C"]).arg(&config))?;
    let weight = weigh(running.0.id(), WARM_UP, seconds, || {
        std::thread::sleep(seconds);
        Ok(())
    })?;
    drop(running);
    Ok(Weight { series: columns(&data)?, ..weight })
}

/// Value columns of all CSV files below a folder.
fn columns(folder: &std::path::Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            count += columns(&path)?;
        } else {
            let text = std::fs::read_to_string(&path)?;
            count += text.lines().next().map_or(0, |head| head.split(',').count() - 1);
        }
    }
    Ok(count)
}
