//! What a caller hands to the lake: series and their samples, in two flat buffers that are reused.

use crate::labels::{LabelError, write_key};
use crate::wal::MAX_FRAME;

/// One measurement: Unix milliseconds and a value kept bit for bit, stale markers included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Unix time in milliseconds.
    pub timestamp: i64,
    /// The value.
    pub value: f64,
}

/// Series and samples to append in one acknowledged step.
///
/// Build it with [`series`](Batch::series) followed by that series' samples; [`clear`](Batch::clear) keeps the
/// allocations for the next request. Hashing happens here, outside every lock.
#[derive(Debug)]
pub struct Batch {
    keys: Vec<u8>,
    series: Vec<BatchSeries>,
    samples: Vec<Sample>,
    hasher: foldhash::fast::FixedState,
}

#[derive(Debug, Clone, Copy)]
struct BatchSeries {
    key_end: usize,
    sample_end: usize,
    hash: u64,
}

/// One series of a batch as the head sees it.
pub(crate) struct Entry<'a> {
    pub key: &'a [u8],
    pub hash: u64,
    pub samples: &'a [Sample],
}

impl Batch {
    /// An empty batch whose series hash as a lake's do; made by [`crate::Lake::batch`].
    pub(crate) fn new(hasher: foldhash::fast::FixedState) -> Self {
        Self { keys: Vec::new(), series: Vec::new(), samples: Vec::new(), hasher }
    }

    /// Starts a series; samples that follow belong to it. Pairs come in any order and include `__name__`.
    pub fn series(&mut self, labels: &[(&str, &str)]) -> Result<(), LabelError> {
        let mut raw: Vec<_> =
            labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        self.series_raw(&mut raw)
    }

    /// [`series`](Batch::series) for labels straight off the wire: sorts them in place if they are not sorted, and
    /// leaves the check for UTF-8 to the first time the lake sees the series.
    ///
    /// After an error the batch is as it was before the call; skip that series' samples.
    pub fn series_raw(&mut self, labels: &mut [(&[u8], &[u8])]) -> Result<(), LabelError> {
        let start = self.keys.len();
        if start > MAX_FRAME {
            return Err(LabelError::BatchFull);
        }
        if let Err(error) = write_key(labels, &mut self.keys) {
            self.keys.truncate(start);
            return Err(error);
        }
        let hash = hash_key(&self.hasher, self.keys.get(start..).unwrap_or_default());
        self.series.push(BatchSeries { key_end: self.keys.len(), sample_end: self.samples.len(), hash });
        Ok(())
    }

    /// Adds a sample to the series started last; without one it is ignored.
    pub fn sample(&mut self, timestamp: i64, value: f64) {
        if let Some(series) = self.series.last_mut() {
            self.samples.push(Sample { timestamp, value });
            series.sample_end = self.samples.len();
        }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.series.clear();
        self.samples.clear();
    }

    /// How many samples it holds.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// How many series it holds.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let (mut key_start, mut sample_start) = (0, 0);
        self.series.iter().map(move |series| {
            let key = self.keys.get(key_start..series.key_end).unwrap_or_default();
            let samples = self.samples.get(sample_start..series.sample_end).unwrap_or_default();
            (key_start, sample_start) = (series.key_end, series.sample_end);
            Entry { key, hash: series.hash, samples }
        })
    }

    /// Bytes it takes in the log at most, given what one sample takes.
    pub(crate) fn size(&self, sample: usize) -> usize {
        self.keys.len() + self.series.len() * 16 + self.samples.len() * sample
    }

    pub(crate) fn seeded_as(&self, seed: &foldhash::fast::FixedState) -> bool {
        hash_key(&self.hasher, b"seed") == hash_key(seed, b"seed")
    }
}

pub(crate) fn hash_key(state: &foldhash::fast::FixedState, key: &[u8]) -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let mut hasher = state.build_hasher();
    hasher.write(key);
    hasher.finish()
}
