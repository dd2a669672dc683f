//! Space and inodes of mounted filesystems.
//!
//! `statvfs` on a dead network mount hangs for ever, so a thread of its own asks; the collector takes what that thread
//! found last. A mount that does not answer within [`PATIENCE`] is reported as `node_filesystem_device_error` 1 and the
//! thread is left to it; a new thread takes over the others, and at most [`MAX_STUCK`] are ever given up.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::Rows;

/// Mounts beyond this many are left out.
const MAX_MOUNTS: usize = 64;

/// How long one mount may take to answer: at worst, one tick of the collector.
const PATIENCE: Duration = Duration::from_secs(1);

/// Threads that may hang at once; after that, mounts are no longer measured until one comes back.
const MAX_STUCK: usize = 4;

/// Kinds of filesystem that hold no data, as node-exporter leaves out, and overlays that repeat their lower one.
const LEFT_OUT: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "erofs",
    "sysfs",
    "tracefs",
];

/// Mount points below these belong to the system or to container engines.
const LEFT_OUT_BELOW: &[&str] =
    &["/dev", "/proc", "/sys", "/run/credentials", "/run/netns", "/var/lib/docker", "/var/lib/containers"];

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `/dev/vda1`
    pub device: String,
    /// `/`
    pub point: String,
    /// `ext4`
    pub kind: String,
}

/// Reads `/proc/1/mounts`: what is worth measuring.
pub fn parse(bytes: &[u8]) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    let mut mounts = Vec::new();
    for line in text::lines(bytes) {
        let mut words = text::words(line).map(unescape);
        let (Some(device), Some(point), Some(kind)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let below =
            |root: &&str| point == **root || point.strip_prefix(*root).is_some_and(|r| r.starts_with('/'));
        if LEFT_OUT.contains(&kind.as_str()) || LEFT_OUT_BELOW.iter().any(below) || mounts.len() >= MAX_MOUNTS
        {
            continue;
        }
        if seen.insert(point.clone()) {
            mounts.push(Mount { device, point, kind });
        }
    }
    mounts
}

/// Undoes the kernel's `\040` for a blank in a path.
fn unescape(word: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let octal = (*first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What one mount answered: bytes of size, free, available; inodes in all, free; read-only.
type Space = [f64; 6];

const NAMES: [&str; 7] = [
    "node_filesystem_size_bytes",
    "node_filesystem_free_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_files",
    "node_filesystem_files_free",
    "node_filesystem_readonly",
    "node_filesystem_device_error",
];

fn ask(point: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(point).ok()?;
    let bytes = |blocks: u64| blocks as f64 * found.f_frsize as f64;
    Some([
        bytes(found.f_blocks),
        bytes(found.f_bfree),
        bytes(found.f_bavail),
        found.f_files as f64,
        found.f_ffree as f64,
        f64::from(u8::from(found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))),
    ])
}

/// A thread that asks mounts, one at a time.
struct Asker {
    questions: mpsc::Sender<PathBuf>,
    answers: mpsc::Receiver<Option<Space>>,
}

impl Asker {
    fn start() -> io::Result<Self> {
        let (questions, asked) = mpsc::channel::<PathBuf>();
        let (answer, answers) = mpsc::channel();
        std::thread::Builder::new().name("statvfs".to_owned()).stack_size(64 << 10).spawn(move || {
            while let Ok(point) = asked.recv() {
                if answer.send(ask(&point)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { questions, answers })
    }
}

/// `node_filesystem_*{device,fstype,mountpoint}`
pub struct Filesystems {
    mounts: KernelFile,
    root: PathBuf,
    rows: Rows<7>,
    asker: Option<Asker>,
    stuck: Vec<(String, Asker)>,
    patience: Duration,
}

impl Filesystems {
    /// Reads the mounts of process 1 in `proc` (the host's, where the agent sees its `/proc`), below `root`.
    pub fn new(proc: &Path, root: &Path) -> Self {
        Self {
            mounts: KernelFile::new(proc.join("1/mounts")),
            root: root.to_path_buf(),
            rows: Rows::new(MAX_MOUNTS),
            asker: None,
            stuck: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// `None` when the mount cannot be measured.
    fn space(&mut self, point: &str) -> Option<Space> {
        if self.stuck.iter().any(|(stuck, _)| stuck == point) || self.stuck.len() >= MAX_STUCK {
            return None;
        }
        let asker = match self.asker.take() {
            Some(asker) => asker,
            None => Asker::start().ok()?,
        };
        let path = self.root.join(point.trim_start_matches('/'));
        let began = Instant::now();
        asker.questions.send(path).ok()?;
        match asker.answers.recv_timeout(self.patience.saturating_sub(began.elapsed())) {
            Ok(space) => {
                self.asker = Some(asker);
                space
            }
            Err(_) => {
                tracing::warn!(
                    mount = point,
                    "the filesystem does not answer; it is left alone until it does"
                );
                self.stuck.push((point.to_owned(), asker));
                None
            }
        }
    }
}

impl Source for Filesystems {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        // A stuck thread that answered at last has ended its wait: its mount is asked again.
        self.stuck.retain(|(_, asker)| matches!(asker.answers.try_recv(), Err(mpsc::TryRecvError::Empty)));
        let mounts = match self.mounts.read(cx.buffer)? {
            Some(bytes) => parse(bytes),
            None => Vec::new(),
        };
        self.rows.begin();
        for Mount { device, point, kind } in mounts {
            let space = self.space(&point);
            let slots = self.rows.slots(format!("{device}\n{point}").as_bytes(), cx.table, |table| {
                let labels = [("device", device.as_str()), ("fstype", &kind), ("mountpoint", &point)];
                NAMES.map(|name| table.gauge(name, &labels))
            });
            let error = f64::from(u8::from(space.is_none()));
            let values = space.map(|space| space.map(Some)).unwrap_or_default();
            for (slot, value) in slots.into_iter().zip(values.into_iter().chain([Some(error)])) {
                if let Some(value) = value {
                    cx.table.set(slot, value);
                }
            }
        }
        self.rows.finish(cx.table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_filesystems_with_data() {
        let input = "proc /proc proc rw 0 0\n/dev/vda / ext4 rw,relatime 0 0\ntmpfs /run/netns/a tmpfs rw 0 0\n\
                     //nas/share /mnt/my\\040share cifs rw 0 0\n/dev/vda / ext4 rw 0 0\noverlay /x overlay rw 0 0\n\
                     /dev/sdb1 /devices xfs rw 0 0\ncut /short\n";
        let found: Vec<_> =
            parse(input.as_bytes()).into_iter().map(|m| (m.device, m.point, m.kind)).collect();
        let expect = [
            ("/dev/vda", "/", "ext4"),
            ("//nas/share", "/mnt/my share", "cifs"),
            ("/dev/sdb1", "/devices", "xfs"),
        ]
        .map(|(d, p, k)| (d.to_owned(), p.to_owned(), k.to_owned()));
        assert_eq!(found, expect);
    }

    #[test]
    fn a_mount_that_hangs_is_given_up_and_the_next_one_answers() {
        let mut filesystems = Filesystems::new(Path::new("/proc"), Path::new("/"));
        // A thread that takes the question and never answers is what a hung mount looks like from here.
        let (questions, asked) = mpsc::channel();
        let (_answer, answers) = mpsc::channel();
        filesystems.asker = Some(Asker { questions, answers });
        filesystems.patience = Duration::ZERO;
        assert_eq!(filesystems.space("/dead"), None);
        assert_eq!(asked.try_recv().ok(), Some(PathBuf::from("/dead")));
        filesystems.patience = PATIENCE;
        assert!(filesystems.space("/").is_some_and(|space| space[0] > 0.0));
        assert_eq!(filesystems.stuck.len(), 1);
    }
}
