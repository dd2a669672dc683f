//! Pressure stall information: time that work waited for processor, memory, io or interrupts.
//!
//! Kernels before 4.20, or with `psi=0`, have none: then there are no series.

use std::io;
use std::path::Path;

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::Slot;

/// Microseconds stalled: some of the tasks, all of the tasks.
pub fn parse(bytes: &[u8]) -> [Option<f64>; 2] {
    let mut totals = [None; 2];
    for line in text::lines(bytes) {
        let mut words = text::words(line);
        let place = match words.next() {
            Some(b"some") => 0,
            Some(b"full") => 1,
            _ => continue,
        };
        if let (Some(total), Some(at)) =
            (words.find_map(|word| word.strip_prefix(b"total=")), totals.get_mut(place))
        {
            *at = text::number(total);
        }
    }
    totals
}

const FILES: [(&str, [&str; 2]); 4] = [
    // "full" of the processor is zero by definition outside cgroups.
    ("cpu", ["node_pressure_cpu_waiting_seconds_total", ""]),
    ("io", ["node_pressure_io_waiting_seconds_total", "node_pressure_io_stalled_seconds_total"]),
    ("memory", ["node_pressure_memory_waiting_seconds_total", "node_pressure_memory_stalled_seconds_total"]),
    ("irq", ["", "node_pressure_irq_stalled_seconds_total"]),
];

/// `node_pressure_*`
pub struct Pressure {
    files: [(KernelFile, [Option<Slot>; 2]); 4],
}

impl Pressure {
    /// Reads `{proc}/pressure/*`.
    pub fn new(proc: &Path) -> Self {
        Self { files: FILES.map(|(name, _)| (KernelFile::new(proc.join("pressure").join(name)), [None; 2])) }
    }
}

impl Source for Pressure {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        for ((file, slots), (_, names)) in self.files.iter_mut().zip(FILES) {
            let Some(bytes) = file.read(cx.buffer)? else { continue };
            for ((slot, name), total) in slots.iter_mut().zip(names).zip(parse(bytes)) {
                if let Some(total) = total
                    && !name.is_empty()
                {
                    let slot = *slot.get_or_insert_with(|| cx.table.counter(name, &[]));
                    cx.table.set(slot, total / 1e6);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_or_one() {
        let check = |input: &str, expect| assert_eq!(parse(input.as_bytes()), expect, "{input:?}");
        check(
            "some avg10=65.15 avg60=17.42 avg300=5.31 total=30480129\nfull avg10=0.00 total=7\n",
            [Some(30_480_129.0), Some(7.0)],
        );
        check("full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n", [None, Some(5.0)]);
        check("some total=\nfull\nother total=3", [None, None]);
    }
}
