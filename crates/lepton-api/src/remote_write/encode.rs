//! Writing requests.

use std::collections::HashMap;

use super::Protocol;
use super::protobuf::{put_bytes_head, put_varint, varint_len};

/// Builds one request after the other, keeping its memory.
#[derive(Debug)]
pub struct Encoder {
    protocol: Protocol,
    /// The series so far, as fields of the request.
    series: Vec<u8>,
    /// 2.0: the symbol table so far, as fields of the request, and the number of each symbol.
    symbols: Vec<u8>,
    numbers: HashMap<Box<str>, u32>,
    references: Vec<u8>,
    one: Vec<u8>,
    body: Vec<u8>,
    samples: usize,
}

impl Encoder {
    /// An encoder of one version.
    pub fn new(protocol: Protocol) -> Self {
        let mut encoder = Self {
            protocol,
            series: Vec::new(),
            symbols: Vec::new(),
            numbers: HashMap::new(),
            references: Vec::new(),
            one: Vec::new(),
            body: Vec::new(),
            samples: 0,
        };
        encoder.clear();
        encoder
    }

    /// The version it writes.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Samples in the request so far.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Size of the request so far, before compression.
    pub fn bytes(&self) -> usize {
        self.symbols.len() + self.series.len()
    }

    /// Adds a series: labels sorted by name, `__name__` among them, and samples as Unix milliseconds and value.
    pub fn series(&mut self, labels: &[(&str, &str)], samples: &[(i64, f64)]) {
        debug_assert!(labels.is_sorted(), "the protocol wants labels sorted by name");
        self.one.clear();
        match self.protocol {
            Protocol::V1 => {
                for (name, value) in labels {
                    let length =
                        [name, value].iter().map(|text| 1 + varint_len(text.len() as u64) + text.len()).sum();
                    put_bytes_head(&mut self.one, 1, length);
                    put_text(&mut self.one, 1, name);
                    put_text(&mut self.one, 2, value);
                }
            }
            Protocol::V2 => {
                self.references.clear();
                for text in labels.iter().flat_map(|(name, value)| [name, value]) {
                    let number = self.number(text);
                    put_varint(&mut self.references, u64::from(number));
                }
                put_bytes_head(&mut self.one, 1, self.references.len());
                self.one.extend_from_slice(&self.references);
            }
        }
        for (timestamp, value) in samples {
            let millis = *timestamp as u64;
            put_bytes_head(&mut self.one, 2, 9 + 1 + varint_len(millis));
            put_varint(&mut self.one, 1 << 3 | 1);
            self.one.extend_from_slice(&value.to_bits().to_le_bytes());
            put_varint(&mut self.one, 2 << 3);
            put_varint(&mut self.one, millis);
        }
        let field = if self.protocol == Protocol::V1 { 1 } else { 5 };
        put_bytes_head(&mut self.series, field, self.one.len());
        self.series.extend_from_slice(&self.one);
        self.samples += samples.len();
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(text.into(), number);
        put_text(&mut self.symbols, 4, text);
        number
    }

    /// Finishes the request: the compressed body to send. The next series starts a new one.
    pub fn finish(&mut self) -> &[u8] {
        self.symbols.extend_from_slice(&self.series);
        let most = snap::raw::max_compress_len(self.symbols.len());
        if self.body.len() < most {
            self.body.resize(most, 0);
        }
        // Fails only for a buffer too small or a body over 4 GiB; an empty body is the protocol's empty request.
        let length = snap::raw::Encoder::new().compress(&self.symbols, &mut self.body).unwrap_or(0);
        self.clear();
        self.body.get(..length).unwrap_or_default()
    }

    /// Forgets the request so far.
    pub fn clear(&mut self) {
        self.series.clear();
        self.symbols.clear();
        self.numbers.clear();
        self.samples = 0;
        if self.protocol == Protocol::V2 {
            // The protocol wants symbol 0 to be the empty string.
            self.number("");
        }
    }
}

fn put_text(out: &mut Vec<u8>, field: u64, text: &str) {
    put_bytes_head(out, field, text.len());
    out.extend_from_slice(text.as_bytes());
}
