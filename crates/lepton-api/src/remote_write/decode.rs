//! Reading requests.

use super::Protocol;
use super::protobuf::{Damaged, Fields, Value, take_varint};

/// Name and value of a label, not yet checked to be text.
pub type Label<'a> = (&'a [u8], &'a [u8]);

/// Samples handed over at once; a series with more is visited again with the same labels.
const SAMPLES_AT_ONCE: usize = 4096;

/// How large a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes after decompression.
    pub decompressed: usize,
    /// Symbols of a 2.0 request.
    pub symbols: usize,
    /// Labels of one series.
    pub labels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { decompressed: 32 << 20, symbols: 1 << 20, labels: 256 }
    }
}

/// Memory kept between requests.
#[derive(Debug, Default)]
pub struct Scratch {
    body: Vec<u8>,
    samples: Vec<(i64, f64)>,
}

/// What a request held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Series.
    pub series: u64,
    /// Samples, all of which were visited.
    pub samples: u64,
    /// Native histograms, passed over.
    pub histograms: u64,
    /// Exemplars, passed over.
    pub exemplars: u64,
}

/// Why a request cannot be read. All are the sender's fault: 400, or 413 for [`DecodeError::TooLarge`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not snappy block format.
    #[error("body is not snappy: {0}")]
    Snappy(String),
    /// Over a limit.
    #[error("request has {count} {unit}; at most {limit} are allowed")]
    TooLarge {
        /// How many.
        count: usize,
        /// Of what.
        unit: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not protobuf, or not of the message the content type names.
    #[error("body is not a {0}")]
    Malformed(&'static str),
    /// A 2.0 series refers to a symbol the request does not have.
    #[error("timeseries[{series}].labels_refs: symbol {symbol} of {count}")]
    NoSuchSymbol {
        /// Position of the series.
        series: u64,
        /// The reference.
        symbol: u64,
        /// How many symbols there are.
        count: usize,
    },
    /// A 2.0 series has a label name without a value.
    #[error("timeseries[{series}].labels_refs: a name without a value")]
    OddLabels {
        /// Position of the series.
        series: u64,
    },
}

/// Reads a request, calling `visit` with the labels and samples, `(Unix milliseconds, value)`, of each series. Labels
/// come in the order they were sent and may be reordered by the visitor. What was visited before an error stays
/// visited: collect first if all or nothing is wanted.
///
/// Never panics, whatever the bytes, and never takes more memory than the limits say.
pub fn decode(
    protocol: Protocol,
    body: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    mut visit: impl FnMut(&mut [Label<'_>], &[(i64, f64)]),
) -> Result<Decoded, DecodeError> {
    let Scratch { body: plain, samples } = scratch;
    let snappy = |error: snap::Error| DecodeError::Snappy(error.to_string());
    let length = snap::raw::decompress_len(body).map_err(snappy)?;
    if length > limits.decompressed {
        return Err(DecodeError::TooLarge { count: length, unit: "bytes", limit: limits.decompressed });
    }
    if plain.len() < length {
        plain.resize(length, 0);
    }
    let written = snap::raw::Decoder::new().decompress(body, plain).map_err(snappy)?;
    let message = plain.get(..written).unwrap_or_default();
    let malformed = |_: Damaged| DecodeError::Malformed(name(protocol));
    let mut symbols = Vec::new();
    if protocol == Protocol::V2 {
        for field in Fields::of(message) {
            if let (4, Value::Bytes(symbol)) = field.map_err(malformed)? {
                symbols.push(symbol);
                at_most(symbols.len(), limits.symbols, "symbols")?;
            }
        }
    }
    let (series_field, histogram_field, exemplar_field) = match protocol {
        Protocol::V1 => (1, 4, 3),
        Protocol::V2 => (5, 3, 4),
    };
    let mut report = Decoded::default();
    let mut labels = Labels { list: Vec::with_capacity(32), name: None, most: limits.labels };
    for field in Fields::of(message) {
        let (number, Value::Bytes(series)) = field.map_err(malformed)? else { continue };
        if number != series_field {
            continue;
        }
        labels.list.clear();
        labels.name = None;
        // Labels first: protobuf lets fields come in any order.
        for field in Fields::of(series) {
            match field.map_err(malformed)? {
                (1, Value::Bytes(label)) if protocol == Protocol::V1 => {
                    labels.push(read_label(label).map_err(malformed)?)?;
                }
                (1, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        let reference = take_varint(&mut packed).ok_or(Damaged).map_err(malformed)?;
                        labels.push_symbol(reference, &symbols, report.series)?;
                    }
                }
                (1, Value::Varint(reference)) => labels.push_symbol(reference, &symbols, report.series)?,
                (field, _) if field == histogram_field => report.histograms += 1,
                (field, _) if field == exemplar_field => report.exemplars += 1,
                _ => {}
            }
        }
        if labels.name.is_some() {
            return Err(DecodeError::OddLabels { series: report.series });
        }
        samples.clear();
        for field in Fields::of(series) {
            let (2, Value::Bytes(sample)) = field.map_err(malformed)? else { continue };
            samples.push(read_sample(sample).map_err(malformed)?);
            report.samples += 1;
            if samples.len() == SAMPLES_AT_ONCE {
                visit(&mut labels.list, samples);
                samples.clear();
            }
        }
        if !samples.is_empty() {
            visit(&mut labels.list, samples);
        }
        report.series += 1;
    }
    Ok(report)
}

/// The labels of the series being read.
struct Labels<'a> {
    list: Vec<Label<'a>>,
    /// A symbol that waits for its value.
    name: Option<&'a [u8]>,
    most: usize,
}

impl<'a> Labels<'a> {
    #[inline]
    fn push(&mut self, label: Label<'a>) -> Result<(), DecodeError> {
        self.list.push(label);
        at_most(self.list.len(), self.most, "labels in one series")
    }

    #[inline]
    fn push_symbol(&mut self, reference: u64, symbols: &[&'a [u8]], series: u64) -> Result<(), DecodeError> {
        let symbol = usize::try_from(reference).ok().and_then(|at| symbols.get(at));
        let symbol =
            symbol.ok_or(DecodeError::NoSuchSymbol { series, symbol: reference, count: symbols.len() })?;
        match self.name.take() {
            None => {
                self.name = Some(symbol);
                Ok(())
            }
            Some(name) => self.push((name, symbol)),
        }
    }
}

fn at_most(count: usize, limit: usize, unit: &'static str) -> Result<(), DecodeError> {
    if count > limit { Err(DecodeError::TooLarge { count, unit, limit }) } else { Ok(()) }
}

fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::V1 => "prometheus.WriteRequest",
        Protocol::V2 => "io.prometheus.write.v2.Request",
    }
}

#[inline]
fn read_label(message: &[u8]) -> Result<Label<'_>, Damaged> {
    let mut label: Label<'_> = (&[], &[]);
    for field in Fields::of(message) {
        match field? {
            (1, Value::Bytes(name)) => label.0 = name,
            (2, Value::Bytes(value)) => label.1 = value,
            _ => {}
        }
    }
    Ok(label)
}

#[inline]
fn read_sample(message: &[u8]) -> Result<(i64, f64), Damaged> {
    let mut sample = (0, 0.0);
    for field in Fields::of(message) {
        match field? {
            (1, Value::Fixed64(bits)) => sample.1 = f64::from_bits(bits),
            (2, Value::Varint(millis)) => sample.0 = millis as i64,
            _ => {}
        }
    }
    Ok(sample)
}
