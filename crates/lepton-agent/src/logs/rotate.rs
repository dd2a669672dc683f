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
        let file = OpenOptions::new().read(true).write(true).open(self.current())?;
        // A cut may not reach the end of the file, and a small file has no whole block.
        let whole = length.saturating_sub(1) / BLOCK * BLOCK;
        let mut cut = self.cut.lock();
        let copied = self.keep(&file, whole, limit, policy.keep)?;
        let collapsed = whole > 0 && fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, whole).is_ok();
        let removed = if collapsed { whole } else { self.truncate(&file, whole, copied)? };
        cut.previous = copied.then(|| cut.base.saturating_add(whole.saturating_sub(limit)));
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

    /// Copies the last `limit` of the first `length` bytes to `1.log`, the older files one up; false when there was no room.
    fn keep(&self, file: &File, length: u64, limit: u64, keep: u32) -> io::Result<bool> {
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
        let mut copied = copy(file, length, limit, &rotating);
        if copied.is_err() {
            // Room first for the services: give up all that is old, then this copy too.
            drop_from(1);
            copied = copy(file, length, limit, &rotating);
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

fn copy(file: &File, length: u64, limit: u64, to: &Path) -> io::Result<()> {
    let mut from = file;
    let start = length.saturating_sub(limit);
    from.seek(SeekFrom::Start(start))?;
    io::copy(&mut from.take(length - start), &mut File::create(to)?)?;
    Ok(())
}
