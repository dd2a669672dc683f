//! One series of a query: buckets on the query's grid, and the windows made of them.

use crate::query::{Function, quantile};
use crate::tier::{Bucket, rise};

/// How old the sample before a window may be for a rate to start from it, in milliseconds; a longer window allows
/// for more. Prometheus looks back as far.
const LOOK_BACK: i64 = 300_000;
/// Prometheus marks the end of a series by a NaN with this payload.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The points of a query and the buckets between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub start: i64,
    pub step: i64,
    pub window: i64,
    /// Width of a bucket.
    pub width: i64,
    pub points: usize,
}

impl Grid {
    /// Instants whose samples lie in some window: after the first, up to the second.
    pub fn range(&self) -> (i64, i64) {
        (
            self.start - self.window,
            self.start.saturating_add(self.step.saturating_mul(self.points as i64 - 1)),
        )
    }

    /// How far before that a sample may count as the one before a window.
    pub fn look_back(&self) -> i64 {
        self.window.max(LOOK_BACK)
    }

    pub fn point(&self, at: usize) -> i64 {
        self.start + self.step * at as i64
    }

    fn per_window(&self) -> usize {
        (self.window / self.width) as usize
    }

    fn per_step(&self) -> usize {
        (self.step / self.width) as usize
    }

    fn buckets(&self) -> usize {
        self.per_window() + self.per_step() * (self.points - 1)
    }

    /// The bucket an instant lies in; `None` before the first and after the last.
    fn bucket(&self, time: i64) -> Option<usize> {
        let (from, _) = self.range();
        if time <= from {
            return None;
        }
        usize::try_from((time - from - 1) / self.width).ok().filter(|at| *at < self.buckets())
    }
}

/// A bucket of the grid, with what rates need beside.
#[derive(Debug, Clone, Copy)]
struct Slot {
    bucket: Bucket,
    /// Rise since the last sample before the bucket, and the time it took.
    rise: f64,
    elapsed: f64,
    stale: bool,
}

const EMPTY: Slot = Slot { bucket: Bucket::EMPTY, rise: 0.0, elapsed: 0.0, stale: false };

/// The buckets of one series.
pub(crate) struct Buckets {
    grid: Grid,
    function: Function,
    slots: Vec<Slot>,
    /// The last sample so far: instant and value.
    before: Option<(i64, f64)>,
    /// All samples, for quantiles only.
    raw: Vec<(i64, f64)>,
}

impl Buckets {
    pub fn new(grid: &Grid, function: Function) -> Self {
        let slots = if matches!(function, Function::Quantile(_)) { 0 } else { grid.buckets() };
        Self { grid: *grid, function, slots: vec![EMPTY; slots], before: None, raw: Vec::new() }
    }

    pub fn clear(&mut self) {
        self.slots.fill(EMPTY);
        self.before = None;
        self.raw.clear();
    }

    /// Adds raw samples, later than all before.
    pub fn add_samples(&mut self, times: &[i64], values: &[f64]) {
        if matches!(self.function, Function::Quantile(_)) {
            let samples = times.iter().copied().zip(values.iter().copied());
            self.raw.extend(samples.filter(|(_, value)| !value.is_nan()));
            return;
        }
        let (from, _) = self.grid.range();
        let (mut at, mut end) = (0, i64::MIN);
        for (time, value) in times.iter().copied().zip(values.iter().copied()) {
            if time > from {
                if time > end {
                    let Some(bucket) = self.grid.bucket(time) else { return };
                    at = bucket;
                    end = from + (bucket as i64 + 1) * self.grid.width;
                }
                let Some(slot) = self.slots.get_mut(at) else { return };
                if value.is_nan() {
                    slot.stale |= value.to_bits() == STALE;
                    continue;
                }
                slot.stale = false;
                slot.bucket.add(value);
                if let Some((then, last)) =
                    self.before.filter(|(then, _)| time - then <= self.grid.look_back())
                {
                    slot.rise += rise(last, value);
                    slot.elapsed += (time - then) as f64;
                }
            } else if value.is_nan() {
                continue;
            }
            self.before = Some((time, value));
        }
    }

    /// Adds one row of a tier with buckets `resolution` wide, later than all before.
    pub fn add_bucket(&mut self, end: i64, resolution: i64, row: &Bucket) {
        if let Some(slot) = self.grid.bucket(end).and_then(|at| self.slots.get_mut(at)) {
            let joined = self.before.filter(|(then, _)| end - then <= self.grid.look_back() + resolution);
            match joined {
                Some((then, last)) => {
                    slot.rise += rise(last, row.first) + row.increase;
                    slot.elapsed += (end - then) as f64;
                }
                None => {
                    slot.rise += row.increase;
                    // Evenly spaced samples leave out one interval of as many as there are.
                    slot.elapsed += resolution as f64 * (row.count - 1.0) / row.count;
                }
            }
            slot.bucket.join(row);
        }
        self.before = Some((end, row.last));
    }

    /// The function's value at each point that has one.
    pub fn values(&self) -> impl Iterator<Item = (usize, f64)> {
        (0..self.grid.points).filter_map(|at| Some((at, self.value(at)?)))
    }

    fn value(&self, at: usize) -> Option<f64> {
        if let Function::Quantile(phi) = self.function {
            let to = self.grid.point(at);
            let first = self.raw.partition_point(|(time, _)| *time <= to - self.grid.window);
            let last = self.raw.partition_point(|(time, _)| *time <= to);
            let mut window: Vec<_> = self.raw.get(first..last)?.iter().map(|(_, value)| *value).collect();
            return quantile(&mut window, phi);
        }
        let start = at * self.grid.per_step();
        let slots = self.slots.get(start..start + self.grid.per_window())?;
        if self.function == Function::Last {
            let slot = slots.iter().rev().find(|slot| slot.stale || !slot.bucket.is_empty())?;
            return (!slot.stale).then_some(slot.bucket.last);
        }
        let mut whole = EMPTY;
        for slot in slots.iter().filter(|slot| !slot.bucket.is_empty()) {
            whole.bucket.join(&slot.bucket);
            whole.rise += slot.rise;
            whole.elapsed += slot.elapsed;
        }
        let Slot { bucket, rise, elapsed, .. } = whole;
        if bucket.is_empty() {
            return None;
        }
        match self.function {
            Function::Rate => (elapsed > 0.0).then(|| rise / (elapsed / 1000.0)),
            Function::Increase => (elapsed > 0.0).then_some(rise),
            Function::Avg => Some(bucket.sum / bucket.count),
            Function::Min => Some(bucket.min),
            Function::Max => Some(bucket.max),
            Function::Sum => Some(bucket.sum),
            Function::Count => Some(bucket.count),
            Function::Last | Function::Quantile(_) => None,
        }
    }
}
