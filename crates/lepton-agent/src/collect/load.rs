//! Single numbers from small files: load averages, file handles, entropy, connection tracking, uptime.

use std::io;
use std::path::Path;

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::{SeriesTable, Slot};

/// One file whose first words are one series each.
pub struct Words {
    name: &'static str,
    files: Vec<Numbers>,
}

struct Numbers {
    file: KernelFile,
    names: &'static [&'static str],
    slots: Vec<Slot>,
}

/// `_` stands for a word that is skipped.
type Spec = (&'static str, &'static [&'static str]);

impl Words {
    fn new(name: &'static str, root: &Path, specs: &[Spec]) -> Self {
        let numbers = |(path, names): &Spec| Numbers {
            file: KernelFile::new(root.join(path)),
            names,
            slots: Vec::new(),
        };
        Self { name, files: specs.iter().map(numbers).collect() }
    }

    /// `node_load1`, `node_load5`, `node_load15`
    pub fn load(proc: &Path) -> Self {
        Self::new("loadavg", proc, &[("loadavg", &["node_load1", "node_load5", "node_load15"])])
    }

    /// `node_filefd_*`
    pub fn file_handles(proc: &Path) -> Self {
        Self::new(
            "filefd",
            proc,
            &[("sys/fs/file-nr", &["node_filefd_allocated", "_", "node_filefd_maximum"])],
        )
    }

    /// `node_entropy_*`
    pub fn entropy(proc: &Path) -> Self {
        Self::new(
            "entropy",
            proc,
            &[
                ("sys/kernel/random/entropy_avail", &["node_entropy_available_bits"]),
                ("sys/kernel/random/poolsize", &["node_entropy_pool_size_bits"]),
            ],
        )
    }

    /// `node_nf_conntrack_*`
    pub fn conntrack(proc: &Path) -> Self {
        Self::new(
            "conntrack",
            proc,
            &[
                ("sys/net/netfilter/nf_conntrack_count", &["node_nf_conntrack_entries"]),
                ("sys/net/netfilter/nf_conntrack_max", &["node_nf_conntrack_entries_limit"]),
            ],
        )
    }

    /// `lepton_node_uptime_seconds`: by the clock that runs on while the machine sleeps
    pub fn uptime(proc: &Path) -> Self {
        Self::new("uptime", proc, &[("uptime", &["lepton_node_uptime_seconds"])])
    }
}

impl Numbers {
    fn sample(&mut self, table: &mut SeriesTable, buffer: &mut Vec<u8>) -> io::Result<()> {
        let Self { file, names, slots } = self;
        let Some(bytes) = file.read(buffer)? else {
            slots.drain(..).for_each(|slot| table.retire(slot));
            return Ok(());
        };
        if slots.is_empty() {
            let define = |name: &&str| if *name == "_" { Slot::NONE } else { table.gauge(name, &[]) };
            *slots = names.iter().map(define).collect();
        }
        for (slot, word) in slots.iter().zip(text::words(bytes)) {
            if let Some(value) = text::number(word) {
                table.set(*slot, value);
            }
        }
        Ok(())
    }
}

impl Source for Words {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        self.files.iter_mut().try_for_each(|numbers| numbers.sample(cx.table, cx.buffer))
    }
}
