//! What this machine measures, recorded to a text file: `# <Unix ms>` opens a tick, then `name{labels} value` a line.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};

const INTERVAL: Duration = Duration::from_secs(10);

/// A recording: only series that are there in every tick.
pub(super) struct Capture {
    pub series: Vec<Series>,
    /// Values by tick, then series.
    pub ticks: Vec<Vec<f64>>,
}

pub(super) struct Series {
    /// Sorted, `__name__` among them.
    pub labels: Vec<(String, String)>,
    /// Never falls and does rise: replayed as a counter.
    pub counter: bool,
    constant: bool,
}

impl Capture {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)?;
        let mut ticks: Vec<HashMap<&str, f64>> = Vec::new();
        for line in text.lines() {
            if line.starts_with('#') {
                ticks.push(HashMap::new());
            } else if let (Some(tick), Some((name, value))) = (ticks.last_mut(), line.rsplit_once(' ')) {
                tick.insert(name, value.parse().with_context(|| format!("value in `{line}`"))?);
            }
        }
        // The last tick may be cut short.
        ticks.pop();
        ensure!(ticks.len() > 1, "{} has fewer than two whole ticks", path.display());
        let everywhere = |name: &&&str| ticks.iter().all(|tick| tick.contains_key(**name));
        let mut names: Vec<&str> =
            ticks.first().map(|tick| tick.keys().filter(everywhere).copied().collect()).unwrap_or_default();
        names.sort_unstable();
        let values = |name: &str| ticks.iter().filter_map(|tick| tick.get(name).copied()).collect::<Vec<_>>();
        let series = names.iter().map(|name| {
            let values = values(name);
            let constant = values.windows(2).all(|pair| pair.first() == pair.last());
            Series { labels: labels(name), counter: !constant && values.is_sorted(), constant }
        });
        let series: Vec<_> = series.collect();
        let ticks =
            ticks.iter().map(|tick| names.iter().filter_map(|name| tick.get(name).copied()).collect());
        Ok(Self { series, ticks: ticks.collect() })
    }

    pub fn constant_share(&self) -> f64 {
        self.series.iter().filter(|series| series.constant).count() as f64 / self.series.len() as f64
    }
}

fn labels(text: &str) -> Vec<(String, String)> {
    let (name, rest) = text.split_once('{').unwrap_or((text, ""));
    let mut labels = vec![("__name__".to_owned(), name.to_owned())];
    for pair in rest.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty()) {
        if let Some((name, value)) = pair.split_once("=\"") {
            labels.push((name.to_owned(), value.trim_end_matches('"').to_owned()));
        }
    }
    labels.sort_unstable();
    labels
}

/// Records for some seconds, one tick every ten, on whole multiples of ten seconds, as a scraper does.
pub(super) fn record(path: &Path, seconds: u64) -> anyhow::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
    let interval = INTERVAL.as_millis() as u64;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|now| now.as_millis() as u64);
    let mut tick = (now()? / interval + 1) * interval;
    let end = tick + seconds * 1000;
    eprintln!("recording {seconds} s to {}", path.display());
    while tick <= end {
        std::thread::sleep(Duration::from_millis(tick.saturating_sub(now()?)));
        let mut out = format!("# {tick}\n");
        sample(&mut out);
        file.write_all(out.as_bytes())?;
        tick += interval;
    }
    Ok(())
}

fn sample(out: &mut String) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut add = |name: &str, labels: &str, value: &str| {
        if value.parse::<f64>().is_ok() {
            out.push_str(&format!("node_{name}{{{labels}}} {value}\n"));
        }
    };
    const MODES: [&str; 10] =
        ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];
    for line in read("/proc/stat").lines() {
        let mut words = line.split_whitespace();
        match (words.next().unwrap_or_default(), words.next()) {
            ("cpu", _) | (_, None) => {}
            (cpu, Some(first)) if cpu.starts_with("cpu") => {
                for (mode, ticks) in MODES.iter().zip(std::iter::once(first).chain(words)) {
                    let seconds = ticks.parse::<f64>().unwrap_or(f64::NAN) / 100.0;
                    let labels = format!("cpu=\"{}\",mode=\"{mode}\"", cpu.trim_start_matches("cpu"));
                    add("cpu_seconds_total", &labels, &seconds.to_string());
                }
            }
            (name, Some(value)) => add(name, "", value),
        }
    }
    for line in read("/proc/meminfo").lines() {
        if let Some((name, rest)) = line.split_once(':') {
            let mut words = rest.split_whitespace();
            let value = words.next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
            let factor = if words.next().is_some() { 1024 } else { 1 };
            let name = name.replace(['(', ')'], "_");
            add(&format!("memory_{name}_bytes"), "", &(value * factor).to_string());
        }
    }
    for line in read("/proc/vmstat").lines() {
        if let Some((name, value)) = line.split_once(' ') {
            add(&format!("vmstat_{name}"), "", value);
        }
    }
    for line in read("/proc/diskstats").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let Some((device, values)) = words.get(2).zip(words.get(3..)) {
            for (at, value) in values.iter().enumerate() {
                add(&format!("disk_field_{at}"), &format!("device=\"{device}\""), value);
            }
        }
    }
    for line in read("/proc/net/dev").lines().skip(2) {
        if let Some((device, values)) = line.split_once(':') {
            for (at, value) in values.split_whitespace().enumerate() {
                add(&format!("network_field_{at}_total"), &format!("device=\"{}\"", device.trim()), value);
            }
        }
    }
    for (name, value) in ["load1", "load5", "load15"].iter().zip(read("/proc/loadavg").split_whitespace()) {
        add(name, "", value);
    }
    for resource in ["cpu", "io", "memory"] {
        for line in read(&format!("/proc/pressure/{resource}")).lines() {
            let mut words = line.split_whitespace();
            let kind = words.next().unwrap_or_default();
            for (name, value) in words.filter_map(|word| word.split_once('=')) {
                add(&format!("pressure_{name}"), &format!("kind=\"{kind}\",resource=\"{resource}\""), value);
            }
        }
    }
    for path in ["/proc/net/snmp", "/proc/net/netstat"] {
        let text = read(path);
        let mut lines = text.lines();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let Some((protocol, names)) = names.split_once(':') else { continue };
            for (name, value) in names.split_whitespace().zip(values.split_whitespace().skip(1)) {
                add(&format!("netstat_{protocol}_{name}"), "", value);
            }
        }
    }
    for (path, metric) in [("/proc/softirqs", "softirqs_total"), ("/proc/interrupts", "interrupts_total")] {
        for line in read(path).lines().skip(1) {
            let mut words = line.split_whitespace();
            let kind = words.next().unwrap_or_default().trim_end_matches(':');
            for (cpu, value) in words.take_while(|word| word.parse::<u64>().is_ok()).enumerate() {
                add(metric, &format!("cpu=\"{cpu}\",kind=\"{kind}\""), value);
            }
        }
    }
    for line in read("/proc/schedstat").lines().filter(|line| line.starts_with("cpu")) {
        let words: Vec<_> = line.split_whitespace().collect();
        let cpu = words.first().map_or("", |cpu| cpu.trim_start_matches("cpu"));
        for (at, value) in words.iter().skip(1).enumerate() {
            add(&format!("schedstat_field_{at}"), &format!("cpu=\"{cpu}\""), value);
        }
    }
}
