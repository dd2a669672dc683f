//! Other people's software: a stock Prometheus writes to us, our agent writes to a stock VictoriaMetrics; the same values on both
//! sides.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use lepton_e2e::{Estate, Process, until};
use serde_json::Value;

use super::shop::empty;

fn missing(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "in CI no test may skip: {program} is missing");
    if !found {
        eprintln!("skipped: {program} is missing (a Debian package)");
    }
    !found
}

/// GETs JSON from within the server's namespace.
fn get(estate: &Estate, url: &str) -> anyhow::Result<String> {
    let output = estate.hub().command("curl").args(["-sfg", "-m", "5", url]).output()?;
    anyhow::ensure!(output.status.success(), "{url}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Values of one of our series by millisecond.
fn ours(estate: &Estate, query: &str) -> BTreeMap<i64, f64> {
    let rows = estate.sql(query).unwrap();
    rows.iter().map(|row| (row["ms"].as_i64().unwrap(), row["value"].as_f64().unwrap())).collect()
}

#[test]
fn a_stock_prometheus_writes_to_us() {
    if missing("prometheus") {
        return;
    }
    let Some(estate) = empty(Duration::from_secs(60)) else { return };
    let token = estate.scratch().join("prometheus.token");
    estate
        .lepton(&["token", "create", "prometheus", "--role", "operator", "--save", token.to_str().unwrap()])
        .unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:9090']}}]}}]\n\
         remote_write: [{{url: 'http://10.231.0.1:7700/api/v1/write', authorization: {{credentials_file: '{}'}}}}]\n",
        token.display()
    );
    let file = estate.scratch().join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let mut command = estate.hub().command("prometheus");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", estate.scratch().join("prometheus").display()));
    command.arg("--web.listen-address=127.0.0.1:9090");
    let prometheus = Process::start(&mut command, &estate.scratch().join("prometheus.log")).unwrap();
    let query = "SELECT time AS ms, value FROM samples \
                 WHERE metric = 'go_memstats_alloc_bytes'";
    until("Prometheus' samples", || Ok(ours(&estate, query).len() >= 5))
        .unwrap_or_else(|e| panic!("{e:#}\n{}", prometheus.tail()));
    let text = get(&estate, "http://127.0.0.1:9090/api/v1/query?query=go_memstats_alloc_bytes[5m]").unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let theirs: BTreeMap<i64, f64> = answer["data"]["result"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| {
            ((pair[0].as_f64().unwrap() * 1_000.0).round() as i64, pair[1].as_str().unwrap().parse().unwrap())
        })
        .collect();
    let ours = ours(&estate, query);
    let shared = ours.iter().filter(|(ms, value)| theirs.get(*ms) == Some(*value)).count();
    let differing =
        ours.iter().filter(|(ms, value)| theirs.get(*ms).is_some_and(|their| their != *value)).count();
    assert!(shared >= 5 && differing == 0, "ours {ours:?}\ntheirs {theirs:?}");
}

#[test]
fn our_agent_writes_to_a_stock_victoria_metrics() {
    if missing("victoria-metrics") {
        return;
    }
    let Some(mut estate) = empty(Duration::from_secs(60)) else { return };
    let mut command = estate.hub().command("victoria-metrics");
    command.arg("-httpListenAddr=10.231.0.1:8428");
    command.arg(format!("-storageDataPath={}", estate.scratch().join("vm").display()));
    let peer = Process::start(&mut command, &estate.scratch().join("vm.log")).unwrap();
    until("VictoriaMetrics to answer", || Ok(get(&estate, "http://10.231.0.1:8428/health").is_ok()))
        .unwrap_or_else(|e| panic!("{e:#}\n{}", peer.tail()));
    let config = estate.scratch().join("agent.toml");
    std::fs::write(
        &config,
        "[[remote_write]]\nurl = 'http://10.231.0.1:8428/api/v1/write'\nversion = '1.0'\n",
    )
    .unwrap();
    let state = estate.scratch().join("edge-1");
    estate.join_with("edge-1", &[], state, &[("LEPTON_AGENT_CONFIG", config.to_str().unwrap())]).unwrap();
    let query = "SELECT time AS ms, value FROM samples \
                 WHERE metric = 'node_memory_MemAvailable_bytes' AND node = 'edge-1'";
    let theirs = || -> anyhow::Result<BTreeMap<i64, f64>> {
        let text =
            get(&estate, "http://10.231.0.1:8428/api/v1/export?match[]=node_memory_MemAvailable_bytes")?;
        let mut all = BTreeMap::new();
        for line in text.lines() {
            let series: Value = serde_json::from_str(line)?;
            let values = series["values"].as_array().cloned().unwrap_or_default();
            let times = series["timestamps"].as_array().cloned().unwrap_or_default();
            all.extend(times.iter().zip(&values).filter_map(|(t, v)| Some((t.as_i64()?, v.as_f64()?))));
        }
        Ok(all)
    };
    let mut seen = (BTreeMap::new(), BTreeMap::new());
    until("five samples on both sides", || {
        seen = (ours(&estate, query), theirs()?);
        Ok(seen.0.keys().filter(|ms| seen.1.contains_key(*ms)).count() >= 5)
    })
    .unwrap_or_else(|e| panic!("{e:#}\n{seen:?}\n{}", estate.nodes[0].log()));
    let (ours, theirs) = seen;
    for (ms, value) in &ours {
        assert!(theirs.get(ms).is_none_or(|their| their == value), "at {ms}: {value} and {theirs:?}");
    }
}
