//! A Parquet text column whose rows come in long runs of the same value.
//!
//! The parquet crate would hash the text of every row to find its dictionary entry. Labels only change from series to
//! series, so this writes the column chunk as what it is: a dictionary, and pages of run lengths
//! (parquet-format, `Encodings.md`, "RLE/bit-packing hybrid", runs only). The cost is per series instead of per row.

use std::collections::HashMap;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Rows of a page, so that readers can pass over stretches of a row group.
const PAGE_ROWS: u64 = 1 << 15;
const LEVEL: i32 = 3;

/// The runs of one column of one row group.
#[derive(Default)]
pub(crate) struct LabelsColumn {
    ids: HashMap<Vec<u8>, u32>,
    values: Vec<Vec<u8>>,
    runs: Vec<(u32, u64)>,
}

impl LabelsColumn {
    /// Adds rows that all have this value.
    pub fn push(&mut self, value: &[u8], rows: u64) {
        let id = match self.ids.get(value) {
            Some(id) => *id,
            None => {
                let id = self.values.len() as u32;
                self.ids.insert(value.to_vec(), id);
                self.values.push(value.to_vec());
                id
            }
        };
        match self.runs.last_mut() {
            Some((last, count)) if *last == id => *count += rows,
            _ => self.runs.push((id, rows)),
        }
    }

    /// The finished column chunk, and its bytes from offset zero; leaves this empty.
    pub fn finish(&mut self, column: ColumnDescPtr) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let Self { values, runs, .. } = std::mem::take(self);
        let compression = Compression::ZSTD(ZstdLevel::try_new(LEVEL)?);
        let width = (u32::BITS - (values.len() as u32).saturating_sub(1).leading_zeros()).max(1);
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let (mut packed, mut plain) = (0, 0);

        let mut dictionary = Vec::new();
        for value in &values {
            dictionary.extend_from_slice(&(value.len() as u32).to_le_bytes());
            dictionary.extend_from_slice(value);
        }
        let page = Page::DictionaryPage {
            buf: compress(&dictionary)?,
            num_values: values.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let spec = writer.write_page(CompressedPage::new(page, dictionary.len()))?;
        packed += spec.compressed_size;
        plain += spec.uncompressed_size;
        let data_offset = spec.bytes_written as i64;

        let mut column_index = ColumnIndexBuilder::new(Type::BYTE_ARRAY);
        let mut offset_index = OffsetIndexBuilder::new();
        let mut rows = 0;
        for page_runs in pages(&runs) {
            let mut body = vec![width as u8];
            let mut page_rows = 0;
            for (id, count) in &page_runs {
                crate::varint::put(&mut body, count << 1);
                body.extend(id.to_le_bytes().iter().take(width.div_ceil(8) as usize));
                page_rows += count;
            }
            let page = Page::DataPage {
                buf: compress(&body)?,
                num_values: page_rows as u32,
                encoding: Encoding::RLE_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            };
            let spec = writer.write_page(CompressedPage::new(page, body.len()))?;
            packed += spec.compressed_size;
            plain += spec.uncompressed_size;
            let of_page = || page_runs.iter().filter_map(|(id, _)| values.get(*id as usize));
            let (min, max) = (of_page().min().cloned(), of_page().max().cloned());
            column_index.append(false, min.unwrap_or_default(), max.unwrap_or_default(), 0, None);
            offset_index.append_row_count(page_rows as i64);
            offset_index.append_offset_and_size(spec.offset as i64, spec.compressed_size as i32);
            rows += page_rows;
        }
        writer.close()?;
        let bound = |value: Option<&Vec<u8>>| value.map(|value| ByteArray::from(value.clone()));
        let statistics = Statistics::byte_array(
            bound(values.iter().min()),
            bound(values.iter().max()),
            None,
            Some(0),
            false,
        );
        let metadata = ColumnChunkMetaData::builder(column)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_compression(compression)
            .set_num_values(rows as i64)
            .set_total_compressed_size(packed as i64)
            .set_total_uncompressed_size(plain as i64)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(data_offset)
            .set_statistics(statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: packed as u64,
            rows_written: rows,
            metadata,
            bloom_filter: None,
            column_index: Some(column_index.build()?),
            offset_index: Some(offset_index.build()),
        };
        Ok((sink.into_inner()?.into(), close))
    }
}

fn compress(bytes: &[u8]) -> Result<Bytes, ParquetError> {
    Ok(zstd::bulk::compress(bytes, LEVEL).map_err(ParquetError::from)?.into())
}

/// Cuts runs into pages of [`PAGE_ROWS`] rows.
fn pages(runs: &[(u32, u64)]) -> Vec<Vec<(u32, u64)>> {
    let mut pages = vec![Vec::new()];
    let mut room = PAGE_ROWS;
    for (id, mut count) in runs.iter().copied() {
        while count > 0 {
            if room == 0 {
                pages.push(Vec::new());
                room = PAGE_ROWS;
            }
            let part = count.min(room);
            if let Some(page) = pages.last_mut() {
                page.push((id, part));
            }
            (count, room) = (count - part, room - part);
        }
    }
    pages.retain(|page| !page.is_empty());
    pages
}
