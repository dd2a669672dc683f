//! Reading the series of a selection out of one block, front to back.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::block::catalog::Block;
use crate::block::index::IndexEntry;
use crate::block::write::parquet_error;
use crate::error::LakeError;
use crate::select::Selection;

/// Columns before the first value: metric, node, labels, timestamp.
const TIMESTAMP: usize = 3;

/// Goes through the selected series of a block in order. Only the pages their rows lie in are read, and nothing of
/// the Parquet file before the first samples are asked for.
pub(crate) struct BlockCursor {
    block: Arc<Block>,
    entries: std::vec::IntoIter<IndexEntry>,
    /// Value columns to read, counted from the one after the timestamp.
    wanted: Vec<usize>,
    file: Option<(Arc<BlockFile>, ParquetMetaData)>,
    group: Option<Group>,
}

/// The open columns of the row group the cursor is in.
struct Group {
    number: u64,
    row: u64,
    times: ColumnReaderImpl<Int64Type>,
    columns: Vec<ColumnReaderImpl<DoubleType>>,
}

impl BlockCursor {
    pub fn open(block: &Arc<Block>, selection: &Selection, wanted: &[usize]) -> Result<Self, LakeError> {
        let entries = block.select(selection)?;
        Ok(Self {
            block: Arc::clone(block),
            entries: entries.into_iter(),
            wanted: wanted.to_vec(),
            file: None,
            group: None,
        })
    }

    /// The current series; `None` at the end.
    pub fn key(&self) -> Option<&[u8]> {
        self.entries.as_slice().first().map(|entry| entry.key.as_slice())
    }

    pub fn skip(&mut self) {
        self.entries.next();
    }

    /// Appends the current series' rows between two instants, both included, and moves on.
    pub fn take(
        &mut self,
        from: i64,
        to: i64,
        times: &mut Vec<i64>,
        columns: &mut [Vec<f64>],
    ) -> Result<(), LakeError> {
        let Some(entry) = self.entries.next() else { return Ok(()) };
        let path = self.block.parquet_path();
        if self.group.as_ref().is_none_or(|group| group.number != entry.row_group) {
            self.group = Some(self.open_group(entry.row_group)?);
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        let before = times.len();
        group.read(&entry, times, columns).map_err(|error| parquet_error(error, "read", &path))?;
        if from > entry.min || to < entry.max {
            trim(before, from, to, times, columns);
        }
        Ok(())
    }

    fn open_group(&mut self, number: u64) -> Result<Group, LakeError> {
        let path = self.block.parquet_path();
        let fail = |error| parquet_error(error, "read", &path);
        let (file, metadata) = match &mut self.file {
            Some(open) => open,
            None => {
                let file = BlockFile::open(&path).map_err(LakeError::io("open", &path))?;
                let metadata = ParquetMetaDataReader::new()
                    .with_column_index_policy(PageIndexPolicy::Skip)
                    .with_offset_index_policy(PageIndexPolicy::Optional)
                    .parse_and_finish(&file)
                    .map_err(fail)?;
                self.file.insert((Arc::new(file), metadata))
            }
        };
        let wanted = || self.wanted.iter().map(|column| TIMESTAMP + 1 + column);
        let times = column::<Int64Type>(file, metadata, number, TIMESTAMP).map_err(fail)?;
        let columns = wanted()
            .map(|at| column::<DoubleType>(file, metadata, number, at))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        Ok(Group { number, row: 0, times, columns })
    }
}

fn column<T: DataType>(
    file: &Arc<BlockFile>,
    metadata: &ParquetMetaData,
    group: u64,
    column: usize,
) -> Result<ColumnReaderImpl<T>, ParquetError> {
    let missing = || ParquetError::General("index names a row group or column the file does not have".into());
    let number = usize::try_from(group).map_err(|_| missing())?;
    let rows = metadata.row_groups().get(number).ok_or_else(missing)?;
    let chunk = rows.columns().get(column).ok_or_else(missing)?;
    if chunk.column_type() != T::get_physical_type() {
        return Err(missing());
    }
    let pages = metadata
        .page_index_for_row_group(number)
        .offset_index(column)
        .map(|index| index.page_locations().clone());
    let total = usize::try_from(rows.num_rows()).map_err(|_| missing())?;
    let pages = SerializedPageReader::new(Arc::clone(file), chunk, total, pages)?;
    Ok(ColumnReaderImpl::new(chunk.column_descr_ptr(), Box::new(pages)))
}

impl Group {
    fn read(
        &mut self,
        entry: &IndexEntry,
        times: &mut Vec<i64>,
        columns: &mut [Vec<f64>],
    ) -> Result<(), ParquetError> {
        let out_of_step = || ParquetError::General("index and file do not agree on rows".into());
        let gap = entry
            .row
            .checked_sub(self.row)
            .and_then(|gap| usize::try_from(gap).ok())
            .ok_or_else(out_of_step)?;
        let rows = usize::try_from(entry.rows).map_err(|_| out_of_step())?;
        let whole = |got: usize, want: usize| if got == want { Ok(()) } else { Err(out_of_step()) };
        whole(self.times.skip_records(gap)?, gap)?;
        whole(self.times.read_records(rows, None, None, times)?.0, rows)?;
        for (reader, values) in self.columns.iter_mut().zip(columns) {
            whole(reader.skip_records(gap)?, gap)?;
            whole(reader.read_records(rows, None, None, values)?.0, rows)?;
        }
        self.row = entry.row + entry.rows;
        Ok(())
    }
}

/// Drops what was appended after `start` and lies outside of the instants.
fn trim(start: usize, from: i64, to: i64, times: &mut Vec<i64>, columns: &mut [Vec<f64>]) {
    let Some(read) = times.get(start..) else { return };
    let end = start + read.partition_point(|time| *time <= to);
    let first = start + read.partition_point(|time| *time < from);
    times.truncate(end);
    times.drain(start..first.min(end));
    for column in columns {
        column.truncate(end);
        column.drain(start..first.min(end));
    }
}

/// A file read by position, so that several readers do not move each other.
struct BlockFile {
    file: File,
    length: u64,
}

/// Reads on from a position.
pub(crate) struct BlockFileReader {
    file: Arc<BlockFile>,
    at: u64,
}

impl BlockFile {
    fn open(path: &std::path::Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl Length for BlockFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for BlockFile {
    type T = std::io::BufReader<BlockFileReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let file = Arc::new(Self { file: self.file.try_clone()?, length: self.length });
        Ok(std::io::BufReader::new(BlockFileReader { file, at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.length);
        end.ok_or_else(|| ParquetError::EOF("range reaches past the end of the file".into()))?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

impl Read for BlockFileReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
