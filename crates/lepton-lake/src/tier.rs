//! Buckets: what is kept of a stretch of samples, and how two neighbours become one.

/// A summary of the samples of one series in a stretch of time. NaN, and so a stale marker, counts as no sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    pub count: f64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    pub first: f64,
    pub last: f64,
    /// How much a counter rose from the first sample to the last, a fall counting as a restart from zero.
    pub increase: f64,
}

impl Bucket {
    pub const EMPTY: Self = Self {
        count: 0.0,
        sum: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        first: f64::NAN,
        last: f64::NAN,
        increase: 0.0,
    };

    pub fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    #[inline]
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        if self.is_empty() {
            self.first = value;
        } else {
            self.increase += rise(self.last, value);
        }
        self.count += 1.0;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.last = value;
    }

    /// Puts a later bucket behind this one.
    pub fn join(&mut self, later: &Self) {
        if self.is_empty() {
            *self = *later;
        } else if !later.is_empty() {
            self.increase += rise(self.last, later.first) + later.increase;
            self.count += later.count;
            self.sum += later.sum;
            self.min = self.min.min(later.min);
            self.max = self.max.max(later.max);
            self.last = later.last;
        }
    }

    /// The values of a row of a downsampled block, in the order of [`crate::block::TIER_COLUMNS`].
    pub fn row(&self) -> [f64; 7] {
        [self.min, self.max, self.sum, self.count, self.first, self.last, self.increase]
    }

    pub fn from_row([min, max, sum, count, first, last, increase]: [f64; 7]) -> Self {
        Self { count, sum, min, max, first, last, increase }
    }
}

/// How much a counter rose between two readings: a lower one means it started again from zero.
#[inline]
pub(crate) fn rise(before: f64, now: f64) -> f64 {
    if now >= before { now - before } else { now }
}

/// Rows of a downsampled block for one series: bucket ends and columns.
#[derive(Default)]
pub(crate) struct TierRows {
    pub times: Vec<i64>,
    pub columns: Vec<Vec<f64>>,
}

impl TierRows {
    /// Replaces the rows by those of a series with buckets `resolution` wide.
    pub fn fill(&mut self, times: &[i64], values: &[f64], resolution: i64) {
        self.times.clear();
        self.columns.resize_with(crate::block::TIER_COLUMNS.len(), Vec::new);
        self.columns.iter_mut().for_each(Vec::clear);
        let mut end = i64::MIN;
        let mut bucket = Bucket::EMPTY;
        for (time, value) in times.iter().zip(values) {
            if *time > end {
                self.push(end, &bucket);
                bucket = Bucket::EMPTY;
                end = crate::block::window_end(*time, resolution);
            }
            bucket.add(*value);
        }
        self.push(end, &bucket);
    }

    fn push(&mut self, end: i64, bucket: &Bucket) {
        if bucket.is_empty() {
            return;
        }
        self.times.push(end);
        for (column, value) in self.columns.iter_mut().zip(bucket.row()) {
            column.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_open_on_the_left() {
        let mut rows = TierRows::default();
        rows.fill(&[1, 5, 10, 11, 40], &[1.0, 3.0, 2.0, f64::NAN, 7.0], 10);
        assert_eq!(rows.times, [10, 40]);
        let row = |at: usize| rows.columns.iter().map(|column| column[at]).collect::<Vec<_>>();
        assert_eq!(row(0), [1.0, 3.0, 6.0, 3.0, 1.0, 2.0, 4.0]);
        assert_eq!(row(1), [7.0, 7.0, 7.0, 1.0, 7.0, 7.0, 0.0]);
    }
}
