//! Calls to clouds, counted for `/metrics`.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::Operation;
use crate::words::RegionId;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    provider: &'static str,
    region: String,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    provider: &'static str,
    operation: &'static str,
}

/// Attempts by how they ended, and how long they took.
#[derive(Debug)]
pub struct CloudMetrics {
    attempts: Family<Outcome, Counter>,
    latency: Family<Call, Histogram, fn() -> Histogram>,
}

impl Default for CloudMetrics {
    fn default() -> Self {
        let buckets: fn() -> Histogram =
            || Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        Self { attempts: Family::default(), latency: Family::new_with_constructor(buckets) }
    }
}

impl CloudMetrics {
    /// Adds them to what is exposed.
    pub fn register(&self, registry: &mut Registry) {
        let attempts = self.attempts.clone();
        registry.register("lepton_cloud_calls", "Attempts of calls to clouds, by how they ended", attempts);
        let latency = self.latency.clone();
        registry.register("lepton_cloud_call_duration_seconds", "Time of an attempt", latency);
    }

    pub(super) fn count(
        &self,
        provider: &'static str,
        region: &RegionId,
        operation: Operation,
        outcome: &'static str,
        took: Duration,
    ) {
        let operation = operation.as_str();
        let region = region.as_str().to_owned();
        self.attempts.get_or_create(&Outcome { provider, region, operation, outcome }).inc();
        self.latency.get_or_create(&Call { provider, operation }).observe(took.as_secs_f64());
    }
}
