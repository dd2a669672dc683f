//! Range queries: a function over a sliding window of each series, then an aggregate over series.
//!
//! Windows are open on the left and closed on the right, `(t − window, t]`, like blocks and buckets. All window edges
//! of a query lie on one grid, `gcd(step, window)` apart. Samples are first summed up into the buckets of that grid,
//! and a window is its buckets put together; so a downsampled block whose buckets fit the grid serves a query exactly
//! as raw samples would, and the query does not say which it wants. Where raw samples are gone, whatever tier is left
//! serves, to the accuracy it has.

mod buckets;
mod cover;
mod group;

use std::time::Duration;

use crate::config::millis;
use crate::error::LakeError;
use crate::labels::Labels;
use crate::lake::Lake;
use crate::select::Matcher;
use buckets::Grid;
use group::Groups;

/// Most points one series of an answer may have.
const MAX_POINTS: u64 = 11_000;
/// Most buckets a query may put together for one series.
const MAX_BUCKETS: u64 = 4_000_000;

/// What to compute of a window of one series. NaN counts as no sample; a window without samples gives no point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// The last value; none if a stale marker came after it.
    Last,
    /// How much a counter rose per second, between the first and the last sample it is known at: the last one before
    /// the window, unless that is older than five minutes and than one window, to the last one in it. A fall is a
    /// restart from zero.
    Rate,
    /// How much a counter rose, measured as for [`Function::Rate`]: the increases of adjacent windows add up.
    Increase,
    /// Mean of the samples.
    Avg,
    /// Least sample.
    Min,
    /// Greatest sample.
    Max,
    /// Sum of the samples.
    Sum,
    /// Number of samples.
    Count,
    /// The φ-quantile of the samples, 0 ≤ φ ≤ 1, linear between neighbours. Needs raw samples.
    Quantile(f64),
}

/// How to make one series of many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// Sum at each point.
    Sum,
    /// Mean.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Number of series that have the point.
    Count,
    /// The φ-quantile over series, 0 ≤ φ ≤ 1.
    Quantile(f64),
}

/// A question over a range of time.
#[derive(Debug, Clone)]
pub struct RangeQuery {
    /// Which series.
    pub matchers: Vec<Matcher>,
    /// First point, Unix milliseconds. Rounding it down to a multiple of the step lets tiers serve.
    pub start: i64,
    /// Last instant a point may have.
    pub end: i64,
    /// Distance of points.
    pub step: Duration,
    /// How far each point looks back; the step when `None`.
    pub window: Option<Duration>,
    /// What to compute per series.
    pub function: Function,
    /// Put series together that agree on these labels; the result has only them. `None` keeps series apart.
    pub aggregate: Option<(Aggregate, Vec<String>)>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryResult {
    /// Per series, sorted by labels: instants and values, rising in time.
    pub series: Vec<(Labels, Vec<(i64, f64)>)>,
    /// Samples and downsampled rows read.
    pub samples_read: u64,
    /// Buckets of the widest tier that served part of it; `None` if all came from raw samples.
    pub resolution: Option<Duration>,
}

impl Lake {
    /// Answers a range query from the coarsest tiers that answer it exactly, and raw samples where there are none.
    pub fn query(&self, query: &RangeQuery) -> Result<QueryResult, LakeError> {
        let grid = query.grid()?;
        let inner = self.inner();
        let mut cover = inner.cover(query, &grid)?;
        let mut groups = Groups::new(query, &grid, inner.config.query_bytes);
        let mut state = buckets::Buckets::new(&grid, query.function);
        while let Some(key) = cover.next_key() {
            state.clear();
            cover.feed(&key, &mut state)?;
            groups.add(Labels::from_key(key), &state)?;
        }
        Ok(QueryResult {
            series: groups.finish(),
            samples_read: cover.samples_read(),
            resolution: cover.resolution(),
        })
    }
}

impl RangeQuery {
    fn grid(&self) -> Result<Grid, LakeError> {
        let wrong = |field, reason: &str| LakeError::Query { field, reason: reason.to_owned() };
        let step = millis(self.step);
        let window = self.window.map_or(step, millis);
        if step <= 0 {
            return Err(wrong("step", "must be at least a millisecond"));
        }
        if window <= 0 {
            return Err(wrong("window", "must be at least a millisecond"));
        }
        if self.end < self.start {
            return Err(wrong("end", "must not be before start"));
        }
        let quantiles = [
            ("function", if let Function::Quantile(phi) = self.function { phi } else { 0.0 }),
            ("aggregate", if let Some((Aggregate::Quantile(phi), _)) = self.aggregate { phi } else { 0.0 }),
        ];
        for (field, phi) in quantiles {
            if !(0.0..=1.0).contains(&phi) {
                return Err(wrong(field, "quantile must be between 0 and 1"));
            }
        }
        let points = self.end.abs_diff(self.start) / step.unsigned_abs() + 1;
        if points > MAX_POINTS {
            return Err(wrong(
                "step",
                &format!("would give {points} points; at most {MAX_POINTS} are allowed"),
            ));
        }
        let width = gcd(step, window);
        let per_window = window / width;
        if points * per_window.unsigned_abs() > MAX_BUCKETS {
            return Err(wrong(
                "window",
                "shares too small a divisor with the step; make one a multiple of the other",
            ));
        }
        if self.start.checked_sub(window.saturating_mul(3)).is_none() {
            return Err(wrong("start", "is too far in the past"));
        }
        Ok(Grid { start: self.start, step, window, width, points: points as usize })
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The φ-quantile of values in any order, linear between neighbours (Hyndman & Fan 1996, type 7).
fn quantile(values: &mut [f64], phi: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = phi * last as f64;
    let low = rank.floor();
    let (_, below, above) = values.select_nth_unstable_by(low as usize, f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(*below);
    Some(*below + (next - *below) * (rank - low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let check = |values: &[f64], phi, expect| assert_eq!(quantile(&mut values.to_vec(), phi), expect);
        check(&[], 0.5, None);
        check(&[3.0], 0.99, Some(3.0));
        check(&[3.0, 1.0, 2.0], 0.5, Some(2.0));
        check(&[4.0, 1.0, 2.0, 3.0], 0.5, Some(2.5));
        check(&[4.0, 1.0, 2.0, 3.0], 1.0, Some(4.0));
        check(&[4.0, 1.0, 2.0, 3.0], 0.0, Some(1.0));
    }
}
