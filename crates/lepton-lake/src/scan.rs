//! Reading a selection: head and blocks merged, series by series.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::block::catalog::Block;
use crate::block::read::BlockCursor;
use crate::error::LakeError;
use crate::head::SeriesData;
use crate::labels::Labels;
use crate::select::Selection;

/// One series and its samples in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSamples {
    /// Which series.
    pub labels: Labels,
    /// Unix milliseconds, rising.
    pub timestamps: Vec<i64>,
    /// One per timestamp, bit for bit as they came.
    pub values: Vec<f64>,
}

/// A running scan: an iterator of series.
pub struct Scan {
    /// In the order they were written: on equal instants the last one wins.
    sources: Vec<Source>,
    from: i64,
    to: i64,
    skip: BTreeSet<Arc<[u8]>>,
    budget: u64,
    left: u64,
    failed: bool,
    times: Vec<i64>,
    values: Vec<f64>,
}

/// A place with samples, sorted by series.
pub(crate) enum Source {
    Memory(std::vec::IntoIter<SeriesData>),
    Block(Box<BlockCursor>),
}

impl Source {
    pub fn memory(series: Vec<SeriesData>) -> Self {
        Self::Memory(series.into_iter())
    }

    pub fn block(block: &Arc<Block>, selection: &Selection) -> Result<Self, LakeError> {
        Ok(Self::Block(Box::new(BlockCursor::open(block, selection, &[0])?)))
    }

    fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Memory(series) => series.as_slice().first().map(|series| &*series.key),
            Self::Block(cursor) => cursor.key(),
        }
    }

    /// Passes over the current series.
    fn skip(&mut self) {
        match self {
            Self::Memory(series) => {
                series.next();
            }
            Self::Block(cursor) => cursor.skip(),
        }
    }

    /// Appends the current series' samples between two instants and passes over it.
    fn take(
        &mut self,
        from: i64,
        to: i64,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<(), LakeError> {
        match self {
            Self::Memory(series) => {
                if let Some(series) = series.next() {
                    series.collect(from, to, times, values);
                }
                Ok(())
            }
            Self::Block(cursor) => cursor.take(from, to, times, std::slice::from_mut(values)),
        }
    }
}

impl Scan {
    pub(crate) fn new(sources: Vec<Source>, selection: &Selection, budget: u64) -> Self {
        Self {
            sources,
            from: selection.from,
            to: selection.to,
            skip: BTreeSet::new(),
            budget,
            left: budget,
            failed: false,
            times: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Leaves these series out, without reading their samples.
    pub(crate) fn skip_keys(&mut self, keys: BTreeSet<Arc<[u8]>>) {
        self.skip = keys;
    }

    /// The next series' labels, its samples unread.
    pub(crate) fn next_labels(&mut self) -> Option<Labels> {
        let key: Arc<[u8]> = self.peek_key()?.into();
        for source in &mut self.sources {
            if source.key() == Some(&*key) {
                source.skip();
            }
        }
        Some(Labels::from_key(key))
    }

    /// The key of the next series that may have samples.
    pub(crate) fn peek_key(&self) -> Option<&[u8]> {
        self.sources.iter().filter_map(Source::key).min()
    }

    /// Reads the next series into empty buffers and passes over it.
    pub(crate) fn take_current(
        &mut self,
        timestamps: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<(), LakeError> {
        let Some(key) = self.peek_key().map(Arc::<[u8]>::from) else { return Ok(()) };
        for source in &mut self.sources {
            if source.key() == Some(&*key) {
                self.times.clear();
                self.values.clear();
                source.take(self.from, self.to, &mut self.times, &mut self.values)?;
                merge(timestamps, values, &mut self.times, &mut self.values);
            }
        }
        let read = timestamps.len() as u64;
        self.left = (self.left.checked_sub(read))
            .ok_or(LakeError::OverBudget { limit: self.budget, unit: "samples" })?;
        Ok(())
    }

    /// Reads the next series that has samples into buffers that are emptied first; its labels, or `None` at the end.
    pub fn next_into(
        &mut self,
        timestamps: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Result<Option<Labels>, LakeError> {
        timestamps.clear();
        values.clear();
        while let Some(key) = self.peek_key().map(Arc::<[u8]>::from) {
            if self.skip.contains(&key) {
                self.next_labels();
                continue;
            }
            self.take_current(timestamps, values)?;
            if !timestamps.is_empty() {
                return Ok(Some(Labels::from_key(key)));
            }
        }
        Ok(None)
    }
}

impl Iterator for Scan {
    type Item = Result<SeriesSamples, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let (mut timestamps, mut values) = (Vec::new(), Vec::new());
        let next = self.next_into(&mut timestamps, &mut values);
        self.failed = next.is_err();
        next.map(|labels| labels.map(|labels| SeriesSamples { labels, timestamps, values })).transpose()
    }
}

/// Merges newer samples into older ones, both in order of time; on the same instant the newer wins.
fn merge(times: &mut Vec<i64>, values: &mut Vec<f64>, new_times: &mut Vec<i64>, new_values: &mut Vec<f64>) {
    let apart = match (times.last(), new_times.first()) {
        (Some(last), Some(first)) => last < first,
        _ => true,
    };
    if apart {
        times.append(new_times);
        values.append(new_values);
        return;
    }
    let (old_times, old_values) = (std::mem::take(times), std::mem::take(values));
    let mut old = old_times.into_iter().zip(old_values).peekable();
    for (time, value) in new_times.drain(..).zip(new_values.drain(..)) {
        while let Some((old_time, old_value)) = old.next_if(|(old_time, _)| *old_time < time) {
            times.push(old_time);
            values.push(old_value);
        }
        old.next_if(|(old_time, _)| *old_time == time);
        times.push(time);
        values.push(value);
    }
    for (time, value) in old {
        times.push(time);
        values.push(value);
    }
}
