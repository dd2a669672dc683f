//! `/proc/diskstats`: reads, writes, discards and flushes of each disk.

use std::io;
use std::path::Path;

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::{MetricKind, Rows, Slot};

/// Disks beyond this many are left out.
const MAX_DISKS: usize = 64;

/// Sectors of the kernel's counters, whatever the disk's own are.
const SECTOR: f64 = 512.0;

const MILLISECOND: f64 = 1e-3;

/// Fields after the device's name: name of the series, and what its unit is in the series' unit.
const FIELDS: [(&str, f64); 17] = [
    ("node_disk_reads_completed_total", 1.0),
    ("node_disk_reads_merged_total", 1.0),
    ("node_disk_read_bytes_total", SECTOR),
    ("node_disk_read_time_seconds_total", MILLISECOND),
    ("node_disk_writes_completed_total", 1.0),
    ("node_disk_writes_merged_total", 1.0),
    ("node_disk_written_bytes_total", SECTOR),
    ("node_disk_write_time_seconds_total", MILLISECOND),
    ("node_disk_io_now", 1.0),
    ("node_disk_io_time_seconds_total", MILLISECOND),
    ("node_disk_io_time_weighted_seconds_total", MILLISECOND),
    ("node_disk_discards_completed_total", 1.0),
    ("node_disk_discards_merged_total", 1.0),
    ("node_disk_discarded_sectors_total", 1.0),
    ("node_disk_discard_time_seconds_total", MILLISECOND),
    ("node_disk_flush_requests_total", 1.0),
    ("node_disk_flush_requests_time_seconds_total", MILLISECOND),
];

/// Reads `/proc/diskstats`: the device and its numbers, 11 before Linux 4.18, 15 before 5.5, then 17.
pub fn parse(bytes: &[u8], mut each: impl FnMut(&[u8], [Option<f64>; 17])) {
    for line in text::lines(bytes) {
        let mut words = text::words(line).skip(2);
        let Some(device) = words.next() else { continue };
        let mut numbers = [None; 17];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = text::number(word);
        }
        // Partitions of 2.6 had four numbers only, with other meanings.
        if numbers.iter().flatten().count() >= 11 {
            each(device, numbers);
        }
    }
}

/// Whether a device is no disk of its own: partitions, loops and memory disks, by node-exporter's rule
/// `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
fn is_left_out(device: &[u8]) -> bool {
    let digits = device.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let stem = device.get(..device.len() - digits).unwrap_or_default();
    if digits == 0 {
        return false;
    }
    let partitioned = |prefix: &[u8]| {
        stem.strip_prefix(prefix).is_some_and(|letter| matches!(letter, [b] if b.is_ascii_lowercase()))
    };
    let nvme = stem.strip_prefix(b"nvme").and_then(|rest| rest.strip_suffix(b"p")).is_some();
    matches!(stem, b"ram" | b"zram" | b"loop" | b"fd")
        || [&b"hd"[..], b"sd", b"vd", b"xvd"].into_iter().any(partitioned)
        || nvme
}

/// `node_disk_*{device}`
pub struct Disks {
    file: KernelFile,
    rows: Rows<17>,
}

impl Disks {
    /// Reads `{proc}/diskstats`.
    pub fn new(proc: &Path) -> Self {
        Self { file: KernelFile::new(proc.join("diskstats")), rows: Rows::new(MAX_DISKS) }
    }
}

impl Source for Disks {
    fn name(&self) -> &'static str {
        "diskstats"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Self { file, rows } = self;
        rows.begin();
        if let Some(bytes) = file.read(cx.buffer)? {
            let table = &mut *cx.table;
            parse(bytes, |device, numbers| {
                if is_left_out(device) {
                    return;
                }
                let slots = rows.slots(device, table, |table| {
                    let device = text::label(device);
                    let mut define = |(name, _): (&str, f64), present: bool| match present {
                        true if name == "node_disk_io_now" => table.gauge(name, &[("device", &device)]),
                        true => table.define_as(MetricKind::Counter, name, &[("device", &device)]),
                        false => Slot::NONE,
                    };
                    let mut present = numbers.iter().map(Option::is_some);
                    FIELDS.map(|field| define(field, present.next().unwrap_or(false)))
                });
                for ((slot, number), (_, unit)) in slots.into_iter().zip(numbers).zip(FIELDS) {
                    if let Some(number) = number {
                        table.set(slot, number * unit);
                    }
                }
            });
        }
        rows.finish(cx.table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_kernels() {
        let check = |input: &str, expect: &[(&str, usize)]| {
            let mut found = Vec::new();
            parse(input.as_bytes(), |device, numbers| {
                found.push((text::label(device).into_owned(), numbers.iter().flatten().count()));
            });
            let found: Vec<_> = found.iter().map(|(d, n)| (d.as_str(), *n)).collect();
            assert_eq!(found, expect, "{input:?}");
        };
        check(" 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n", &[("vda", 17)]);
        check("   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8 1 sda1 1 2 3 4\n", &[("sda", 11)]);
        check("   8 0\n\n   8 0 sda", &[]);
    }

    #[test]
    fn partitions_and_memory_disks_are_left_out() {
        let check =
            |device: &str, expect: bool| assert_eq!(is_left_out(device.as_bytes()), expect, "{device}");
        for device in ["sda1", "vdb12", "xvda1", "loop0", "zram0", "ram15", "nvme0n1p2", "fd0"] {
            check(device, true);
        }
        for device in ["sda", "vda", "nvme0n1", "dm-0", "md127", "sr0", "mmcblk0"] {
            check(device, false);
        }
    }
}
