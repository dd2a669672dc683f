//! Ticks gathered into one request.

use lepton_api::remote_write::Encoder;

use super::tick::TickDecoder;
use crate::series::{SeriesText, is_absent};

/// Samples in one request: some 300 KB before compression, far below what receivers refuse.
const MAX_SAMPLES: usize = 20_000;

/// Ticks in one request, when catching up.
const MAX_TICKS: usize = 64;

/// Ticks of the same series, one row each.
#[derive(Debug, Default)]
pub struct Batch {
    stamps: Vec<i64>,
    /// End of each row in `values`.
    ends: Vec<usize>,
    values: Vec<f64>,
}

impl Batch {
    /// Adds the tick that `decoder` read last.
    pub fn push(&mut self, stamp: lepton_model::Timestamp, decoder: &TickDecoder) {
        self.stamps.push(stamp.as_millis());
        self.values.extend_from_slice(decoder.values());
        self.ends.push(self.values.len());
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.stamps.is_empty()
    }

    /// Whether it should be sent before more is added.
    pub fn is_full(&self) -> bool {
        let row = self.values.len() / self.stamps.len().max(1);
        self.stamps.len() >= MAX_TICKS || self.values.len() + row > MAX_SAMPLES
    }

    /// Forgets all ticks, and the memory that catching up took.
    pub fn clear(&mut self) {
        self.stamps.clear();
        self.ends.clear();
        self.values.clear();
        self.values.shrink_to(4_096);
    }

    /// Writes everything to `encoder`, series by series; every series gets the labels `extra`, which win over its own.
    /// Returns the number of samples.
    pub fn encode(
        &self,
        texts: &[Option<SeriesText>],
        extra: &[(&str, &str)],
        encoder: &mut Encoder,
    ) -> usize {
        let (mut labels, mut samples, mut count) = (Vec::new(), Vec::new(), 0);
        for (slot, text) in texts.iter().enumerate() {
            let Some(text) = text else { continue };
            samples.clear();
            let mut begin = 0;
            for (stamp, end) in self.stamps.iter().zip(&self.ends) {
                let value = self.values.get(begin..*end).and_then(|row| row.get(slot));
                begin = *end;
                if let Some(value) = value.filter(|value| !is_absent(**value)) {
                    samples.push((*stamp, *value));
                }
            }
            if samples.is_empty() {
                continue;
            }
            // Two ticks before and after a step back of the clock: receivers want ascending time.
            samples.sort_by_key(|(stamp, _)| *stamp);
            labels.clear();
            labels.push(("__name__", text.name()));
            labels.extend(text.labels().filter(|(key, _)| extra.iter().all(|(other, _)| other != key)));
            labels.extend_from_slice(extra);
            labels.sort_unstable();
            encoder.series(&labels, &samples);
            count += samples.len();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::series::SeriesTable;
    use crate::ship::tick::TickEncoder;
    use lepton_api::remote_write::{Limits, Protocol, Scratch, decode};
    use lepton_model::Timestamp;

    #[test]
    fn rows_become_series() {
        let mut table = SeriesTable::new(10);
        let a = table.counter("a_total", &[("mode", "idle"), ("node", "mine")]);
        let (mut ticks, mut decoder, mut bytes, mut batch) =
            (TickEncoder::default(), TickDecoder::default(), Vec::new(), Batch::default());
        for at in 0..3_i64 {
            table.begin();
            table.set(a, at as f64);
            if at == 1 {
                let b = table.gauge("b", &[]);
                table.set(b, 7.5);
            }
            ticks.encode(&table, Timestamp::from_millis(1_000 * at), at == 0, &mut bytes);
            table.end();
            batch.push(decoder.decode(&bytes).unwrap(), &decoder);
        }
        let mut encoder = Encoder::new(Protocol::V2);
        assert_eq!(batch.encode(decoder.texts(), &[("node", "edge-1")], &mut encoder), 4);
        let mut found = Vec::new();
        let body = encoder.finish().to_vec();
        decode(Protocol::V2, &body, &Limits::default(), &mut Scratch::default(), |labels, samples| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let labels: Vec<_> =
                labels.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
            found.push(format!("{} {samples:?}", labels.join(",")));
        })
        .unwrap();
        assert_eq!(
            found,
            [
                "__name__=a_total,mode=idle,node=edge-1 [(0, 0.0), (1000, 1.0), (2000, 2.0)]",
                "__name__=b,node=edge-1 [(1000, 7.5)]",
            ]
        );
    }
}
