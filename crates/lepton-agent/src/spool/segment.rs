//! Segment files: their names, and finding out after a start how far each is whole.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{Segment, SpoolError, frame};

/// Where records of a segment begin.
pub const FIRST: u64 = frame::MAGIC.len() as u64;

/// The file of a segment.
pub fn path(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("{id:016x}.seg"))
}

/// Every segment in `folder`, oldest first. A file that holds no whole record is deleted.
pub fn scan(folder: &Path) -> Result<VecDeque<Segment>, SpoolError> {
    let fail = |source| SpoolError::file(folder, source);
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        ids.extend(id.and_then(|id| u64::from_str_radix(id, 16).ok()));
    }
    ids.sort_unstable();
    let mut segments = VecDeque::new();
    for id in ids {
        let path = path(folder, id);
        let fail = |source| SpoolError::file(&path, source);
        let (bytes, records) = measure(&File::open(&path).map_err(fail)?).map_err(fail)?;
        if records == 0 {
            std::fs::remove_file(&path).map_err(fail)?;
        } else {
            segments.push_back(Segment { id, bytes, records });
        }
    }
    Ok(segments)
}

/// End of the last whole record, and the number of records. Checksums are looked at when records are read.
fn measure(file: &File) -> std::io::Result<(u64, u64)> {
    let size = file.metadata()?.len();
    let mut magic = [0; frame::MAGIC.len()];
    if size < FIRST || file.read_exact_at(&mut magic, 0).is_err() || magic != *frame::MAGIC {
        return Ok((0, 0));
    }
    let (mut end, mut records) = (FIRST, 0);
    let mut header = [0; frame::HEADER];
    while file.read_exact_at(&mut header, end).is_ok() {
        let Some((length, _)) = frame::header(&header) else { break };
        let next = end + (frame::HEADER + length) as u64;
        if next > size {
            break;
        }
        end = next;
        records += 1;
    }
    Ok((end, records))
}
