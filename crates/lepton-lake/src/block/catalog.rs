//! Which blocks there are: a manifest written whole and renamed into place, so that blocks appear, disappear and
//! replace each other in one step, together with the log segments they make unnecessary.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::block::files;
use crate::block::index::{Index, IndexEntry};
use crate::block::{RAW_COLUMNS, TIER_COLUMNS};
use crate::error::LakeError;
use crate::select::Selection;

const MANIFEST: &str = "manifest.json";
const VERSION: u32 = 1;

/// What the manifest says of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockMeta {
    /// Rises with every block written: of two samples at one instant the one in the higher block is the later write.
    pub id: u64,
    /// Width of a downsampled bucket in milliseconds; 0 for raw samples.
    pub resolution: i64,
    /// The window it covers, open on the left.
    pub start: i64,
    pub end: i64,
    /// First and last timestamp in it.
    pub min: i64,
    pub max: i64,
    pub series: u64,
    pub rows: u64,
    /// Size of the Parquet file and of the index.
    pub bytes: u64,
    pub index_bytes: u64,
    /// For a downsampled block, the raw blocks it was made from. It stands for its window as long as those are
    /// still all there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<u64>,
}

impl BlockMeta {
    /// An empty block of a window.
    pub fn new(id: u64, resolution: i64, start: i64, end: i64) -> Self {
        Self {
            id,
            resolution,
            start,
            end,
            min: i64::MAX,
            max: i64::MIN,
            series: 0,
            rows: 0,
            bytes: 0,
            index_bytes: 0,
            sources: Vec::new(),
        }
    }

    pub fn is_raw(&self) -> bool {
        self.resolution == 0
    }

    pub fn span(&self) -> i64 {
        self.end - self.start
    }

    pub fn size(&self) -> u64 {
        self.bytes + self.index_bytes
    }

    pub fn columns(&self) -> &'static [&'static str] {
        if self.is_raw() { RAW_COLUMNS } else { TIER_COLUMNS }
    }
}

/// A block that readers may hold. Its files go when the last holder does, if it was retired.
#[derive(Debug)]
pub(crate) struct Block {
    pub meta: BlockMeta,
    dir: PathBuf,
    index: Index,
    retired: AtomicBool,
}

impl Block {
    fn open(dir: &Path, meta: BlockMeta) -> Result<Self, LakeError> {
        let index = Index::open(&index_path(dir, meta.id))?;
        let path = parquet_path(dir, meta.id);
        let size = std::fs::metadata(&path).map_err(LakeError::io("inspect", &path))?.len();
        if size != meta.bytes {
            let reason = format!("has {size} bytes where the manifest says {}", meta.bytes);
            return Err(LakeError::damaged(path, reason));
        }
        Ok(Self { meta, dir: dir.to_owned(), index, retired: AtomicBool::new(false) })
    }

    pub fn select(&self, selection: &Selection) -> Result<Vec<IndexEntry>, LakeError> {
        self.index.select(&index_path(&self.dir, self.meta.id), selection)
    }

    pub fn parquet_path(&self) -> PathBuf {
        parquet_path(&self.dir, self.meta.id)
    }

    pub fn index_path(&self) -> PathBuf {
        index_path(&self.dir, self.meta.id)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Relaxed) {
            for path in [self.parquet_path(), self.index_path()] {
                if let Err(error) = files::remove(&path) {
                    tracing::warn!(%error, path = %path.display(), "retired block stays until the next start");
                }
            }
        }
    }
}

pub(crate) fn parquet_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:010}.parquet"))
}

pub(crate) fn index_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:010}.index"))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    next_id: u64,
    /// Log segments before this one are in blocks.
    log_floor: u64,
    /// Raw samples up to this instant are gone and are not taken any more.
    #[serde(default = "nothing_gone")]
    raw_floor: i64,
    blocks: Vec<BlockMeta>,
}

fn nothing_gone() -> i64 {
    i64::MIN
}

/// The blocks of a lake at one moment. Never changed; the next state is another catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    dir: PathBuf,
    next_id: u64,
    log_floor: u64,
    raw_floor: i64,
    blocks: Vec<Arc<Block>>,
    /// Downsamplings that gave no rows, by resolution and the raw blocks read; not kept over a restart.
    empty_tiers: Vec<(i64, Vec<u64>)>,
}

/// What to change in a catalog in one step.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub add: Vec<BlockMeta>,
    pub remove: Vec<u64>,
    pub log_floor: Option<u64>,
    pub raw_floor: Option<i64>,
    pub empty_tiers: Vec<(i64, Vec<u64>)>,
}

impl Catalog {
    /// Reads the manifest of a folder, or starts an empty one, and deletes files it does not name.
    pub fn open(dir: &Path, orphans: &mut u64) -> Result<Self, LakeError> {
        let path = dir.join(MANIFEST);
        let manifest = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Manifest>(&bytes)
                .map_err(|error| LakeError::damaged(&path, error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Manifest {
                version: VERSION,
                next_id: 1,
                log_floor: 1,
                raw_floor: nothing_gone(),
                blocks: Vec::new(),
            },
            Err(error) => return Err(LakeError::io("read", path)(error)),
        };
        if manifest.version != VERSION {
            let reason = format!("version {} of the manifest is not {VERSION}", manifest.version);
            return Err(LakeError::damaged(path, reason));
        }
        let blocks = manifest.blocks.into_iter().map(|meta| Block::open(dir, meta).map(Arc::new));
        let mut catalog = Self {
            dir: dir.to_owned(),
            next_id: manifest.next_id,
            log_floor: manifest.log_floor,
            raw_floor: manifest.raw_floor,
            empty_tiers: Vec::new(),
            blocks: blocks.collect::<Result<_, _>>()?,
        };
        catalog.blocks.sort_by_key(|block| block.meta.id);
        *orphans = catalog.sweep()?;
        Ok(catalog)
    }

    fn sweep(&self) -> Result<u64, LakeError> {
        let mut known: HashSet<PathBuf> = HashSet::from([self.dir.join(MANIFEST)]);
        for block in &self.blocks {
            known.extend([block.parquet_path(), block.index_path()]);
        }
        let mut swept = 0;
        for entry in std::fs::read_dir(&self.dir).map_err(LakeError::io("list", &self.dir))? {
            let path = entry.map_err(LakeError::io("list", &self.dir))?.path();
            let ours = path
                .extension()
                .is_some_and(|kind| ["parquet", "index", "tmp"].iter().any(|ours| kind == *ours));
            if ours && !known.contains(&path) {
                files::remove(&path)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// The state after a change, durable: files of the new blocks must be in place already.
    pub fn apply(&self, change: &Change) -> Result<Self, LakeError> {
        files::sync_dir(&self.dir)?;
        let mut blocks: Vec<_> =
            self.blocks.iter().filter(|block| !change.remove.contains(&block.meta.id)).cloned().collect();
        for meta in &change.add {
            blocks.push(Arc::new(Block::open(&self.dir, meta.clone())?));
        }
        blocks.sort_by_key(|block| block.meta.id);
        let next_id = change.add.iter().map(|meta| meta.id + 1).fold(self.next_id, u64::max);
        let log_floor = change.log_floor.unwrap_or(self.log_floor);
        let raw_floor = change.raw_floor.unwrap_or(i64::MIN).max(self.raw_floor);
        let empty_tiers = self.empty_tiers.iter().chain(&change.empty_tiers).cloned().collect();
        let next = Self { dir: self.dir.clone(), next_id, log_floor, raw_floor, blocks, empty_tiers };
        next.write_manifest(&self.dir)?;
        for block in self.blocks.iter().filter(|block| change.remove.contains(&block.meta.id)) {
            block.retired.store(true, Ordering::Relaxed);
        }
        Ok(next)
    }

    /// Writes the manifest into a folder, durably; its path.
    pub fn write_manifest(&self, dir: &Path) -> Result<PathBuf, LakeError> {
        let manifest = Manifest {
            version: VERSION,
            next_id: self.next_id,
            log_floor: self.log_floor,
            raw_floor: self.raw_floor,
            blocks: self.blocks.iter().map(|block| block.meta.clone()).collect(),
        };
        let path = dir.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| LakeError::damaged(&path, error.to_string()))?;
        files::write_whole(&path, &text)?;
        Ok(path)
    }

    /// The files of all blocks.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.blocks.iter().flat_map(|block| [block.parquet_path(), block.index_path()])
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    pub fn log_floor(&self) -> u64 {
        self.log_floor
    }

    /// The instant up to which raw samples are gone.
    pub fn raw_floor(&self) -> i64 {
        self.raw_floor
    }

    /// Raw blocks whose window overlaps `(start, end]`.
    pub fn raw_overlapping(&self, start: i64, end: i64) -> impl Iterator<Item = &Arc<Block>> {
        self.blocks
            .iter()
            .filter(move |block| block.meta.is_raw() && block.meta.start < end && block.meta.end > start)
    }

    /// Whether a downsampled block says all that its window's raw blocks do. Once those are gone it is all there is,
    /// and nothing more is taken for its window.
    pub fn is_current(&self, tier: &BlockMeta) -> bool {
        let raw = self.raw_overlapping(tier.start, tier.end).map(|block| block.meta.id);
        tier.end <= self.raw_floor || raw.eq(tier.sources.iter().copied())
    }

    /// Whether downsampling these raw blocks was found to give nothing.
    pub fn is_empty_tier(&self, resolution: i64, sources: &BTreeSet<u64>) -> bool {
        self.empty_tiers.iter().any(|(of, from)| *of == resolution && from.iter().eq(sources))
    }

    /// All blocks in the order they were written.
    pub fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    /// Raw blocks with samples in the selection's time, in the order they were written.
    pub fn raw_for<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a Arc<Block>> {
        self.blocks
            .iter()
            .filter(|block| block.meta.is_raw() && selection.overlaps(block.meta.min, block.meta.max))
    }
}
