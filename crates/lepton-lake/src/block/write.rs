//! Writing a block: series in order of their keys, each in order of time.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use crate::block::catalog::{BlockMeta, index_path, parquet_path};
use crate::block::files::AtomicFile;
use crate::block::index::{IndexEntry, IndexWriter};
use crate::block::labels_column::LabelsColumn;
use crate::error::LakeError;
use crate::labels::{Labels, key_metric, key_node};

/// Rows at which a row group is closed, at the next end of a series: 4 MiB of samples in memory, and fine enough for
/// other tools to pass over by the statistics of metric and node.
const GROUP_ROWS: usize = 1 << 18;
/// Measured on host metrics: timestamps as deltas cost 0.03 B per sample. Values as they are beat byte-stream-split
/// and a dictionary after zstd, because most series repeat themselves; levels over 3 gain under 3 %.
const LEVEL: i32 = 3;

/// A block being written. Nothing of it is seen before [`BlockWriter::finish`].
pub(crate) struct BlockWriter {
    dir: std::path::PathBuf,
    meta: BlockMeta,
    file: SerializedFileWriter<AtomicFile>,
    index: IndexWriter,
    metric: LabelsColumn,
    node: LabelsColumn,
    labels: LabelsColumn,
    times: Vec<i64>,
    columns: Vec<Vec<f64>>,
    groups: u64,
}

impl BlockWriter {
    /// Starts the block that `meta` describes; its counts are filled in as series come.
    pub fn create(dir: &Path, meta: BlockMeta) -> Result<Self, LakeError> {
        let path = parquet_path(dir, meta.id);
        let names = meta.columns();
        let bad = |error: ParquetError| LakeError::damaged(&path, error.to_string());
        let mut schema = String::from(
            "message lepton { required binary metric (UTF8); required binary node (UTF8); \
             required binary labels (UTF8); required int64 timestamp (TIMESTAMP(MILLIS,true));",
        );
        for name in names {
            schema.push_str(&format!(" required double {name};"));
        }
        schema.push('}');
        let schema = parse_message_type(&schema).map_err(bad)?;
        let ascending = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
        let mut properties = WriterProperties::builder()
            .set_created_by("lepton".into())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL).map_err(bad)?))
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::PLAIN)
            .set_column_encoding(ColumnPath::from("timestamp"), Encoding::DELTA_BINARY_PACKED)
            .set_column_statistics_enabled(ColumnPath::from("timestamp"), EnabledStatistics::Page)
            .set_sorting_columns(Some(vec![ascending(0), ascending(1)]));
        for name in names {
            properties =
                properties.set_column_statistics_enabled(ColumnPath::from(*name), EnabledStatistics::Chunk);
        }
        let file = AtomicFile::create(path.clone())?;
        let file =
            SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build())).map_err(bad)?;
        Ok(Self {
            dir: dir.to_owned(),
            columns: vec![Vec::new(); names.len()],
            meta,
            file,
            index: IndexWriter::default(),
            metric: LabelsColumn::default(),
            node: LabelsColumn::default(),
            labels: LabelsColumn::default(),
            times: Vec::new(),
            groups: 0,
        })
    }

    /// Adds a series: its timestamps and, for each column, as many values. Without samples it is left out.
    pub fn series(&mut self, labels: &Labels, times: &[i64], columns: &[Vec<f64>]) -> Result<(), LakeError> {
        let (Some(min), Some(max)) = (times.first(), times.last()) else { return Ok(()) };
        let rows = times.len() as u64;
        let key = labels.key();
        let entry = IndexEntry {
            key: key.to_vec(),
            rows,
            row_group: self.groups,
            row: self.times.len() as u64,
            min: *min,
            max: *max,
        };
        self.index.push(&entry).map_err(LakeError::io("write", index_path(&self.dir, self.meta.id)))?;
        self.metric.push(key_metric(key), rows);
        self.node.push(key_node(key), rows);
        self.labels.push(labels.to_json().as_bytes(), rows);
        self.times.extend_from_slice(times);
        for (to, from) in self.columns.iter_mut().zip(columns) {
            to.extend_from_slice(from);
        }
        self.meta.series += 1;
        self.meta.rows += rows;
        self.meta.min = self.meta.min.min(*min);
        self.meta.max = self.meta.max.max(*max);
        if self.times.len() >= GROUP_ROWS { self.close_group() } else { Ok(()) }
    }

    fn close_group(&mut self) -> Result<(), LakeError> {
        let path = parquet_path(&self.dir, self.meta.id);
        self.write_group().map_err(|error| parquet_error(error, "write", &path))
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.times.is_empty() {
            return Ok(());
        }
        let schema = self.file.schema_descr().columns().to_vec();
        let mut group = self.file.next_row_group()?;
        for (column, descriptor) in
            [&mut self.metric, &mut self.node, &mut self.labels].into_iter().zip(schema)
        {
            let (bytes, close) = column.finish(descriptor)?;
            group.append_column(&bytes, close)?;
        }
        let out_of_columns = || ParquetError::General("schema has fewer columns than the block".into());
        let mut column = group.next_column()?.ok_or_else(out_of_columns)?;
        column.typed::<Int64Type>().write_batch(&self.times, None, None)?;
        column.close()?;
        for values in &self.columns {
            let mut column = group.next_column()?.ok_or_else(out_of_columns)?;
            column.typed::<DoubleType>().write_batch(values, None, None)?;
            column.close()?;
        }
        group.close()?;
        self.times.clear();
        self.columns.iter_mut().for_each(Vec::clear);
        self.groups += 1;
        Ok(())
    }

    /// [`finish`](Self::finish) for a downsampled block made from these raw ones.
    pub fn finish_from(mut self, sources: &[u64]) -> Result<Option<BlockMeta>, LakeError> {
        self.meta.sources = sources.to_vec();
        self.finish()
    }

    /// Makes both files durable and visible; the folder and the catalog are the caller's. A block without rows leaves
    /// nothing and gives `None`.
    pub fn finish(mut self) -> Result<Option<BlockMeta>, LakeError> {
        self.close_group()?;
        let path = parquet_path(&self.dir, self.meta.id);
        let file = self.file.into_inner().map_err(|error| parquet_error(error, "write", &path))?;
        if self.meta.rows == 0 {
            file.discard()?;
            return Ok(None);
        }
        self.meta.bytes = file.commit()?;
        let path = index_path(&self.dir, self.meta.id);
        let mut file = AtomicFile::create(path.clone())?;
        self.index.finish(&mut file).map_err(LakeError::io("write", path))?;
        self.meta.index_bytes = file.commit()?;
        Ok(Some(self.meta))
    }
}

/// Keeps the system's error when there is one: a full disk is not a damaged file.
pub(crate) fn parquet_error(error: ParquetError, action: &'static str, path: &Path) -> LakeError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => LakeError::io(action, path)(*source),
            Err(inner) => LakeError::damaged(path, inner.to_string()),
        },
        error => LakeError::damaged(path, error.to_string()),
    }
}
