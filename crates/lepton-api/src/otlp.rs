//! OTLP metrics read as Prometheus series, by OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
//!
//! | OTLP | series |
//! |---|---|
//! | gauge, non-monotonic sum | the value |
//! | monotonic cumulative sum | `…_total` |
//! | histogram | `…_bucket{le}`, `…_sum`, `…_count` |
//! | summary | `…{quantile}`, `…_sum`, `…_count` |
//! | resource | `job`, `instance`; all attributes on `target_info` |
//! | delta temporality, exponential histogram | refused, and said so |

use std::collections::{BTreeMap, BTreeSet};

pub use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    SummaryDataPoint, metric, number_data_point,
};

use crate::remote_write::Label;

/// Prometheus' mark for a series that has ended.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);
/// Longest text of a name or an attribute, in bytes, that is written once per data point.
const MAX_TEXT: usize = 4096;
/// Most attributes of one data point or resource.
const MAX_ATTRIBUTES: usize = 128;

/// Data points that were not taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many.
    pub points: u64,
    /// Each reason once.
    pub why: BTreeSet<String>,
}

impl Rejected {
    /// Counts data points that were not taken, and why.
    pub fn add(&mut self, points: u64, why: impl Into<String>) {
        if points > 0 {
            self.points += points;
            // A sender of nonsense does not get a book back.
            if self.why.len() < 8 {
                self.why.insert(why.into());
            }
        }
    }
}

type Labels = BTreeMap<String, String>;

struct Reader<F> {
    visit: F,
    rejected: Rejected,
}

/// Reads a request's data points: `visit` gets each one's labels, its time in Unix milliseconds and its value, and says why
/// when it does not take it.
pub fn read(
    request: &ExportMetricsServiceRequest,
    visit: impl FnMut(&mut [Label<'_>], i64, f64) -> Result<(), String>,
) -> Rejected {
    let mut reader = Reader { visit, rejected: Rejected::default() };
    for resource in &request.resource_metrics {
        reader.resource(resource);
    }
    reader.rejected
}

impl<F: FnMut(&mut [Label<'_>], i64, f64) -> Result<(), String>> Reader<F> {
    fn resource(&mut self, resource: &ResourceMetrics) {
        let attributes =
            resource.resource.as_ref().map(|resource| resource.attributes.as_slice()).unwrap_or_default();
        let target = target(attributes);
        let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        if target.values().any(|text| text.len() > MAX_TEXT) || attributes.len() > MAX_ATTRIBUTES {
            let why =
                format!("a resource has over {MAX_ATTRIBUTES} attributes, or one of over {MAX_TEXT} bytes");
            metrics.for_each(|metric| self.rejected.add(points(metric), &why));
            return;
        }
        let mut newest = 0;
        for metric in metrics {
            newest = newest.max(self.metric(metric, &target));
        }
        let about: Vec<_> = attributes
            .iter()
            .filter(|a| {
                !matches!(a.key.as_str(), "service.name" | "service.namespace" | "service.instance.id")
            })
            .collect();
        if newest > 0 && !about.is_empty() {
            let mut labels = labels_of(about.into_iter());
            labels.extend(target);
            self.sample("target_info", &labels, newest, 1.0);
        }
    }

    /// Returns the newest time, in milliseconds.
    fn metric(&mut self, metric: &Metric, target: &Labels) -> i64 {
        if metric.name.len().saturating_add(metric.unit.len()) > MAX_TEXT {
            self.rejected.add(points(metric), format!("a metric's name and unit have over {MAX_TEXT} bytes"));
            return 0;
        }
        let name = metric_name(&metric.name, &metric.unit);
        let cumulative = |temporality: i32| temporality == AggregationTemporality::Cumulative as i32;
        match &metric.data {
            Some(metric::Data::Gauge(gauge)) => {
                let name = if metric.unit == "1" { with_suffix(name, "_ratio") } else { name };
                self.numbers(&name, &gauge.data_points, target)
            }
            Some(metric::Data::Sum(sum)) if cumulative(sum.aggregation_temporality) => {
                let name = if sum.is_monotonic { with_suffix(name, "_total") } else { name };
                self.numbers(&name, &sum.data_points, target)
            }
            Some(metric::Data::Histogram(histogram)) if cumulative(histogram.aggregation_temporality) => {
                histogram
                    .data_points
                    .iter()
                    .map(|point| self.histogram(&name, point, target))
                    .max()
                    .unwrap_or(0)
            }
            Some(metric::Data::Summary(summary)) => {
                summary.data_points.iter().map(|point| self.summary(&name, point, target)).max().unwrap_or(0)
            }
            Some(metric::Data::Sum(_) | metric::Data::Histogram(_)) => {
                self.rejected
                    .add(points(metric), "delta temporality is not kept; set the sender to cumulative");
                0
            }
            Some(metric::Data::ExponentialHistogram(_)) => {
                let why = "exponential histograms are not kept; send explicit buckets";
                self.rejected.add(points(metric), why);
                0
            }
            None => 0,
        }
    }

    fn numbers(&mut self, name: &str, points: &[NumberDataPoint], target: &Labels) -> i64 {
        let mut newest = 0;
        for point in points {
            let value = match (has_no_value(point.flags), &point.value) {
                (true, _) => STALE,
                (_, Some(number_data_point::Value::AsDouble(value))) => *value,
                (_, Some(number_data_point::Value::AsInt(value))) => *value as f64,
                (_, None) => {
                    self.rejected.add(1, "a data point without a value");
                    continue;
                }
            };
            let Some(labels) = self.labels(&point.attributes, target) else { continue };
            newest = newest.max(millis(point.time_unix_nano));
            self.sample(name, &labels, millis(point.time_unix_nano), value);
        }
        newest
    }

    fn histogram(&mut self, name: &str, point: &HistogramDataPoint, target: &Labels) -> i64 {
        let at = millis(point.time_unix_nano);
        let bounds = &point.explicit_bounds;
        if !point.bucket_counts.is_empty() && point.bucket_counts.len() != bounds.len() + 1 {
            self.rejected.add(1, "a histogram needs one more bucket than bounds");
            return 0;
        }
        let Some(mut labels) = self.labels(&point.attributes, target) else { return 0 };
        let stale = has_no_value(point.flags);
        let value = |count: u64| if stale { STALE } else { count as f64 };
        let mut below: u64 = 0;
        let edges = bounds.iter().map(|bound| number(*bound)).chain(["+Inf".to_owned()]);
        let counts = point.bucket_counts.iter().copied();
        for (edge, count) in edges.zip(counts) {
            below = below.saturating_add(count);
            labels.insert("le".to_owned(), edge);
            self.sample(&format!("{name}_bucket"), &labels, at, value(below));
        }
        if point.bucket_counts.is_empty() {
            labels.insert("le".to_owned(), "+Inf".to_owned());
            self.sample(&format!("{name}_bucket"), &labels, at, value(point.count));
        }
        labels.remove("le");
        if let Some(sum) = point.sum {
            self.sample(&format!("{name}_sum"), &labels, at, if stale { STALE } else { sum });
        }
        self.sample(&format!("{name}_count"), &labels, at, value(point.count));
        at
    }

    fn summary(&mut self, name: &str, point: &SummaryDataPoint, target: &Labels) -> i64 {
        let at = millis(point.time_unix_nano);
        let Some(mut labels) = self.labels(&point.attributes, target) else { return 0 };
        let stale = has_no_value(point.flags);
        let value = |value: f64| if stale { STALE } else { value };
        for quantile in &point.quantile_values {
            labels.insert("quantile".to_owned(), number(quantile.quantile));
            self.sample(name, &labels, at, value(quantile.value));
        }
        labels.remove("quantile");
        self.sample(&format!("{name}_sum"), &labels, at, value(point.sum));
        self.sample(&format!("{name}_count"), &labels, at, value(point.count as f64));
        at
    }

    fn labels(&mut self, attributes: &[KeyValue], target: &Labels) -> Option<Labels> {
        if attributes.len() > MAX_ATTRIBUTES {
            self.rejected.add(1, format!("a data point has over {MAX_ATTRIBUTES} attributes"));
            return None;
        }
        let mut labels = labels_of(attributes.iter());
        labels.extend(target.clone());
        Some(labels)
    }

    fn sample(&mut self, name: &str, labels: &Labels, at: i64, value: f64) {
        let own = labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut list: Vec<_> =
            std::iter::once((b"__name__".as_slice(), name.as_bytes())).chain(own).collect();
        if let Err(why) = (self.visit)(&mut list, at, value) {
            self.rejected.add(1, why);
        }
    }
}

fn points(metric: &Metric) -> u64 {
    let count = match &metric.data {
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(metric::Data::Sum(sum)) => sum.data_points.len(),
        Some(metric::Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    };
    count as u64
}

fn has_no_value(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

/// As Prometheus writes a bound: `0.5`, `10`, `+Inf`.
fn number(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() }
}

/// `job` from `service.namespace` and `service.name`, `instance` from `service.instance.id`.
fn target(attributes: &[KeyValue]) -> Labels {
    let find = |key: &str| attributes.iter().find(|a| a.key == key).and_then(|a| a.value.as_ref()).map(text);
    let job = match (find("service.namespace"), find("service.name")) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        (None, name) => name,
        (Some(_), None) => None,
    };
    let pairs = [("job", job), ("instance", find("service.instance.id"))];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn labels_of<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Labels {
    let mut labels = Labels::new();
    for attribute in attributes {
        let value = attribute.value.as_ref().map(text).unwrap_or_default();
        // Two keys may become one name; their values are then joined, as the rules say.
        labels
            .entry(label_name(&attribute.key))
            .and_modify(|have| {
                have.push(';');
                have.push_str(&value);
            })
            .or_insert(value);
    }
    labels
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::BoolValue(value)) => value.to_string(),
        Some(any_value::Value::IntValue(value)) => value.to_string(),
        Some(any_value::Value::DoubleValue(value)) => value.to_string(),
        // Lists, maps and bytes are written as JSON.
        Some(_) => serde_json::to_string(value).unwrap_or_default(),
    }
}

fn sanitised(text: &str, colon: bool) -> String {
    let mut out: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || (colon && c == ':') { c } else { '_' })
        .collect();
    while out.contains("__") {
        out = out.replace("__", "_");
    }
    out
}

fn label_name(key: &str) -> String {
    let name = sanitised(key, false);
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("key_{name}") } else { name }
}

fn metric_name(name: &str, unit: &str) -> String {
    let name = sanitised(name, true);
    let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
    let name = name.trim_end_matches('_').to_owned();
    // Annotations such as {request} are no units.
    let unit = unit.split('{').next().unwrap_or_default().trim();
    let suffix = match unit.split_once('/') {
        Some((unit, per)) => match (unit_word(unit), per_word(per)) {
            (unit, per) if unit.is_empty() => format!("per_{per}"),
            (unit, per) => format!("{unit}_per_{per}"),
        },
        None => unit_word(unit),
    };
    if suffix.is_empty() { name } else { with_suffix(name, &format!("_{suffix}")) }
}

fn with_suffix(name: String, suffix: &str) -> String {
    if name.ends_with(suffix) { name } else { name + suffix }
}

/// UCUM units as words.
fn unit_word(unit: &str) -> String {
    let word = match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "m" => "meters",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        // A ratio is named by its own suffix, on gauges only.
        "1" | "" => "",
        other => return sanitised(other, false).trim_matches('_').to_owned(),
    };
    word.to_owned()
}

fn per_word(unit: &str) -> String {
    let word = match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => return sanitised(other, false).trim_matches('_').to_owned(),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for (name, unit, expect) in [
            ("http.server.duration", "s", "http_server_duration_seconds"),
            ("system.memory.usage", "By", "system_memory_usage_bytes"),
            ("already_seconds", "s", "already_seconds"),
            ("requests", "{request}", "requests"),
            ("speed", "m/s", "speed_meters_per_second"),
            ("rate", "{packet}/s", "rate"),
            ("2xx", "1", "_2xx"),
            ("a..b", "", "a_b"),
        ] {
            assert_eq!(metric_name(name, unit), expect, "{name} {unit}");
        }
        assert_eq!(label_name("k8s.pod.name"), "k8s_pod_name");
        assert_eq!(label_name("0th"), "key_0th");
    }
}
