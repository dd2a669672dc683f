//! A consistent copy of a lake while it goes on working.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::block::files;
use crate::error::LakeError;
use crate::lake::Lake;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Files copied or linked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

const CHECKSUMS: &str = "checksums.sha256";

impl Lake {
    /// Writes everything acknowledged so far to `to`, a folder that does not exist yet, as a lake that can be opened,
    /// with a `checksums.sha256` that `sha256sum -c` understands. Blocks never change, so on the same file system
    /// they are linked instead of copied.
    pub fn snapshot(&self, to: &Path) -> Result<SnapshotReport, LakeError> {
        let inner = self.inner();
        let held = inner.maintenance.lock();
        inner.flush(&held)?;
        let catalog = std::sync::Arc::clone(&inner.state.lock().catalog);
        std::fs::create_dir(to).map_err(LakeError::io("create", to))?;
        let blocks = to.join("blocks");
        std::fs::create_dir(&blocks).map_err(LakeError::io("create", &blocks))?;
        let mut report = SnapshotReport::default();
        let mut checksums = String::new();
        for file in catalog.files() {
            let Some(name) = file.file_name() else { continue };
            let copy = blocks.join(name);
            if std::fs::hard_link(&file, &copy).is_err() {
                std::fs::copy(&file, &copy).map_err(LakeError::io("copy", &file))?;
                sync(&copy)?;
            }
            add(&mut report, &mut checksums, to, &copy)?;
        }
        let manifest = catalog.write_manifest(&blocks)?;
        add(&mut report, &mut checksums, to, &manifest)?;
        files::write_whole(&to.join(CHECKSUMS), checksums.as_bytes())?;
        files::sync_dir(to)?;
        Ok(report)
    }

    /// Checks every file of a snapshot against its checksum.
    pub fn verify_snapshot(dir: &Path) -> Result<SnapshotReport, LakeError> {
        let list = dir.join(CHECKSUMS);
        let text = std::fs::read_to_string(&list).map_err(LakeError::io("read", &list))?;
        let mut report = SnapshotReport::default();
        for line in text.lines() {
            let (want, name) = line
                .split_once("  ")
                .ok_or_else(|| LakeError::damaged(&list, format!("unreadable line `{line}`")))?;
            let path = dir.join(name);
            let (got, bytes) = checksum(&path)?;
            if got != want {
                return Err(LakeError::damaged(path, "does not match its checksum"));
            }
            report.files += 1;
            report.bytes += bytes;
        }
        Ok(report)
    }
}

fn add(
    report: &mut SnapshotReport,
    checksums: &mut String,
    root: &Path,
    path: &Path,
) -> Result<(), LakeError> {
    let (sum, bytes) = checksum(path)?;
    let name = path.strip_prefix(root).unwrap_or(path);
    checksums.push_str(&format!("{sum}  {}\n", name.display()));
    report.files += 1;
    report.bytes += bytes;
    Ok(())
}

fn sync(path: &Path) -> Result<(), LakeError> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(LakeError::io("sync", path))
}

fn checksum(path: &Path) -> Result<(String, u64), LakeError> {
    let mut file = std::fs::File::open(path).map_err(LakeError::io("open", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer).map_err(LakeError::io("read", path))?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
    let sum = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((sum, bytes))
}
