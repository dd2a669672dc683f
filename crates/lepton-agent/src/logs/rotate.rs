//! Keeping a log small while its process writes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use lepton_model::LogPolicy;
use rustix::fs::{FallocateFlags, fallocate};

use super::{LogFile, size};

/// Ranges are cut out in whole blocks of the file system; where blocks are larger, the file is truncated.
const BLOCK: u64 = 4 << 10;

impl LogFile {
    /// Rotates when the current file has reached its size; says whether it did. Blocks for as long as copying takes.
    ///
    /// # Errors
    /// When the file can neither be cut nor truncated. A full disk is none: then the oldest output goes first.
    pub fn rotate(&self, policy: &LogPolicy) -> io::Result<bool> {
        let limit = policy.max_size.get().max(1);
        let length = size(&self.current());
        if length < limit {
            return Ok(false);
        }
        // What came in since the last look is kept as well; only of a flood is the end enough.
        let most = limit.saturating_mul(2);
        let file = OpenOptions::new().read(true).write(true).open(self.current())?;
        // A cut may not reach the end of the file, and a small file has no whole block.
        let whole = length.saturating_sub(1) / BLOCK * BLOCK;
        let mut cut = self.cut.lock();
        let copied = self.keep(&file, whole, most, policy.keep)?;
        let collapsed = whole > 0 && fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, whole).is_ok();
        let removed = if collapsed { whole } else { self.truncate(&file, whole, copied)? };
        cut.previous = copied.then(|| cut.base.saturating_add(whole.saturating_sub(most)));
        cut.base = cut.base.saturating_add(removed);
        Ok(true)
    }

    /// Where ranges cannot be cut out: copies what follows `done` as well, and empties the file. Returns its length.
    fn truncate(&self, file: &File, done: u64, copied: bool) -> io::Result<u64> {
        let mut from = file;
        from.seek(SeekFrom::Start(done))?;
        let mut length = file.metadata()?.len();
        if copied {
            let mut to = OpenOptions::new().append(true).open(self.rotated(1))?;
            length = done.saturating_add(io::copy(&mut from, &mut to).unwrap_or_default());
        }
        file.set_len(0)?;
        Ok(length)
    }

    /// Copies the last `most` of the first `length` bytes to `1.log`, the older files one up; false when there was no room.
    fn keep(&self, file: &File, length: u64, most: u64, keep: u32) -> io::Result<bool> {
        let drop_from = |age: u32| {
            for age in age..=age.saturating_add(100) {
                if fs::remove_file(self.rotated(age)).is_err() {
                    break;
                }
            }
        };
        drop_from(keep.max(1));
        let rotating = self.dir.join("rotating");
        if keep == 0 {
            return Ok(false);
        }
        let mut copied = copy(file, length, most, &rotating);
        if copied.is_err() {
            // Room first for the services: give up all that is old, then this copy too.
            drop_from(1);
            copied = copy(file, length, most, &rotating);
        }
        if let Err(error) = copied {
            tracing::warn!(log = %self.dir.display(), %error, "output is dropped: it cannot be rotated");
            let _ = fs::remove_file(&rotating);
            return Ok(false);
        }
        for age in (1..keep).rev() {
            let _ = fs::rename(self.rotated(age), self.rotated(age + 1));
        }
        fs::rename(&rotating, self.rotated(1))?;
        Ok(true)
    }
}

fn copy(file: &File, length: u64, most: u64, to: &Path) -> io::Result<()> {
    let mut from = file;
    let start = length.saturating_sub(most);
    from.seek(SeekFrom::Start(start))?;
    io::copy(&mut from.take(length - start), &mut File::create(to)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::io::Write as _;

    use super::*;
    use lepton_model::Bytes;

    const POLICY_SIZE: u64 = 40_000;

    fn lines(range: std::ops::Range<u32>) -> String {
        range.map(|n| format!("line {n}\n")).collect()
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    /// Where ranges can be cut out of files, and where not (tmpfs).
    fn folders() -> Vec<tempfile::TempDir> {
        let mut folders = vec![tempfile::tempdir().unwrap()];
        folders.extend(tempfile::tempdir_in("/dev/shm").ok());
        folders
    }

    #[test]
    fn rotation_keeps_every_byte_and_every_position() {
        for folder in folders() {
            let log = LogFile::open(folder.path().join("log")).unwrap();
            let policy = LogPolicy { max_size: Bytes::new(POLICY_SIZE), keep: 2 };
            // The handle of a process that never learns of rotations.
            let mut process = log.appender().unwrap();
            let (mut written, mut read, mut position) = (String::new(), String::new(), 0);
            for round in 0..6 {
                let part = lines(round * 1_500..(round + 1) * 1_500);
                process.write_all(part.as_bytes()).unwrap();
                written.push_str(&part);
                // This reader is behind when the rotation comes.
                let first = log.read(position, 1_000).unwrap();
                read.push_str(std::str::from_utf8(&first.bytes).unwrap());
                position = first.next;
                log.rotate(&policy).unwrap();
                loop {
                    let piece = log.read(position, 7_777).unwrap();
                    assert_eq!(piece.skipped, 0);
                    if piece.next == position {
                        break;
                    }
                    read.push_str(std::str::from_utf8(&piece.bytes).unwrap());
                    position = piece.next;
                }
            }
            assert!(read == written, "{} of {} bytes", read.len(), written.len());
            let kept = text(&log.rotated(2)) + &text(&log.rotated(1)) + &text(&log.current());
            assert!(written.ends_with(&kept) && kept.len() as u64 >= POLICY_SIZE, "{}", kept.len());
            assert!(!log.rotated(3).exists());
        }
    }

    #[test]
    fn a_burst_beyond_the_limit_keeps_its_end() {
        let check = |keep: u32, expect_rotated: bool| {
            let folder = tempfile::tempdir().unwrap();
            let log = LogFile::open(folder.path().join("log")).unwrap();
            let policy = LogPolicy { max_size: Bytes::new(POLICY_SIZE), keep };
            let all = lines(0..100_000);
            log.appender().unwrap().write_all(all.as_bytes()).unwrap();
            assert!(log.rotate(&policy).unwrap());
            assert!(!log.rotate(&policy).unwrap());
            let rotated = size(&log.rotated(1));
            assert_eq!(rotated > 0, expect_rotated);
            assert!(rotated <= 2 * POLICY_SIZE, "{rotated}");
            let kept = text(&log.rotated(1)) + &text(&log.current());
            assert!(all.ends_with(&kept));
            // A reader from the very start is told what it has missed.
            assert!(log.read(0, 100).unwrap().skipped > 0);
        };
        check(1, true);
        check(0, false);
    }
}
