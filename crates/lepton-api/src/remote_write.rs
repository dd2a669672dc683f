//! Prometheus remote write, 1.0 and 2.0, from bytes and to bytes.
//!
//! Requests are snappy-compressed protobuf. Reading is by hand: a visitor gets each series' labels and samples as
//! slices of the decompressed body, so that nothing is allocated per label, and everything is bounded, because the
//! bytes come from anywhere. Writing builds the 2.0 symbol table as it goes and needs memory for one request.
//!
//! ```
//! use lepton_api::remote_write::{Encoder, Limits, Protocol, Scratch, decode};
//!
//! let mut encoder = Encoder::new(Protocol::V2);
//! encoder.series(&[("__name__", "up"), ("node", "web-1")], &[(1_700_000_000_000, 1.0)]);
//! let body = encoder.finish().to_vec();
//!
//! let mut seen = Vec::new();
//! let report = decode(Protocol::V2, &body, &Limits::default(), &mut Scratch::default(), |labels, samples| {
//!     seen.push((labels.len(), samples.to_vec()));
//! })?;
//! assert_eq!(seen, [(2, vec![(1_700_000_000_000, 1.0)])]);
//! assert_eq!(report.samples, 1);
//! # Ok::<(), lepton_api::remote_write::DecodeError>(())
//! ```
//!
//! Native histograms, exemplars and metadata are counted and passed over: the lake keeps plain samples.

mod decode;
mod encode;
mod protobuf;

pub use decode::{DecodeError, Decoded, Label, Limits, Scratch, decode};
pub use encode::Encoder;

/// Response header: how many samples were written. Required by 2.0.
pub const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";
/// Response header: how many native histograms were written.
pub const HISTOGRAMS_WRITTEN: &str = "x-prometheus-remote-write-histograms-written";
/// Response header: how many exemplars were written.
pub const EXEMPLARS_WRITTEN: &str = "x-prometheus-remote-write-exemplars-written";
/// Request header that names the version.
pub const VERSION: &str = "x-prometheus-remote-write-version";

/// A version of the protocol; the `Content-Type` says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// 1.0: `prometheus.WriteRequest`, labels spelled out in each series.
    V1,
    /// 2.0: `io.prometheus.write.v2.Request`, labels by number into a table of symbols.
    V2,
}

impl Protocol {
    /// The version a `Content-Type` asks for. Without a `proto` parameter it is 1.0; `None` means 415.
    pub fn from_content_type(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("application/x-protobuf") {
            return None;
        }
        let mut protocol = Self::V1;
        for part in parts {
            let Some((name, value)) = part.split_once('=') else { continue };
            if name.trim().eq_ignore_ascii_case("proto") {
                protocol = match value.trim().trim_matches('"') {
                    "prometheus.WriteRequest" => Self::V1,
                    "io.prometheus.write.v2.Request" => Self::V2,
                    _ => return None,
                };
            }
        }
        Some(protocol)
    }

    /// The `Content-Type` to send.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// The value of [`VERSION`] to send.
    pub fn version(self) -> &'static str {
        match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        }
    }
}
