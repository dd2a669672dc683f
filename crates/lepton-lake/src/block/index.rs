//! The index beside a block: which series it holds and where their rows lie.
//!
//! ```text
//! index     = "LPTNIDX1" section* directory footer
//! section   = zstd( (key_len key_tail rows row_group row min max)* )       one per metric, series in order
//! directory = count (metric_len metric offset packed_len plain_len series crc32)*
//! footer    = directory_offset:u64 directory_len:u32 crc32(directory):u32
//! ```
//!
//! Keys lack their metric, which the directory has. Opening a block keeps the directory in memory (some 60 bytes per
//! metric); a query unpacks the sections of the metrics it asks for and no others.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::block::files;
use crate::error::LakeError;
use crate::labels::key_metric;
use crate::select::Selection;
use crate::varint;

const MAGIC: &[u8; 8] = b"LPTNIDX1";
const FOOTER: usize = 16;
/// A section unpacks to at most this; a metric would need some million series for it.
const MAX_SECTION: usize = 256 << 20;

/// One series of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub key: Vec<u8>,
    /// Rows it has, all in one row group.
    pub rows: u64,
    pub row_group: u64,
    /// Its first row within the row group.
    pub row: u64,
    /// Its first and last timestamp.
    pub min: i64,
    pub max: i64,
}

/// Collects the index while a block is written.
#[derive(Default)]
pub(crate) struct IndexWriter {
    out: Vec<u8>,
    directory: Vec<u8>,
    sections: u64,
    metric: Vec<u8>,
    section: Vec<u8>,
    series: u64,
}

impl IndexWriter {
    /// Adds a series; they come sorted.
    pub fn push(&mut self, entry: &IndexEntry) -> std::io::Result<()> {
        let metric = key_metric(&entry.key);
        if metric != self.metric || self.series == 0 {
            self.close_section()?;
            self.metric = metric.to_vec();
        }
        let tail = entry.key.get(metric.len() + 1..).unwrap_or_default();
        varint::put(&mut self.section, tail.len() as u64);
        self.section.extend_from_slice(tail);
        for number in [entry.rows, entry.row_group, entry.row] {
            varint::put(&mut self.section, number);
        }
        varint::put_signed(&mut self.section, entry.min);
        varint::put_signed(&mut self.section, entry.max.wrapping_sub(entry.min));
        self.series += 1;
        Ok(())
    }

    fn close_section(&mut self) -> std::io::Result<()> {
        if self.series == 0 {
            return Ok(());
        }
        let packed = zstd::bulk::compress(&self.section, 3)?;
        varint::put(&mut self.directory, self.metric.len() as u64);
        self.directory.extend_from_slice(&self.metric);
        let offset = MAGIC.len() + self.out.len();
        for number in [offset as u64, packed.len() as u64, self.section.len() as u64, self.series] {
            varint::put(&mut self.directory, number);
        }
        varint::put(&mut self.directory, u64::from(crc32fast::hash(&packed)));
        self.out.extend_from_slice(&packed);
        self.sections += 1;
        self.series = 0;
        self.section.clear();
        Ok(())
    }

    /// Writes the whole index.
    pub fn finish(mut self, mut to: impl Write) -> std::io::Result<()> {
        self.close_section()?;
        let mut directory = Vec::new();
        varint::put(&mut directory, self.sections);
        directory.extend_from_slice(&self.directory);
        to.write_all(MAGIC)?;
        to.write_all(&self.out)?;
        to.write_all(&directory)?;
        to.write_all(&((MAGIC.len() + self.out.len()) as u64).to_le_bytes())?;
        to.write_all(&(directory.len() as u32).to_le_bytes())?;
        to.write_all(&crc32fast::hash(&directory).to_le_bytes())
    }
}

/// Where the series of one metric are listed.
#[derive(Debug)]
struct Section {
    metric: Box<[u8]>,
    offset: u64,
    packed: usize,
    plain: usize,
    checksum: u32,
}

/// The directory of a block's index.
#[derive(Debug)]
pub(crate) struct Index {
    sections: Vec<Section>,
}

impl Index {
    /// Reads and checks the directory.
    pub fn open(path: &Path) -> Result<Self, LakeError> {
        let file = File::open(path).map_err(LakeError::io("open", path))?;
        let size = file.metadata().map_err(LakeError::io("inspect", path))?.len();
        let short = || LakeError::damaged(path, "index is cut short");
        let footer_at =
            size.checked_sub(FOOTER as u64).filter(|at| *at >= MAGIC.len() as u64).ok_or_else(short)?;
        if files::read_range(&file, path, 0, MAGIC.len())? != MAGIC {
            return Err(LakeError::damaged(path, "not an index of a block"));
        }
        let footer = files::read_range(&file, path, footer_at, FOOTER)?;
        let mut rest = footer.as_slice();
        let mut take = |count| varint::take_bytes(&mut rest, count).unwrap_or_default();
        let offset = u64::from_le_bytes(take(8).try_into().map_err(|_| short())?);
        let length = u32::from_le_bytes(take(4).try_into().map_err(|_| short())?);
        let checksum = u32::from_le_bytes(take(4).try_into().map_err(|_| short())?);
        if offset.checked_add(u64::from(length)) != Some(footer_at) {
            return Err(LakeError::damaged(path, "directory does not end at the footer"));
        }
        let directory = files::read_range(&file, path, offset, length as usize)?;
        if crc32fast::hash(&directory) != checksum {
            return Err(LakeError::damaged(path, "directory does not match its checksum"));
        }
        Self::parse(&directory, offset)
            .ok_or_else(|| LakeError::damaged(path, "directory contradicts itself"))
    }

    fn parse(directory: &[u8], end: u64) -> Option<Self> {
        let mut input = directory;
        let count = varint::take(&mut input)?;
        let mut sections = Vec::new();
        for _ in 0..count {
            let length = varint::take(&mut input)?;
            let metric = varint::take_bytes(&mut input, length)?.into();
            let offset = varint::take(&mut input)?;
            let packed = varint::take(&mut input)?;
            let plain =
                usize::try_from(varint::take(&mut input)?).ok().filter(|plain| *plain <= MAX_SECTION)?;
            let _series = varint::take(&mut input)?;
            let checksum = u32::try_from(varint::take(&mut input)?).ok()?;
            offset.checked_add(packed).filter(|stop| *stop <= end)?;
            sections.push(Section { metric, offset, packed: usize::try_from(packed).ok()?, plain, checksum });
        }
        input.is_empty().then_some(Self { sections })
    }

    /// The series of a selection, in order.
    pub fn select(&self, path: &Path, selection: &Selection) -> Result<Vec<IndexEntry>, LakeError> {
        let mut found = Vec::new();
        let mut file = None;
        for section in self.sections.iter().filter(|section| selection.accepts_metric(&section.metric)) {
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(File::open(path).map_err(LakeError::io("open", path))?),
            };
            let packed = files::read_range(file, path, section.offset, section.packed)?;
            if crc32fast::hash(&packed) != section.checksum {
                return Err(LakeError::damaged(path, "list of series does not match its checksum"));
            }
            let plain = zstd::bulk::decompress(&packed, section.plain)
                .map_err(|error| LakeError::damaged(path, error.to_string()))?;
            unpack(&section.metric, &plain, selection, &mut found)
                .ok_or_else(|| LakeError::damaged(path, "list of series contradicts itself"))?;
        }
        Ok(found)
    }
}

fn unpack(metric: &[u8], section: &[u8], selection: &Selection, found: &mut Vec<IndexEntry>) -> Option<()> {
    let mut input = section;
    let mut key = metric.to_vec();
    key.push(0);
    let head = key.len();
    let node = selection.exact_node().map(|node| [node.as_bytes(), b"\0"].concat());
    while !input.is_empty() {
        let length = varint::take(&mut input)?;
        let tail = varint::take_bytes(&mut input, length)?;
        let rows = varint::take(&mut input)?;
        let row_group = varint::take(&mut input)?;
        let row = varint::take(&mut input)?;
        let min = varint::take_signed(&mut input)?;
        let max = min.wrapping_add(varint::take_signed(&mut input)?);
        if !selection.overlaps(min, max) || node.as_ref().is_some_and(|node| !tail.starts_with(node)) {
            continue;
        }
        key.truncate(head);
        key.extend_from_slice(tail);
        if selection.accepts_key(&key) {
            found.push(IndexEntry { key: key.clone(), rows, row_group, row, min, max });
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::labels::Labels;
    use crate::select::Matcher;

    fn entries() -> Vec<IndexEntry> {
        let mut entries = Vec::new();
        for metric in ["cpu", "cpu_total", "mem"] {
            for node in ["a", "b", "c"] {
                let key = Labels::new(metric, [("node", node), ("mode", "x")]).unwrap().key().to_vec();
                let at = entries.len() as u64;
                entries.push(IndexEntry {
                    key,
                    rows: 10 + at,
                    row_group: at / 4,
                    row: at * 10,
                    min: -5,
                    max: 1000,
                });
            }
        }
        entries
    }

    fn write(path: &Path) {
        let mut writer = IndexWriter::default();
        for entry in entries() {
            writer.push(&entry).unwrap();
        }
        writer.finish(File::create(path).unwrap()).unwrap();
    }

    #[test]
    fn select_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.index");
        write(&path);
        let index = Index::open(&path).unwrap();
        assert_eq!(index.select(&path, &Selection::all()).unwrap(), entries());
        let one = Selection::metric("cpu").with(Matcher::eq("node", "b"));
        assert_eq!(index.select(&path, &one).unwrap(), entries()[1..2]);
        let later = Selection::all().between(1001, 2000);
        assert_eq!(index.select(&path, &later).unwrap(), []);
    }

    #[test]
    fn every_flipped_or_missing_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.index");
        write(&path);
        let good = std::fs::read(&path).unwrap();
        let read = || Index::open(&path).and_then(|index| index.select(&path, &Selection::all()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(read().is_err(), "byte {at} flipped");
            std::fs::write(&path, &good[..at]).unwrap();
            assert!(read().is_err(), "cut at {at}");
        }
    }
}
