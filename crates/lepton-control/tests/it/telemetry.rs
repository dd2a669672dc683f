//! Measurements in: remote write 1.0 and 2.0, OTLP, `/usage`; found again by SQL.

use std::time::UNIX_EPOCH;

use lepton_api::remote_write::{Encoder, Protocol};
use reqwest::Method;
use serde_json::{Value, json};

use crate::estate::{Estate, answer};

fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn written(protocol: Protocol, labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
    let mut encoder = Encoder::new(protocol);
    encoder.series(labels, samples);
    encoder.finish().to_vec()
}

async fn latest(estate: &Estate, metric: &str) -> Vec<Value> {
    let query = format!("SELECT node, labels, value FROM latest WHERE metric = '{metric}' ORDER BY labels");
    let (status, rows) = estate.post("/v1/sql", json!({ "query": query })).await;
    assert_eq!(status, 200, "{rows}");
    rows["rows"].as_array().unwrap().clone()
}

#[tokio::test]
async fn remote_write_of_both_versions() {
    let estate = Estate::new().await;
    let edge = estate.join("edge-1").await;
    let push = async |token: &str, path: &str, kind: &str, body: Vec<u8>| {
        let request = estate.request(Method::POST, path, token).header("content-type", kind);
        let response = request.header("content-encoding", "snappy").body(body).send().await.unwrap();
        let count = response.headers().get("x-prometheus-remote-write-samples-written").cloned();
        let status = response.status().as_u16();
        (status, count.map(|count| count.to_str().unwrap().to_owned()), answer(response).await.1)
    };
    let labels = [("__name__", "up"), ("node", "liar")];
    for (protocol, path, value) in
        [(Protocol::V1, "/api/v1/write", 1.0), (Protocol::V2, "/v1/telemetry/prometheus", 2.0)]
    {
        let body = written(protocol, &labels, &[(now(), value)]);
        let (status, count, problem) = push(&edge.token, path, protocol.content_type(), body).await;
        assert_eq!((status, count.as_deref()), (204, Some("1")), "{problem}");
    }
    // An agent's samples carry its own node, whatever it writes.
    let rows = latest(&estate, "up").await;
    assert_eq!((rows.len(), &rows[0][0], &rows[0][2]), (1, &json!("edge-1"), &json!(2.0)), "{rows:?}");

    let v2 = Protocol::V2.content_type();
    let path = "/v1/telemetry/prometheus";
    assert_eq!(push(&estate.admin, path, v2, b"no snappy".to_vec()).await.0, 400);
    assert_eq!(push(&estate.admin, path, "text/plain", Vec::new()).await.0, 415);
    assert_eq!(push(&estate.admin, path, "application/x-protobuf;proto=other", Vec::new()).await.0, 415);
    // What can be kept is kept; what never can be is a 400, so that it is not sent again.
    let mut encoder = Encoder::new(Protocol::V2);
    encoder.series(&[("__name__", "fine")], &[(now(), 1.0)]);
    encoder.series(&[("nameless", "x")], &[(now(), 1.0)]);
    encoder.series(&[("__name__", "fine")], &[(1, 1.0)]);
    let (status, count, problem) = push(&estate.admin, path, v2, encoder.finish().to_vec()).await;
    assert_eq!((status, count.as_deref()), (400, Some("1")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("2 samples") && detail.contains("__name__") && detail.contains("older"),
        "{detail}"
    );
    // Sent twice is kept once, and is no error.
    let body = written(Protocol::V2, &[("__name__", "twice")], &[(now(), 1.0)]);
    for _ in 0..2 {
        let (status, count, _) = push(&estate.admin, path, v2, body.clone()).await;
        assert_eq!((status, count.as_deref()), (204, Some("1")));
    }
    // A token of one project speaks for that project only.
    let red = estate.token("red", "operator", Some("red")).await;
    let body = written(Protocol::V2, &[("__name__", "mine"), ("project", "blue")], &[(now(), 1.0)]);
    assert_eq!(push(&red, path, v2, body).await.0, 204);
    assert!(latest(&estate, "mine").await[0][1].to_string().contains("red"));
}

#[tokio::test]
async fn otlp_becomes_prometheus_series() {
    let estate = Estate::new().await;
    let at = (now() * 1_000_000).to_string();
    let point = |value: f64| {
        json!({"timeUnixNano": at, "asDouble": value, "attributes": [
            {"key": "http.route", "value": {"stringValue": "/buy"}}
        ]})
    };
    let request = json!({"resourceMetrics": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "shop"}},
            {"key": "service.instance.id", "value": {"stringValue": "i-1"}},
            {"key": "host.name", "value": {"stringValue": "web-1"}},
        ]},
        "scopeMetrics": [{"metrics": [
            {"name": "queue.length", "unit": "{item}", "gauge": {"dataPoints": [point(7.0)]}},
            {"name": "requests", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point(42.0)]}},
            {"name": "deltas", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point(1.0)]}},
            {"name": "latency", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [{
                "timeUnixNano": at, "count": "3", "sum": 1.5, "bucketCounts": ["1", "2", "0"], "explicitBounds": [0.1, 1.0]
            }]}},
        ]}],
    }]});
    let send = async |body: Vec<u8>, encoding: Option<&str>| {
        let path = "/v1/telemetry/otlp/v1/metrics";
        let mut request =
            estate.request(Method::POST, path, &estate.admin).header("content-type", "application/json");
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        answer(request.body(body).send().await.unwrap()).await
    };
    let plain = serde_json::to_vec(&request).unwrap();
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, &plain).unwrap();
    for (body, encoding) in [(plain.clone(), None), (zipped.finish().unwrap(), Some("gzip"))] {
        let (status, report) = send(body, encoding).await;
        assert_eq!(status, 200, "{report}");
        let partial = &report["partialSuccess"];
        assert!(partial["errorMessage"].as_str().unwrap().contains("delta"), "{report}");
    }
    let values = async |metric: &str| -> Vec<Value> {
        latest(&estate, metric).await.into_iter().map(|row| row[2].clone()).collect()
    };
    assert_eq!(values("queue_length").await, [json!(7.0)]);
    assert_eq!(values("requests_total").await, [json!(42.0)]);
    assert_eq!(values("latency_seconds_count").await, [json!(3.0)]);
    assert_eq!(values("latency_seconds_sum").await, [json!(1.5)]);
    let mut buckets = values("latency_seconds_bucket").await;
    buckets.sort_by(|a, b| a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()));
    assert_eq!(buckets, [json!(1.0), json!(3.0), json!(3.0)]);
    assert_eq!(values("target_info").await, [json!(1.0)]);
    assert!(values("deltas_total").await.is_empty());
    let labels = latest(&estate, "requests_total").await[0][1].to_string();
    for part in ["http_route", "/buy", "job", "shop", "instance", "i-1"] {
        assert!(labels.contains(part), "{part} in {labels}");
    }
    assert_eq!(send(b"{".to_vec(), None).await.0, 400);
    assert_eq!(send(b"not gzip".to_vec(), Some("gzip")).await.0, 400);
    assert_eq!(send(plain, Some("br")).await.0, 415);
}

#[tokio::test]
async fn a_script_posts_its_usage() {
    let estate = Estate::new().await;
    let script = estate.token("script", "operator", None).await;
    let good = json!({"cpu_usage": 12.5, "memory_usage": 40.0, "disk_usage": 71.2, "network_usage": 123456});
    assert_eq!(
        estate.post_as(&script, "/usage", good).await,
        (http::StatusCode::OK, json!({"status": "ok"}))
    );
    let rows = latest(&estate, "lepton_usage_cpu_percent").await;
    assert_eq!(rows[0][2], json!(12.5));
    assert!(rows[0][1].to_string().contains("script"));
    for (field, value) in
        [("cpu_usage", json!(101)), ("disk_usage", json!(-1)), ("network_usage", json!("many"))]
    {
        let mut bad = json!({"cpu_usage": 1, "memory_usage": 1, "disk_usage": 1, "network_usage": 1});
        bad[field] = value;
        let (status, problem) = estate.post_as(&script, "/usage", bad).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!(field)), "{problem}");
    }
}
