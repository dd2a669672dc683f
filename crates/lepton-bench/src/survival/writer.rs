//! The load: one writer of samples and one of objects, each sending the same again until it is answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lepton_api::remote_write::{Encoder, Protocol};
use serde_json::json;

use super::server::Reach;

/// The metric that is written.
pub const METRIC: &str = "survival_batch";
/// Series, and so samples, of a batch.
pub const BATCH: usize = 500;

/// Numbers of what was acknowledged.
#[derive(Default)]
pub struct Acknowledged {
    pub batches: Vec<u64>,
}

/// Sends batches of samples whose value is the batch's number.
pub fn samples(reach: &Reach, done: &AtomicBool) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut encoder = Encoder::new(Protocol::V2);
    let numbers: Vec<String> = (0..BATCH).map(|n| format!("{n:03}")).collect();
    let headers = [
        ("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", "2.0.0"),
    ];
    let mut last = 0;
    for batch in 0.. {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Every batch has an instant of its own.
        last = i64::try_from(now.as_millis()).unwrap_or(i64::MAX).max(last + 1);
        for number in &numbers {
            let labels = [("__name__", METRIC), ("n", number), ("node", "bench")];
            encoder.series(&labels, &[(last, batch as f64)]);
        }
        let body = encoder.finish().to_vec();
        let sent = until_answered(done, || reach.post("/v1/telemetry/prometheus", &headers, &body));
        if !sent {
            break;
        }
        acknowledged.batches.push(batch);
    }
    acknowledged
}

/// Makes one small object after the other.
pub fn objects(reach: &Reach, done: &AtomicBool) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for number in 0.. {
        let manifest = json!({"kind": "runbook", "name": format!("made-{number}"), "spec": {"act": {"command": ["true"]}}});
        let body = json!({ "manifests": [manifest] }).to_string();
        let headers = [("Content-Type", "application/json")];
        let sent = until_answered(done, || reach.post("/v1/apply", &headers, body.as_bytes()));
        if !sent {
            break;
        }
        acknowledged.batches.push(number);
        // Within the rate that one token may change objects at.
        std::thread::sleep(Duration::from_millis(25));
    }
    acknowledged
}

/// Sends until it is answered with success; false when the benchmark is over first.
fn until_answered(done: &AtomicBool, mut send: impl FnMut() -> anyhow::Result<u16>) -> bool {
    while !done.load(Ordering::Relaxed) {
        match send() {
            Ok(200..=299) => return true,
            Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    false
}
