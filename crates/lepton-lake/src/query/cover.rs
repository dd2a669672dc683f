//! Where a query reads: which stretch of its range from which tier, which from raw samples.

use std::sync::Arc;
use std::time::Duration;

use crate::block::catalog::{Block, BlockMeta};
use crate::block::read::BlockCursor;
use crate::error::LakeError;
use crate::lake::Inner;
use crate::query::buckets::{Buckets, Grid};
use crate::query::{Function, RangeQuery};
use crate::scan::Scan;
use crate::select::Selection;
use crate::tier::Bucket;

/// The parts of a query's range in order of time, each with its source.
pub(crate) struct Cover {
    parts: Vec<Part>,
    budget: u64,
    read: u64,
    resolution: i64,
    times: Vec<i64>,
    /// Columns of a tier that are read, and what they hold for the series at hand; raw values go to the first.
    wanted: &'static [usize],
    columns: Vec<Vec<f64>>,
}

struct Part {
    from: i64,
    to: i64,
    source: PartSource,
}

enum PartSource {
    Raw(Box<Scan>),
    Tier { cursor: Box<BlockCursor>, resolution: i64 },
}

impl PartSource {
    fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Raw(scan) => scan.peek_key(),
            Self::Tier { cursor, .. } => cursor.key(),
        }
    }
}

/// A stretch of time, open on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    after: i64,
    to: i64,
}

impl Inner {
    /// Decides where a query reads and opens the sources.
    pub fn cover(&self, query: &RangeQuery, grid: &Grid) -> Result<Cover, LakeError> {
        let (from, to) = grid.range();
        let before = match query.function {
            Function::Rate | Function::Increase => grid.look_back(),
            _ => 0,
        };
        let whole = Stretch { after: from.saturating_sub(before), to };
        let select = |stretch: &Stretch| Selection {
            matchers: query.matchers.clone(),
            from: stretch.after.saturating_add(1),
            to: stretch.to,
        };
        let (catalog, current) = {
            let state = self.state.lock();
            let in_memory = |meta: &BlockMeta| {
                let spans = state.frozen.iter().map(|frozen| &frozen.span).chain(state.head.span());
                spans.into_iter().any(|span| span.touches(meta.start, meta.end))
            };
            // Late samples that are still in memory are not in any tier yet.
            let blocks = state.catalog.blocks().iter().filter(|block| !block.meta.is_raw());
            let current =
                blocks.filter(|block| state.catalog.is_current(&block.meta) && !in_memory(&block.meta));
            (Arc::clone(&state.catalog), current.cloned().collect::<Vec<_>>())
        };
        let (tiers, raw) = split(&current, catalog.raw_floor(), query.function, grid, whole);
        let columns = columns_for(query.function);
        let mut parts = Vec::new();
        let mut coarsest = 0;
        for (stretch, block) in tiers {
            let cursor = Box::new(BlockCursor::open(&block, &select(&stretch), columns)?);
            let resolution = block.meta.resolution;
            coarsest = coarsest.max(resolution);
            let source = PartSource::Tier { cursor, resolution };
            parts.push(Part { from: stretch.after + 1, to: stretch.to, source });
        }
        for stretch in raw {
            let scan = self.scan(&select(&stretch))?;
            parts.push(Part {
                from: stretch.after + 1,
                to: stretch.to,
                source: PartSource::Raw(Box::new(scan)),
            });
        }
        parts.sort_by_key(|part| part.from);
        Ok(Cover {
            parts,
            budget: self.config.query_samples,
            read: 0,
            resolution: coarsest,
            times: Vec::new(),
            wanted: columns,
            columns: vec![Vec::new(); columns.len()],
        })
    }
}

/// The columns of a tier, by their places in [`TIER_COLUMNS`], that a function is computed from.
///
/// [`TIER_COLUMNS`]: crate::block::TIER_COLUMNS
fn columns_for(function: Function) -> &'static [usize] {
    const MIN: usize = 0;
    const MAX: usize = 1;
    const SUM: usize = 2;
    const COUNT: usize = 3;
    const FIRST: usize = 4;
    const LAST: usize = 5;
    const INCREASE: usize = 6;
    match function {
        Function::Last => &[COUNT, LAST],
        Function::Rate | Function::Increase => &[COUNT, FIRST, LAST, INCREASE],
        Function::Avg => &[COUNT, SUM],
        Function::Min => &[COUNT, MIN],
        Function::Max => &[COUNT, MAX],
        Function::Sum => &[COUNT, SUM],
        Function::Count | Function::Quantile(_) => &[COUNT],
    }
}

/// Tier blocks with the stretch each serves, and the stretches left to raw samples.
fn split(
    current: &[Arc<Block>],
    raw_floor: i64,
    function: Function,
    grid: &Grid,
    whole: Stretch,
) -> (Vec<(Stretch, Arc<Block>)>, Vec<Stretch>) {
    let mut open = vec![whole];
    let mut taken = Vec::new();
    if matches!(function, Function::Quantile(_)) {
        return (taken, open);
    }
    let mut resolutions: Vec<_> = current.iter().map(|block| block.meta.resolution).collect();
    resolutions.sort_unstable();
    resolutions.dedup();
    let fits = |resolution: i64| grid.width % resolution == 0 && grid.start.rem_euclid(resolution) == 0;
    let mut take = |open: &mut Vec<Stretch>, resolution: i64, floor: i64| {
        for block in current.iter().filter(|block| block.meta.resolution == resolution) {
            let window = Stretch { after: block.meta.start, to: block.meta.end.min(floor) };
            let mut left = Vec::new();
            for stretch in open.drain(..) {
                let common =
                    Stretch { after: stretch.after.max(window.after), to: stretch.to.min(window.to) };
                if common.after >= common.to {
                    left.push(stretch);
                    continue;
                }
                taken.push((common, Arc::clone(block)));
                let rest = [
                    Stretch { after: stretch.after, to: common.after },
                    Stretch { after: common.to, to: stretch.to },
                ];
                left.extend(rest.into_iter().filter(|rest| rest.after < rest.to));
            }
            *open = left;
        }
    };
    for resolution in resolutions.iter().rev().copied().filter(|resolution| fits(*resolution)) {
        take(&mut open, resolution, i64::MAX);
    }
    // Raw samples serve what is left, but up to the floor they are gone.
    for resolution in resolutions.iter().copied().filter(|resolution| !fits(*resolution)) {
        take(&mut open, resolution, raw_floor);
    }
    open.sort_unstable();
    (taken, open)
}

impl Cover {
    /// The least series some part still has.
    pub fn next_key(&self) -> Option<Arc<[u8]>> {
        self.parts.iter().filter_map(|part| part.source.key()).min().map(Arc::from)
    }

    /// Feeds all parts' samples of a series, in order of time.
    pub fn feed(&mut self, key: &[u8], series: &mut Buckets) -> Result<(), LakeError> {
        for part in self.parts.iter_mut().filter(|part| part.source.key() == Some(key)) {
            self.times.clear();
            match &mut part.source {
                PartSource::Raw(scan) => {
                    let [values, ..] = self.columns.as_mut_slice() else { continue };
                    values.clear();
                    scan.take_current(&mut self.times, values)?;
                    series.add_samples(&self.times, values);
                }
                PartSource::Tier { cursor, resolution } => {
                    self.columns.iter_mut().for_each(Vec::clear);
                    cursor.take(part.from, part.to, &mut self.times, &mut self.columns)?;
                    for (at, end) in self.times.iter().enumerate() {
                        let mut row = Bucket::EMPTY.row();
                        for (place, column) in self.wanted.iter().zip(&self.columns) {
                            if let (Some(cell), Some(value)) = (row.get_mut(*place), column.get(at)) {
                                *cell = *value;
                            }
                        }
                        series.add_bucket(*end, *resolution, &Bucket::from_row(row));
                    }
                }
            }
            self.read += self.times.len() as u64;
            if self.read > self.budget {
                return Err(LakeError::OverBudget { limit: self.budget, unit: "samples" });
            }
        }
        Ok(())
    }

    pub fn samples_read(&self) -> u64 {
        self.read
    }

    pub fn resolution(&self) -> Option<Duration> {
        u64::try_from(self.resolution).ok().filter(|millis| *millis > 0).map(Duration::from_millis)
    }
}
