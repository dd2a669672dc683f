//! How far a reader has come, on disk: two slots written in turn, so that a torn write leaves the other whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{SpoolError, segment};

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Of which segment.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
    /// Records of the segment before it.
    pub record: u64,
}

impl Position {
    /// Before the first record of a segment.
    pub const fn start(segment: u64) -> Self {
        Self { segment, offset: segment::FIRST, record: 0 }
    }
}

const SLOT: usize = 36;

/// A cursor's file.
#[derive(Debug)]
pub struct CursorFile {
    file: File,
    turn: u64,
}

impl CursorFile {
    /// Opens the cursor of `reader`; what it holds if it is whole.
    pub fn open(folder: &Path, reader: &str) -> Result<(Self, Option<Position>), SpoolError> {
        let path = folder.join(name(reader));
        let fail = |source| SpoolError::file(&path, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        let found = [0, 1].into_iter().filter_map(|slot| read(&file, slot)).max_by_key(|(turn, _)| *turn);
        let turn = found.map_or(0, |(turn, _)| turn);
        Ok((Self { file, turn }, found.map(|(_, position)| position)))
    }

    /// Writes a position.
    pub fn write(&mut self, position: Position) -> io::Result<()> {
        self.turn += 1;
        let mut bytes = [0; SLOT];
        let numbers = [self.turn, position.segment, position.offset, position.record];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        if let Some((body, checksum)) = bytes.split_last_chunk_mut::<4>() {
            *checksum = crc32fast::hash(body).to_le_bytes();
        }
        self.file.write_all_at(&bytes, (self.turn % 2) * SLOT as u64)
    }
}

fn read(file: &File, slot: u64) -> Option<(u64, Position)> {
    let mut bytes = [0; SLOT];
    file.read_exact_at(&mut bytes, slot * SLOT as u64).ok()?;
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut numbers =
        body.chunks_exact(8).filter_map(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)));
    let turn = numbers.next()?;
    Some((turn, Position { segment: numbers.next()?, offset: numbers.next()?, record: numbers.next()? }))
}

fn name(reader: &str) -> String {
    format!("{reader}.cursor")
}

/// Deletes the cursors of readers that are not among `readers`.
pub fn delete_others(folder: &Path, readers: &[&str]) -> Result<(), SpoolError> {
    let fail = |source| SpoolError::file(folder, source);
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let file = entry.file_name();
        let Some(reader) = file.to_str().and_then(|file| file.strip_suffix(".cursor")) else { continue };
        if !readers.contains(&reader) {
            std::fs::remove_file(entry.path()).map_err(fail)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_whole_write_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |record| Position { segment: 7, offset: 100 * record, record };
        let (mut cursor, none) = CursorFile::open(folder.path(), "server").unwrap();
        assert_eq!(none, None);
        for record in 1..=5 {
            cursor.write(at(record)).unwrap();
            assert_eq!(CursorFile::open(folder.path(), "server").unwrap().1, Some(at(record)));
        }
        // The write of 6 is torn at every byte: 5 or 6 is found, nothing else.
        let path = folder.path().join("server.cursor");
        let before = std::fs::read(&path).unwrap();
        cursor.write(at(6)).unwrap();
        let after = std::fs::read(&path).unwrap();
        for cut in 0..=after.len() {
            let torn: Vec<u8> = after.iter().take(cut).chain(before.iter().skip(cut)).copied().collect();
            std::fs::write(&path, torn).unwrap();
            let found = CursorFile::open(folder.path(), "server").unwrap().1;
            assert!(found == Some(at(5)) || found == Some(at(6)), "cut at {cut}: {found:?}");
        }
    }

    #[test]
    fn cursors_of_others_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        drop(CursorFile::open(folder.path(), "old").unwrap());
        drop(CursorFile::open(folder.path(), "server").unwrap());
        delete_others(folder.path(), &["server"]).unwrap();
        assert!(!folder.path().join("old.cursor").exists() && folder.path().join("server.cursor").exists());
    }
}
