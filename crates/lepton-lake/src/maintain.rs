//! Keeping house: cutting what has ended, merging, downsampling, forgetting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::block::catalog::{Block, BlockMeta, Catalog, Change};
use crate::block::window_end;
use crate::block::write::BlockWriter;
use crate::config::millis;
use crate::error::LakeError;
use crate::lake::{Inner, Lake};
use crate::scan::{Scan, Source};
use crate::select::Selection;
use crate::tier::TierRows;

/// Blocks of one unfinished window that are merged at once, when none outweighs the ones after it by much.
const MERGE_AT: usize = 8;
/// How many times the blocks after it a block may weigh to be merged with them. Merging ever larger runs of like
/// sizes writes each sample a logarithmic number of times.
const LIKE_SIZE: u64 = 4;

/// What a round of maintenance did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaintainReport {
    /// Samples cut from memory into blocks.
    pub flushed_samples: u64,
    /// Blocks they went to.
    pub flushed_blocks: u64,
    /// Raw blocks merged away.
    pub merged_blocks: u64,
    /// Downsampled blocks written.
    pub tier_blocks: u64,
    /// Blocks deleted for their age or for space.
    pub deleted_blocks: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
}

impl Lake {
    /// One round of maintenance at `now`, Unix milliseconds: cuts windows that have ended, merges blocks, makes
    /// downsampled tiers, deletes what is too old or too much. Call it every half minute or so from a thread that
    /// may wait; appends and reads go on meanwhile. Each step is durable by itself, so an error or a crash half way
    /// loses nothing and the next round carries on.
    pub fn maintain(&self, now: i64) -> Result<MaintainReport, LakeError> {
        self.inner().maintain(now)
    }

    /// Cuts everything in memory into blocks now.
    pub fn flush(&self) -> Result<(), LakeError> {
        let inner = self.inner();
        let guard = inner.maintenance.lock();
        inner.flush(&guard).map(|_| ())
    }
}

impl Inner {
    fn maintain(&self, now: i64) -> Result<MaintainReport, LakeError> {
        let held = self.maintenance.lock();
        let mut report = MaintainReport::default();
        let settled = now.saturating_sub(millis(self.config.late_grace));
        let due = {
            let state = self.state.lock();
            let oldest = state.head.span().and_then(|span| span.windows.first());
            state.frozen.is_some() || oldest.is_some_and(|end| *end <= settled)
        };
        if due {
            let flushed = self.flush(&held)?;
            report.flushed_samples += flushed.samples;
            report.flushed_blocks += flushed.blocks;
        }
        self.forget(&held, now, &mut report)?;
        while let Some(job) = self.next_job(settled) {
            self.rewrite(&held, &job, &mut report)?;
        }
        self.forget(&held, now, &mut report)?;
        Ok(report)
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.state.lock().catalog)
    }

    fn commit(&self, _held: &MutexGuard<'_, ()>, change: &Change) -> Result<(), LakeError> {
        // Only holders of the maintenance lock replace the catalog, so it cannot change between these two lines.
        let next = self.catalog().apply(change)?;
        self.state.lock().catalog = Arc::new(next);
        Ok(())
    }

    fn next_job(&self, settled: i64) -> Option<Job> {
        let catalog = self.catalog();
        let small = millis(self.config.block_span);
        let large = millis(self.config.compacted_span);
        let by_window = |span: i64| {
            let mut windows: BTreeMap<i64, Vec<Arc<Block>>> = BTreeMap::new();
            for block in
                catalog.blocks().iter().filter(|block| block.meta.is_raw() && block.meta.span() <= span)
            {
                windows.entry(window_end(block.meta.end, span)).or_default().push(Arc::clone(block));
            }
            windows
        };
        for (end, blocks) in by_window(large) {
            if end <= settled && blocks.len() > 1 {
                return Some(Job { start: end - large, end, blocks, merge: true, tiers: true });
            }
        }
        for (end, blocks) in by_window(small) {
            let run = like_sized(&blocks);
            if run.len() >= MERGE_AT {
                return Some(Job {
                    start: end - small,
                    end,
                    blocks: run.to_vec(),
                    merge: true,
                    tiers: false,
                });
            }
        }
        // Windows of one size or the other that have no current copy in some tier.
        let mut merged = by_window(large);
        merged.retain(|_, blocks| matches!(blocks.as_slice(), [only] if only.meta.span() == large));
        let windows = by_window(small).into_iter().map(|(end, blocks)| (end, small, blocks));
        for (end, span, blocks) in windows.chain(merged.into_iter().map(|(end, blocks)| (end, large, blocks)))
        {
            let start = end - span;
            let ids: BTreeSet<_> = blocks.iter().map(|block| block.meta.id).collect();
            let covered = |resolution| {
                catalog.blocks().iter().any(|block| {
                    block.meta.resolution == resolution
                        && block.meta.start <= start
                        && block.meta.end >= end
                        && catalog.is_current(&block.meta)
                }) || catalog.is_empty_tier(resolution, &ids)
            };
            let whole = catalog.raw_overlapping(start, end).count() == blocks.len();
            if end <= settled
                && whole
                && !self.config.tiers.iter().all(|tier| covered(millis(tier.resolution)))
            {
                return Some(Job { start, end, blocks, merge: false, tiers: true });
            }
        }
        None
    }

    /// Reads the blocks of a job once and writes what they become.
    fn rewrite(
        &self,
        held: &MutexGuard<'_, ()>,
        job: &Job,
        report: &mut MaintainReport,
    ) -> Result<(), LakeError> {
        let catalog = self.catalog();
        let mut next_id = catalog.next_id();
        let mut create = |resolution| {
            next_id += 1;
            BlockWriter::create(catalog.dir(), BlockMeta::new(next_id - 1, resolution, job.start, job.end))
        };
        let mut merged = job.merge.then(|| create(0)).transpose()?;
        let resolutions = self.config.tiers.iter().map(|tier| millis(tier.resolution)).filter(|_| job.tiers);
        let mut tiers = resolutions
            .map(|resolution| Ok((resolution, create(resolution)?)))
            .collect::<Result<Vec<_>, LakeError>>()?;

        let everything = Selection::all();
        let sources = job.blocks.iter().map(|block| Source::block(block, &everything));
        let mut scan = Scan::new(sources.collect::<Result<_, _>>()?, &everything, u64::MAX);
        let (mut times, mut values) = (Vec::new(), vec![Vec::new()]);
        let mut rows = TierRows::default();
        while let Some(labels) =
            values.first_mut().map_or(Ok(None), |values| scan.next_into(&mut times, values))?
        {
            if let Some(writer) = &mut merged {
                writer.series(&labels, &times, &values)?;
            }
            for (resolution, writer) in &mut tiers {
                rows.fill(&times, values.first().map_or(&[], Vec::as_slice), *resolution);
                writer.series(&labels, &rows.times, &rows.columns)?;
            }
        }
        let mut change = Change::default();
        let mut sources: Vec<_> = job.blocks.iter().map(|block| block.meta.id).collect();
        if let Some(writer) = merged {
            change.remove.append(&mut sources);
            report.merged_blocks += change.remove.len() as u64;
            let meta = writer.finish()?;
            sources.extend(meta.as_ref().map(|meta| meta.id));
            change.add.extend(meta);
        }
        for (resolution, writer) in tiers {
            match writer.finish_from(&sources)? {
                Some(meta) => change.add.push(meta),
                // All samples are NaN: remembered, or the window would be tried again every round.
                None => change.empty_tiers.push((resolution, sources.clone())),
            }
            report.tier_blocks += 1;
        }
        if job.tiers {
            let replaced =
                |meta: &BlockMeta| !meta.is_raw() && meta.start >= job.start && meta.end <= job.end;
            change.remove.extend(
                catalog.blocks().iter().filter(|block| replaced(&block.meta)).map(|block| block.meta.id),
            );
        }
        self.commit(held, &change)
    }

    /// Deletes blocks past their age, then the oldest until all fit.
    fn forget(
        &self,
        held: &MutexGuard<'_, ()>,
        now: i64,
        report: &mut MaintainReport,
    ) -> Result<(), LakeError> {
        let catalog = self.catalog();
        let age = |meta: &BlockMeta| match meta.is_raw() {
            true => self.config.retention,
            // A tier that is no longer configured goes with the raw samples.
            false => (self.config.tiers.iter())
                .find(|tier| millis(tier.resolution) == meta.resolution)
                .map_or(self.config.retention, |tier| tier.retention),
        };
        let too_old = |meta: &BlockMeta| meta.end <= now.saturating_sub(millis(age(meta)));
        let (mut gone, mut kept): (Vec<_>, Vec<_>) =
            catalog.blocks().iter().map(|block| &block.meta).partition(|meta| too_old(meta));
        if let Some(limit) = self.config.retention_bytes {
            let mut total: u64 = kept.iter().map(|meta| meta.size()).sum();
            // Raw first: a downsampled copy says most of it in a tenth of the space.
            kept.sort_by_key(|meta| (!meta.is_raw(), meta.end));
            let mut oldest = kept.into_iter();
            while total > limit
                && let Some(meta) = oldest.next()
            {
                total -= meta.size();
                gone.push(meta);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        report.deleted_blocks += gone.len() as u64;
        report.deleted_bytes += gone.iter().map(|meta| meta.size()).sum::<u64>();
        let change = Change {
            remove: gone.iter().map(|meta| meta.id).collect(),
            raw_floor: gone.iter().filter(|meta| meta.is_raw()).map(|meta| meta.end).max(),
            ..Change::default()
        };
        self.commit(held, &change)
    }
}

/// Blocks of a window to be read once and rewritten.
struct Job {
    start: i64,
    end: i64,
    blocks: Vec<Arc<Block>>,
    merge: bool,
    tiers: bool,
}

/// The longest run of the newest blocks in which none outweighs those after it by much.
fn like_sized(blocks: &[Arc<Block>]) -> &[Arc<Block>] {
    let mut after = 0;
    let mut start = blocks.len();
    for (at, block) in blocks.iter().enumerate().rev() {
        if after > 0 && block.meta.rows > after * LIKE_SIZE {
            break;
        }
        after += block.meta.rows;
        start = at;
    }
    blocks.get(start..).unwrap_or_default()
}
