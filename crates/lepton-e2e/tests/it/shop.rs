//! The service that most tests run, and an estate of three clouds to run it in.

use std::time::Duration;

use lepton_e2e::{Estate, binary, unavailable};
use serde_json::{Value, json};

/// Three nodes, labelled as three clouds; or `None`, said aloud, where that cannot be.
pub fn three_clouds(lease: Duration) -> Option<Estate> {
    let mut estate = empty(lease)?;
    for (name, cloud) in [("ali-1", "aliyun"), ("ten-1", "tencent"), ("hua-1", "huawei")] {
        estate.join(name, &[("cloud", cloud), ("zone", cloud)]).unwrap();
    }
    Some(estate)
}

/// A server without nodes.
pub fn empty(lease: Duration) -> Option<Estate> {
    if let Some(reason) = unavailable() {
        eprintln!("skipped: {reason}");
        return None;
    }
    Some(Estate::start(lease).unwrap())
}

/// The shop, with fields of its spec set.
pub fn shop(replicas: u32, spec: Value) -> Value {
    let mut all = json!({
        "replicas": replicas,
        "command": [binary("lepton-shop").unwrap()],
        "ports": [{"name": "http"}],
        "resources": {"cpu": "50m", "memory": "16Mi"},
        "checks": [{"name": "alive", "probe": {"http": {"port": "http", "path": "/healthz"}}, "interval": "500ms", "timeout": "500ms", "failures": 2}],
        "placement": {"spread": [{"by": "cloud"}]},
        "stop": {"grace": "2s"},
        "startup": "5s",
        "repair": [{"do": "restart", "verify_within": "10s", "cooldown": "1s"}, {"do": "escalate"}],
    });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"kind": "service", "name": "shop", "spec": all})
}

pub fn running(estate: &Estate, replicas: i64) {
    let query = "SELECT count(*) FROM replicas WHERE name = 'shop' AND phase = 'running'";
    estate.wait_count(Duration::from_secs(60), query, |count| count == replicas).unwrap();
}

/// One replica's `(node, pid, port)`.
pub fn replica(estate: &Estate, ordinal: u32) -> (String, i32, u16) {
    let query = format!(
        "SELECT node, pid, json_extract(ports, '$.http') AS port FROM replicas WHERE name = 'shop' AND ordinal = {ordinal}"
    );
    let rows = estate.sql(&query).unwrap();
    let row = rows.first().expect("the replica is there");
    let number = |field: &str| row[field].as_i64().unwrap_or_default();
    (row["node"].as_str().unwrap().to_owned(), number("pid") as i32, number("port") as u16)
}

/// Asks a replica from its own node; whether it answers 200.
pub fn get(estate: &Estate, ordinal: u32, path: &str) -> bool {
    ask(estate, ordinal, path, &[])
}

/// Makes trouble in a replica.
pub fn post(estate: &Estate, ordinal: u32, path: &str) -> bool {
    ask(estate, ordinal, path, &["-X", "POST"])
}

fn ask(estate: &Estate, ordinal: u32, path: &str, flags: &[&str]) -> bool {
    let (node, _, port) = replica(estate, ordinal);
    let node = &estate.nodes[estate.position(&node).unwrap()];
    let url = format!("http://127.0.0.1:{port}{path}");
    let mut command = node.namespace.command("curl");
    let output =
        command.args(["-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", &url]).args(flags).output();
    output.is_ok_and(|output| output.stdout.starts_with(b"2"))
}
