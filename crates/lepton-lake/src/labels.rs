//! The identity of a series, as one flat byte string.
//!
//! A key is `metric NUL node NUL (name NUL value NUL)*`, the labels sorted by name. Bytes order keys the way blocks
//! are sorted: by metric, then node, then the other labels, so that one dashboard panel is one contiguous stretch of
//! a file. A missing `node` is the empty string, as Prometheus treats an empty label as an absent one; NUL itself is
//! refused in labels.

use std::fmt;
use std::sync::Arc;

/// The label that carries the metric's name on the Prometheus wire.
pub const METRIC_LABEL: &str = "__name__";
/// The label that names the machine a series belongs to; it has its own place in keys and its own column in blocks.
pub const NODE_LABEL: &str = "node";

/// Most labels one series may have, the metric's name included.
pub const MAX_LABELS: usize = 64;
/// Longest metric or label name in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest label value in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;

/// Why a set of labels names no series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// No `__name__`, or an empty one.
    #[error("series has no metric name: label `__name__` is missing or empty")]
    NoMetric,
    /// A label with an empty name.
    #[error("series `{metric}` has a label with an empty name")]
    EmptyName {
        /// The metric of the series.
        metric: String,
    },
    /// The same label name twice.
    #[error("label `{name}` appears twice in one series")]
    Duplicate {
        /// The repeated name.
        name: String,
    },
    /// A name or value that is not UTF-8 or contains NUL.
    #[error("label `{name}` is not UTF-8 text free of NUL")]
    NotText {
        /// The label's name, with undecodable bytes replaced.
        name: String,
    },
    /// A name or value over its limit.
    #[error("label `{name}` has {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        /// The label's name, cut to a readable length.
        name: String,
        /// Its size.
        bytes: usize,
        /// The limit it broke.
        limit: usize,
    },
    /// The batch holds as much as one may.
    #[error("the names of the series before this one fill the batch; send fewer series at a time")]
    BatchFull,
    /// Too many labels.
    #[error("series has {count} labels; at most {MAX_LABELS} are allowed")]
    TooMany {
        /// How many there were.
        count: usize,
    },
}

/// The labels of one series. Cheap to clone; ordered by metric, node, then the other labels.
///
/// ```
/// use lepton_lake::Labels;
/// let labels = Labels::new("disk_free_bytes", [("node", "web-1"), ("mount", "/")])?;
/// assert_eq!(labels.metric(), "disk_free_bytes");
/// assert_eq!(labels.get("mount"), Some("/"));
/// assert_eq!(labels.to_string(), r#"disk_free_bytes{mount="/",node="web-1"}"#);
/// # Ok::<(), lepton_lake::LabelError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[u8]>);

impl Labels {
    /// Labels of `metric` with the given pairs, in any order; pairs with an empty value are dropped.
    pub fn new<'a>(
        metric: &'a str,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LabelError> {
        let mut raw: Vec<(&[u8], &[u8])> = vec![(METRIC_LABEL.as_bytes(), metric.as_bytes())];
        raw.extend(pairs.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let mut key = Vec::new();
        write_key(&mut raw, &mut key)?;
        check_key(&key)?;
        Ok(Self(key.into()))
    }

    /// Labels that are the result of an aggregation: they may lack a metric name.
    pub(crate) fn group(metric: &str, pairs: &[(&str, &str)]) -> Self {
        let node = pairs.iter().find(|(name, _)| *name == NODE_LABEL).map_or("", |(_, value)| value);
        let mut key = Vec::new();
        push_part(&mut key, metric.as_bytes());
        push_part(&mut key, node.as_bytes());
        let mut rest: Vec<_> =
            pairs.iter().filter(|(name, value)| *name != NODE_LABEL && !value.is_empty()).collect();
        rest.sort_unstable();
        for (name, value) in rest {
            push_part(&mut key, name.as_bytes());
            push_part(&mut key, value.as_bytes());
        }
        Self(key.into())
    }

    pub(crate) fn from_key(key: Arc<[u8]>) -> Self {
        Self(key)
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_key(self) -> Arc<[u8]> {
        self.0
    }

    /// The metric's name; empty only in results aggregated over several metrics.
    pub fn metric(&self) -> &str {
        text(key_metric(&self.0))
    }

    /// The machine, when the series has a `node` label.
    pub fn node(&self) -> Option<&str> {
        Some(text(key_node(&self.0))).filter(|node| !node.is_empty())
    }

    /// The value of a label; `__name__` gives the metric.
    pub fn get(&self, name: &str) -> Option<&str> {
        key_label(&self.0, name).map(text)
    }

    /// Name and value of each label in order of name, without `__name__`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = key_pairs(&self.0).map(|(name, value)| (text(name), text(value))).peekable();
        let mut node = self.node();
        std::iter::from_fn(move || {
            if let Some(value) = node
                && rest.peek().is_none_or(|(name, _)| *name > NODE_LABEL)
            {
                node = None;
                return Some((NODE_LABEL, value));
            }
            rest.next()
        })
    }

    /// The labels other than metric and node as a JSON object, the form of the `labels` column of a block.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (name, value) in key_pairs(&self.0) {
            if out.len() > 1 {
                out.push(',');
            }
            push_json(&mut out, text(name));
            out.push(':');
            push_json(&mut out, text(value));
        }
        out.push('}');
        out
    }
}

fn push_json(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        for (at, (name, value)) in self.iter().enumerate() {
            f.write_str(if at == 0 { "{" } else { "," })?;
            write!(f, "{name}={value:?}")?;
        }
        if self.iter().next().is_some() { f.write_str("}") } else { Ok(()) }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Keys are checked for UTF-8 before they are kept, so the fallback is never seen.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

fn push_part(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(part);
    key.push(0);
}

/// Appends the key of the labels to `key`, sorting `labels` in place when the sender did not.
///
/// Only what keeps two different series from getting the same key is checked here, because this runs for every series
/// of every request, and what keeps the key short; text is checked by [`check_key`] when a key is first seen.
pub(crate) fn write_key(labels: &mut [(&[u8], &[u8])], key: &mut Vec<u8>) -> Result<(), LabelError> {
    if labels.len() > MAX_LABELS {
        return Err(LabelError::TooMany { count: labels.len() });
    }
    if !labels.is_sorted_by(|a, b| a.0 < b.0) {
        labels.sort_unstable();
        if let Some(twice) = labels.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            let name = twice.first().map_or(&b""[..], |pair| pair.0);
            return Err(LabelError::Duplicate { name: lossy(name) });
        }
    }
    let value_of =
        |wanted: &[u8]| labels.iter().find(|(name, _)| *name == wanted).map_or(&b""[..], |(_, value)| value);
    let (metric, node) = (value_of(METRIC_LABEL.as_bytes()), value_of(NODE_LABEL.as_bytes()));
    if metric.is_empty() {
        return Err(LabelError::NoMetric);
    }
    // Before anything is copied: a table of symbols can name one long text for every series of a request.
    for (name, value) in labels.iter() {
        short(name, name, MAX_NAME_BYTES)?;
        short(name, value, if *name == METRIC_LABEL.as_bytes() { MAX_NAME_BYTES } else { MAX_VALUE_BYTES })?;
    }
    let start = key.len();
    push_part(key, metric);
    push_part(key, node);
    let mut parts = 2;
    for (name, value) in labels.iter() {
        if value.is_empty() || matches!(*name, b"__name__" | b"node") {
            continue;
        }
        if name.is_empty() {
            return Err(LabelError::EmptyName { metric: lossy(metric) });
        }
        push_part(key, name);
        push_part(key, value);
        parts += 2;
    }
    let written = key.get(start..).unwrap_or_default();
    if memchr::memchr_iter(0, written).count() != parts {
        return Err(LabelError::NotText { name: lossy(metric) });
    }
    Ok(())
}

/// The full check of a key not seen before: text and lengths.
pub(crate) fn check_key(key: &[u8]) -> Result<(), LabelError> {
    let whole = |name: &[u8], value: &[u8]| {
        for (bytes, limit) in [(name, MAX_NAME_BYTES), (value, MAX_VALUE_BYTES)] {
            short(name, bytes, limit)?;
            if std::str::from_utf8(bytes).is_err() {
                return Err(LabelError::NotText { name: lossy(name) });
            }
        }
        Ok(())
    };
    let metric = key_metric(key);
    if metric.is_empty() {
        return Err(LabelError::NoMetric);
    }
    whole(metric, b"")?;
    whole(NODE_LABEL.as_bytes(), key_node(key))?;
    key_pairs(key).try_for_each(|(name, value)| whole(name, value))
}

fn short(name: &[u8], part: &[u8], limit: usize) -> Result<(), LabelError> {
    if part.len() > limit {
        return Err(LabelError::TooLong { name: lossy(name), bytes: part.len(), limit });
    }
    Ok(())
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..64).unwrap_or(name)).into_owned()
}

fn parts(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = key;
    std::iter::from_fn(move || {
        let end = memchr::memchr(0, rest)?;
        let (part, tail) = rest.split_at(end);
        rest = tail.get(1..).unwrap_or_default();
        Some(part)
    })
}

pub(crate) fn key_metric(key: &[u8]) -> &[u8] {
    parts(key).next().unwrap_or_default()
}

pub(crate) fn key_node(key: &[u8]) -> &[u8] {
    parts(key).nth(1).unwrap_or_default()
}

/// The labels of a key other than metric and node.
pub(crate) fn key_pairs(key: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = parts(key).skip(2);
    std::iter::from_fn(move || Some((rest.next()?, rest.next()?)))
}

/// The value of a label in a key; `None` when the series does not have it.
pub(crate) fn key_label<'a>(key: &'a [u8], name: &str) -> Option<&'a [u8]> {
    match name {
        METRIC_LABEL => Some(key_metric(key)),
        NODE_LABEL => Some(key_node(key)),
        _ => key_pairs(key).find(|(have, _)| *have == name.as_bytes()).map(|(_, value)| value),
    }
    .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(labels: &[(&str, &str)], expect: Result<&str, LabelError>) {
        let mut raw: Vec<_> = labels.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let mut key = Vec::new();
        let got = write_key(&mut raw, &mut key).and_then(|()| check_key(&key));
        let got = got.map(|()| Labels::from_key(key.into()).to_string());
        assert_eq!(got, expect.map(str::to_owned));
    }

    #[test]
    fn keys() {
        check(&[("__name__", "up")], Ok("up"));
        check(
            &[("z", "1"), ("node", "n"), ("__name__", "up"), ("a", "2")],
            Ok(r#"up{a="2",node="n",z="1"}"#),
        );
        check(&[("__name__", "up"), ("empty", "")], Ok("up"));
        check(&[("__name__", "up"), ("node", "n1"), ("B", "x")], Ok(r#"up{B="x",node="n1"}"#));
        check(&[("job", "x")], Err(LabelError::NoMetric));
        check(&[("__name__", "up"), ("", "x")], Err(LabelError::EmptyName { metric: "up".into() }));
        check(&[("__name__", "up"), ("a", "1"), ("a", "2")], Err(LabelError::Duplicate { name: "a".into() }));
        check(&[("__name__", "up"), ("a", "1\0b\x002")], Err(LabelError::NotText { name: "up".into() }));
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        let error =
            LabelError::TooLong { name: "a".into(), bytes: MAX_VALUE_BYTES + 1, limit: MAX_VALUE_BYTES };
        check(&[("__name__", "up"), ("a", &long)], Err(error));
    }

    #[test]
    fn order_is_metric_then_node_then_labels() {
        let of = |metric, pairs: &[(&'static str, &'static str)]| {
            Labels::new(metric, pairs.iter().copied()).unwrap()
        };
        let sorted = [
            of("cpu", &[]),
            of("cpu", &[("node", "a"), ("mode", "x")]),
            of("cpu", &[("node", "b"), ("mode", "a")]),
            of("cpu_total", &[]),
        ];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn labels_read_back() {
        let labels = Labels::new("m", [("node", "n\"1"), ("a", "ü"), ("z", "\\")]).unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "ü"), ("node", "n\"1"), ("z", "\\")]);
        assert_eq!(labels.to_json(), r#"{"a":"ü","z":"\\"}"#);
        assert_eq!(labels.get("node"), Some("n\"1"));
        assert_eq!(labels.get("__name__"), Some("m"));
        assert_eq!(labels.get("nope"), None);
    }
}
