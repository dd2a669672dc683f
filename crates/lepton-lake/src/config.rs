//! How large, how long, how often.

use std::path::PathBuf;
use std::time::Duration;

/// Configuration of a lake. [`LakeConfig::new`] gives defaults that suit one server with some hundred nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeConfig {
    /// Folder that holds everything; created when missing, locked while open.
    pub dir: PathBuf,
    /// Most bytes of samples and series held in memory; past it appends are refused as busy.
    pub head_limit: usize,
    /// How long a commit waits for company before it is synced: each sync costs, and whatever arrives until it begins
    /// shares it. Zero syncs at once.
    pub commit_window: Duration,
    /// Window of the blocks the head is cut into; a divisor of `compacted_span`.
    pub block_span: Duration,
    /// Window into which finished blocks are merged.
    pub compacted_span: Duration,
    /// How long after its end a window is left alone for late samples before it is cut or merged.
    pub late_grace: Duration,
    /// Samples further in the future than this are refused.
    pub future_limit: Duration,
    /// Age at which raw samples are deleted, and past which they are not accepted any more.
    pub retention: Duration,
    /// Total size of all blocks past which the oldest windows go; `None` for no limit.
    pub retention_bytes: Option<u64>,
    /// Downsampled copies, finest first.
    pub tiers: Vec<Tier>,
    /// Most samples one scan or query may read.
    pub query_samples: u64,
    /// Most bytes of results one query may hold.
    pub query_bytes: u64,
}

/// A downsampled copy of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// Width of a bucket; a divisor of the block span.
    pub resolution: Duration,
    /// Age at which its buckets are deleted.
    pub retention: Duration,
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

impl LakeConfig {
    /// Defaults, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            head_limit: 96 << 20,
            commit_window: Duration::from_millis(4),
            block_span: hours(2),
            compacted_span: hours(24),
            late_grace: Duration::from_secs(300),
            future_limit: Duration::from_secs(600),
            retention: hours(24 * 15),
            retention_bytes: None,
            tiers: vec![
                Tier { resolution: Duration::from_secs(300), retention: hours(24 * 90) },
                Tier { resolution: hours(1), retention: hours(24 * 400) },
            ],
            query_samples: 200_000_000,
            query_bytes: 256 << 20,
        }
    }

    /// The first thing wrong with the values, naming the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        let rule = |ok: bool, text: &str| if ok { Ok(()) } else { Err(text.to_owned()) };
        let divides = |part: Duration, whole: Duration| {
            part.as_millis() > 0 && whole.as_millis().is_multiple_of(part.as_millis())
        };
        rule(self.head_limit >= 1 << 20, "head_limit: must be at least 1 MiB")?;
        rule(self.block_span.as_millis() > 0, "block_span: must be at least a millisecond")?;
        rule(
            divides(self.block_span, self.compacted_span),
            "compacted_span: must be a multiple of block_span",
        )?;
        rule(self.retention >= self.compacted_span, "retention: must be at least compacted_span")?;
        for (at, tier) in self.tiers.iter().enumerate() {
            rule(
                divides(tier.resolution, self.block_span),
                &format!("tiers[{at}].resolution: must divide block_span"),
            )?;
            rule(
                tier.retention >= self.retention,
                &format!("tiers[{at}].retention: must be at least retention of raw samples"),
            )?;
        }
        let coarser = self.tiers.windows(2).all(|pair| matches!(pair, [a, b] if a.resolution < b.resolution));
        rule(coarser, "tiers: resolutions must rise")
    }
}

/// A duration in the lake's unit; years of milliseconds are far from the limits of `i64`.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
