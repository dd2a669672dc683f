//! `/metrics`: the server about itself, in Prometheus' text format.

use std::fmt::Write as _;
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::app::App;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    status: u16,
}

type Latency = Family<Route, Histogram, fn() -> Histogram>;

/// Counters that are kept as things happen. What can be read from elsewhere is read when it is asked for.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    latency: Latency,
    /// Samples taken over any protocol.
    pub samples: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let buckets: fn() -> Histogram = || {
            Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0])
        };
        let latency = Latency::new_with_constructor(buckets);
        let samples = Counter::default();
        registry.register("lepton_http_requests", "Requests answered", Family::clone(&requests));
        registry.register(
            "lepton_http_request_duration_seconds",
            "Time to an answer's first byte",
            latency.clone(),
        );
        registry.register("lepton_samples_accepted", "Samples acknowledged", samples.clone());
        Self { registry, requests, latency, samples }
    }
}

impl Metrics {
    /// Counts an answer.
    pub fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // Only registered methods get their own series, so that a stranger cannot make new ones.
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH") => known,
            _ => "other",
        };
        let (method, route) = (method.to_owned(), route.to_owned());
        let answer = Answer { method: method.clone(), route: route.clone(), status: status.as_u16() };
        self.requests.get_or_create(&answer).inc();
        self.latency.get_or_create(&Route { method, route }).observe(took.as_secs_f64());
    }

    /// The whole exposition.
    pub fn render(&self, app: &App) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode_registry(&mut out, &self.registry);
        let mut gauge = |name: &str, kind: &str, help: &str, rows: &[(String, f64)]| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let one = |value: f64| [(String::new(), value)];
        let lease = app.config.lease.duration();
        gauge(
            "lepton_agents_connected",
            "gauge",
            "Agents heard within their lease",
            &one(app.agents.connected(lease) as f64),
        );
        let world = app.view.world();
        gauge(
            "lepton_store_revision",
            "gauge",
            "Revision of the in-memory view",
            &one(world.revision as f64),
        );
        gauge(
            "lepton_task_panics",
            "gauge",
            "Tasks that panicked since the start",
            &one(app.tasks.panics() as f64),
        );
        let lake = app.lake.stats();
        for (name, help, value) in [
            ("lepton_lake_head_series", "Series in memory", lake.head_series),
            ("lepton_lake_head_samples", "Samples in memory", lake.head_samples),
            ("lepton_lake_head_bytes", "Memory of recent samples", lake.head_bytes),
            ("lepton_lake_blocks", "Blocks of raw samples", lake.raw_blocks),
            ("lepton_lake_block_bytes", "Bytes of raw blocks on disk", lake.raw_bytes),
            ("lepton_lake_refused_samples", "Samples refused since the start", lake.refused),
        ] {
            gauge(name, "gauge", help, &one(value as f64));
        }
        let reports = app.reconcilers.reports();
        let by = |of: fn(&lepton_api::v1::ReconcilerReport) -> f64| -> Vec<(String, f64)> {
            reports.iter().map(|report| (format!("{{reconciler=\"{}\"}}", report.name), of(report))).collect()
        };
        gauge("lepton_reconciler_runs_total", "counter", "Runs", &by(|report| report.runs as f64));
        gauge(
            "lepton_reconciler_failures_total",
            "counter",
            "Failed runs",
            &by(|report| report.failures as f64),
        );
        gauge(
            "lepton_reconciler_last_duration_seconds",
            "gauge",
            "Length of the last run",
            &by(|report| report.last_duration_ms.unwrap_or(0.0) / 1_000.0),
        );
        out
    }
}
