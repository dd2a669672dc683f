//! Samples since the last cut, in memory: a table of series, an inverted index over their labels, and their chunks.
//!
//! Order and repeats, per series: samples in order of time go to the chunk; the same instant with the same value is a
//! duplicate and is dropped; the same instant with another value, or an instant before the newest, goes to a sorted
//! side table (`late`) that wins when both are read. So the last write wins, and a request sent twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::batch::{Entry, Sample, hash_key};
use crate::block::window_end;
use crate::chunk::{Chunk, ChunkWriter};
use crate::error::Appended;
use crate::labels::{METRIC_LABEL, NODE_LABEL, check_key, key_metric, key_node, key_pairs};
use crate::select::Selection;
use crate::wal::FrameWriter;

type Hasher = foldhash::fast::FixedState;

/// The instants a head takes; samples outside are refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub oldest: i64,
    pub newest: i64,
}

/// One series of the head.
struct Series {
    key: Arc<[u8]>,
    hash: u64,
    /// The newest sample ever seen, also from before the last cut.
    last: Option<Sample>,
    /// Whether the log's current segment knows this series.
    logged: bool,
    chunk: ChunkWriter,
    full: Vec<Chunk>,
    late: BTreeMap<i64, f64>,
}

/// The live head.
pub(crate) struct Head {
    hasher: Hasher,
    table: HashTable<u32>,
    series: Vec<Series>,
    postings: Postings,
    bytes: usize,
    samples: u64,
    span: Span,
    accepted: Vec<Sample>,
    /// The series after the last one appended to: senders keep their order, so it is often the next, and the table
    /// need not be asked.
    likely: u32,
}

/// Where in time a head has samples.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub min: i64,
    pub max: i64,
    /// Ends of the block windows it has samples in.
    pub windows: BTreeSet<i64>,
    width: i64,
    /// The window of the last sample, open on the left.
    current: (i64, i64),
}

impl Span {
    fn new(width: i64) -> Self {
        Self { min: i64::MAX, max: i64::MIN, windows: BTreeSet::new(), width, current: (0, 0) }
    }

    #[inline]
    fn add(&mut self, time: i64) {
        self.min = self.min.min(time);
        self.max = self.max.max(time);
        if time <= self.current.0 || time > self.current.1 {
            let end = window_end(time, self.width);
            self.current = (end.saturating_sub(self.width), end);
            self.windows.insert(end);
        }
    }

    /// Whether it may have samples after the first instant and up to the second.
    pub fn touches(&self, after: i64, to: i64) -> bool {
        after < to
            && self.windows.range(after.saturating_add(1)..=window_end(to, self.width)).next().is_some()
    }
}

/// One series' samples, shared with whoever reads them: chunks in order of time, and late samples, which win.
#[derive(Debug, Clone)]
pub(crate) struct SeriesData {
    pub key: Arc<[u8]>,
    pub chunks: Vec<Chunk>,
    pub late: Vec<Sample>,
}

/// A head that takes no more and waits to become blocks; sorted by key.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub series: Vec<SeriesData>,
    pub bytes: usize,
    pub samples: u64,
    pub span: Span,
}

// What a series costs beside its key and samples: its slot, the allocations' headers, table and postings.
const SERIES_OVERHEAD: usize = std::mem::size_of::<Series>() + 96;
const LATE_BYTES: usize = 40;

impl Head {
    /// An empty head that keeps account of windows `width` milliseconds wide.
    pub fn new(hasher: Hasher, width: i64) -> Self {
        Self {
            hasher,
            table: HashTable::new(),
            series: Vec::new(),
            postings: Postings::default(),
            bytes: 0,
            samples: 0,
            span: Span::new(width),
            accepted: Vec::new(),
            likely: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    pub fn sample_count(&self) -> u64 {
        self.samples
    }

    /// Where in time it has samples; `None` when empty.
    pub fn span(&self) -> Option<&Span> {
        (self.samples > 0).then_some(&self.span)
    }

    /// Takes one series' samples and writes what it took to the log's frame.
    pub fn append(
        &mut self,
        entry: &Entry<'_>,
        bounds: Bounds,
        frame: &mut FrameWriter,
        outcome: &mut Appended,
    ) {
        let Some(id) = self.find(entry.key, entry.hash).or_else(|| match check_key(entry.key) {
            Ok(()) => Some(self.insert(entry.key.into(), entry.hash, None)),
            Err(error) => {
                outcome.invalid += entry.samples.len() as u64;
                outcome.first_invalid.get_or_insert(error);
                None
            }
        }) else {
            return;
        };
        self.likely = id.wrapping_add(1);
        let Some(series) = self.series.get_mut(id as usize) else { return };
        self.accepted.clear();
        for sample in entry.samples {
            if sample.timestamp < bounds.oldest {
                outcome.too_old += 1;
            } else if sample.timestamp > bounds.newest {
                outcome.too_new += 1;
            } else if series.take(*sample, &mut self.bytes) {
                self.span.add(sample.timestamp);
                self.accepted.push(*sample);
            } else {
                outcome.duplicates += 1;
            }
        }
        if self.accepted.is_empty() {
            return;
        }
        outcome.accepted += self.accepted.len() as u64;
        self.samples += self.accepted.len() as u64;
        let definition = (!series.logged).then_some(&*series.key);
        series.logged = true;
        frame.series(id, definition, &self.accepted);
    }

    /// Takes samples read back from the log; their series are logged in a segment that will be let go, so they count
    /// as unknown to the current one.
    pub fn restore(&mut self, key: &[u8], samples: &[Sample]) {
        let hash = hash_key(&self.hasher, key);
        let id = self.find(key, hash).unwrap_or_else(|| self.insert(key.into(), hash, None));
        let Some(series) = self.series.get_mut(id as usize) else { return };
        for sample in samples {
            if series.take(*sample, &mut self.bytes) {
                self.span.add(sample.timestamp);
                self.samples += 1;
            }
        }
    }

    fn find(&self, key: &[u8], hash: u64) -> Option<u32> {
        let same = |id: &u32| self.series.get(*id as usize).is_some_and(|s| s.hash == hash && &*s.key == key);
        if same(&self.likely) {
            return Some(self.likely);
        }
        self.table.find(hash, same).copied()
    }

    fn insert(&mut self, key: Arc<[u8]>, hash: u64, last: Option<Sample>) -> u32 {
        let id = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        self.bytes += key.len() + SERIES_OVERHEAD;
        self.bytes += self.postings.insert(&key, id, &self.hasher);
        let series = &self.series;
        let rehash = |id: &u32| series.get(*id as usize).map_or(0, |series| series.hash);
        self.table.insert_unique(hash, id, rehash);
        self.series.push(Series {
            key,
            hash,
            last,
            logged: false,
            chunk: ChunkWriter::default(),
            full: Vec::new(),
            late: BTreeMap::new(),
        });
        id
    }

    /// Ids of the series that meet the matchers, whatever their times.
    fn select(&self, selection: &Selection) -> Vec<u32> {
        let accepts =
            |id: &u32| self.series.get(*id as usize).is_some_and(|series| selection.accepts_key(&series.key));
        match self.postings.narrowest(selection, &self.hasher) {
            Narrowed::To(ids) => ids.iter().copied().filter(accepts).collect(),
            Narrowed::Nothing => Vec::new(),
            Narrowed::No => (0..self.series.len() as u32).filter(accepts).collect(),
        }
    }

    /// The matching series with a copy of their samples, sorted by key.
    pub fn read(&self, selection: &Selection) -> Vec<SeriesData> {
        if self.span().is_none_or(|span| !selection.overlaps(span.min, span.max)) {
            return Vec::new();
        }
        let mut found: Vec<_> = self
            .select(selection)
            .into_iter()
            .filter_map(|id| self.series.get(id as usize))
            .filter_map(|series| series.data(selection))
            .collect();
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        found
    }

    /// The newest sample of each matching series, when it lies in the selection's time.
    pub fn latest(&self, selection: &Selection) -> Vec<(Arc<[u8]>, Sample)> {
        self.select(selection)
            .into_iter()
            .filter_map(|id| self.series.get(id as usize))
            .filter_map(|series| series.newest().map(|sample| (Arc::clone(&series.key), sample)))
            .filter(|(_, sample)| selection.overlaps(sample.timestamp, sample.timestamp))
            .collect()
    }

    /// Empties the head into a [`Frozen`], keeping the newest sample of every series that was written to, as long as
    /// that takes no more than `carry` bytes.
    pub fn freeze(&mut self, carry: usize) -> Frozen {
        let next = Self::new(self.hasher.clone(), self.span.width);
        let old = std::mem::replace(self, next);
        let (bytes, samples, span) = (old.bytes, old.samples, old.span);
        let mut frozen = Vec::with_capacity(old.series.len());
        for series in old.series {
            let newest = series.newest();
            let chunks: Vec<_> = series.full.into_iter().chain(series.chunk.chunk()).collect();
            if chunks.is_empty() && series.late.is_empty() {
                continue;
            }
            let late =
                series.late.into_iter().map(|(timestamp, value)| Sample { timestamp, value }).collect();
            if self.bytes < carry {
                self.insert(Arc::clone(&series.key), series.hash, newest);
            }
            frozen.push(SeriesData { key: series.key, chunks, late });
        }
        frozen.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Frozen { series: frozen, bytes, samples, span }
    }
}

impl Series {
    /// Whether the sample is news. Adds what it costs to `bytes`.
    fn take(&mut self, sample: Sample, bytes: &mut usize) -> bool {
        match self.last {
            Some(last) if sample.timestamp <= last.timestamp => return self.take_late(sample, last, bytes),
            _ => self.last = Some(sample),
        }
        let before = self.chunk.capacity();
        self.chunk.push(sample);
        *bytes += self.chunk.capacity() - before;
        if self.chunk.is_full() {
            *bytes -= self.chunk.capacity();
            if let Some(chunk) = std::mem::take(&mut self.chunk).chunk() {
                *bytes += chunk.size();
                self.full.push(chunk);
            }
        }
        true
    }

    #[cold]
    fn take_late(&mut self, sample: Sample, last: Sample, bytes: &mut usize) -> bool {
        let known = match self.late.get(&sample.timestamp) {
            Some(value) => Some(*value),
            None if sample.timestamp == last.timestamp => Some(last.value),
            None => self.find(sample.timestamp),
        };
        if known.is_some_and(|value| value.to_bits() == sample.value.to_bits()) {
            return false;
        }
        if self.late.insert(sample.timestamp, sample.value).is_none() {
            *bytes += LATE_BYTES;
        }
        true
    }

    fn find(&self, timestamp: i64) -> Option<f64> {
        let holds = |chunk: &&Chunk| chunk.first <= timestamp && timestamp <= chunk.last;
        self.full.iter().find(holds).and_then(|chunk| chunk.find(timestamp)).or_else(|| {
            self.chunk.chunk().filter(|chunk| holds(&chunk)).and_then(|chunk| chunk.find(timestamp))
        })
    }

    fn newest(&self) -> Option<Sample> {
        let late = self
            .late
            .last_key_value()
            .map(|(timestamp, value)| Sample { timestamp: *timestamp, value: *value });
        match (self.last, late) {
            (Some(last), Some(late)) if late.timestamp >= last.timestamp => Some(late),
            (Some(last), _) => Some(last),
            (None, late) => late,
        }
    }

    fn data(&self, selection: &Selection) -> Option<SeriesData> {
        let wanted = |chunk: &Chunk| selection.overlaps(chunk.first, chunk.last);
        let mut chunks: Vec<_> = self.full.iter().filter(|chunk| wanted(chunk)).cloned().collect();
        chunks.extend(self.chunk.chunk().filter(wanted));
        let late: Vec<_> = match selection.from <= selection.to {
            true => self
                .late
                .range(selection.from..=selection.to)
                .map(|(timestamp, value)| Sample { timestamp: *timestamp, value: *value })
                .collect(),
            false => Vec::new(),
        };
        let some = !chunks.is_empty() || !late.is_empty();
        some.then(|| SeriesData { key: Arc::clone(&self.key), chunks, late })
    }
}

impl Frozen {
    /// The matching series; their chunks are shared, not copied.
    pub fn read(&self, selection: &Selection) -> Vec<SeriesData> {
        if self.samples == 0 || !selection.overlaps(self.span.min, self.span.max) {
            return Vec::new();
        }
        self.series.iter().filter(|series| selection.accepts_key(&series.key)).cloned().collect()
    }
}

impl SeriesData {
    /// Appends the samples between two instants, both included, in order, late ones winning.
    pub fn collect(&self, from: i64, to: i64, times: &mut Vec<i64>, values: &mut Vec<f64>) {
        let mut late =
            self.late.iter().filter(|sample| from <= sample.timestamp && sample.timestamp <= to).peekable();
        for chunk in self.chunks.iter().filter(|chunk| chunk.first <= to && chunk.last >= from) {
            chunk.decode(|sample| {
                if sample.timestamp < from || sample.timestamp > to {
                    return;
                }
                while let Some(early) = late.next_if(|late| late.timestamp < sample.timestamp) {
                    times.push(early.timestamp);
                    values.push(early.value);
                }
                let winner = late.next_if(|late| late.timestamp == sample.timestamp).unwrap_or(&sample);
                times.push(winner.timestamp);
                values.push(winner.value);
            });
        }
        for sample in late {
            times.push(sample.timestamp);
            values.push(sample.value);
        }
    }
}

/// Series ids by label and value.
#[derive(Default)]
struct Postings {
    lists: HashTable<Posting>,
}

struct Posting {
    hash: u64,
    ids: Vec<u32>,
}

enum Narrowed<'a> {
    To(&'a [u32]),
    Nothing,
    No,
}

impl Postings {
    // Lists are found by a 64-bit hash of label and value alone: a collision only adds candidates, and every
    // candidate's key is checked.
    fn insert(&mut self, key: &[u8], id: u32, hasher: &Hasher) -> usize {
        let before = self.lists.capacity();
        let mut grown = 0;
        let mut add = |name: &[u8], value: &[u8]| {
            let hash = label_hash(hasher, name, value);
            let entry = self.lists.entry(hash, |list| list.hash == hash, |list| list.hash);
            let list = entry.or_insert_with(|| Posting { hash, ids: Vec::new() });
            let list = list.into_mut();
            let capacity = list.ids.capacity();
            if list.ids.len() == capacity {
                list.ids.reserve_exact(1 + capacity / 2);
            }
            list.ids.push(id);
            grown += (list.ids.capacity() - capacity) * 4;
        };
        add(METRIC_LABEL.as_bytes(), key_metric(key));
        if !key_node(key).is_empty() {
            add(NODE_LABEL.as_bytes(), key_node(key));
        }
        for (name, value) in key_pairs(key) {
            add(name, value);
        }
        grown + (self.lists.capacity() - before) * (std::mem::size_of::<Posting>() + 1)
    }

    fn narrowest(&self, selection: &Selection, hasher: &Hasher) -> Narrowed<'_> {
        let mut best = Narrowed::No;
        for (name, value) in selection.matchers.iter().filter_map(|matcher| matcher.exact()) {
            let hash = label_hash(hasher, name.as_bytes(), value.as_bytes());
            let Some(list) = self.lists.find(hash, |list| list.hash == hash) else {
                return Narrowed::Nothing;
            };
            if !matches!(best, Narrowed::To(ids) if ids.len() <= list.ids.len()) {
                best = Narrowed::To(&list.ids);
            }
        }
        best
    }
}

fn label_hash(hasher: &Hasher, name: &[u8], value: &[u8]) -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let mut state = hasher.build_hasher();
    state.write(name);
    state.write_u8(0);
    state.write(value);
    state.finish()
}
