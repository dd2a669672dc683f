//! `/proc/stat`: processor time by mode and core, context switches, interrupts, forks, boot time.

use std::io;
use std::path::Path;

use super::kernel_file::KernelFile;
use super::{MAX_CPUS, Sampling, Source, text};
use crate::series::{Rows, SeriesTable, Slot};

/// Modes in the order of a `cpu` line; the last two are also counted within `user` and `nice`.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// A line of `/proc/stat`.
#[derive(Debug, PartialEq)]
pub enum StatLine<'a> {
    /// Clock ticks of one core: [`MODES`], then guest and guest at low priority. Old kernels end earlier.
    Core(&'a [u8], [Option<f64>; 10]),
    /// Any other: its first number.
    Total(&'a [u8], f64),
}

/// Reads `/proc/stat`; the line that sums all cores is left out, as a query can sum.
pub fn parse(bytes: &[u8], mut each: impl FnMut(StatLine<'_>)) {
    for line in text::lines(bytes) {
        let mut words = text::words(line);
        let Some(key) = words.next() else { continue };
        match key.strip_prefix(b"cpu") {
            Some(core) if !core.is_empty() => {
                let mut ticks = [None; 10];
                for (tick, word) in ticks.iter_mut().zip(words) {
                    *tick = text::number(word);
                }
                each(StatLine::Core(core, ticks));
            }
            Some(_) => {}
            None => {
                if let Some(total) = words.next().and_then(text::number) {
                    each(StatLine::Total(key, total));
                }
            }
        }
    }
}

/// Processor and kernel totals.
pub struct Cpu {
    file: KernelFile,
    cores: Rows<10>,
    totals: Rows<1>,
}

impl Cpu {
    /// Reads `{proc}/stat`.
    pub fn new(proc: &Path) -> Self {
        Self { file: KernelFile::new(proc.join("stat")), cores: Rows::new(MAX_CPUS), totals: Rows::new(8) }
    }
}

fn define_core(table: &mut SeriesTable, core: &[u8]) -> [Slot; 10] {
    let core = text::label(core);
    std::array::from_fn(|mode| match MODES.get(mode) {
        Some(mode) => table.counter("node_cpu_seconds_total", &[("cpu", &core), ("mode", mode)]),
        None => {
            let mode = if mode == MODES.len() { "user" } else { "nice" };
            table.counter("node_cpu_guest_seconds_total", &[("cpu", &core), ("mode", mode)])
        }
    })
}

fn define_total(table: &mut SeriesTable, key: &[u8]) -> Slot {
    match key {
        b"intr" => table.counter("node_intr_total", &[]),
        b"ctxt" => table.counter("node_context_switches_total", &[]),
        b"btime" => table.gauge("node_boot_time_seconds", &[]),
        b"processes" => table.counter("node_forks_total", &[]),
        b"procs_running" => table.gauge("node_procs_running", &[]),
        b"procs_blocked" => table.gauge("node_procs_blocked", &[]),
        _ => Slot::NONE,
    }
}

impl Source for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Self { file, cores, totals } = self;
        cores.begin();
        totals.begin();
        let second = super::clock_ticks();
        if let Some(bytes) = file.read(cx.buffer)? {
            let table = &mut *cx.table;
            parse(bytes, |line| match line {
                StatLine::Core(core, ticks) => {
                    let slots = cores.slots(core, table, |table| define_core(table, core));
                    for (slot, ticks) in slots.into_iter().zip(ticks) {
                        if let Some(ticks) = ticks {
                            table.set(slot, ticks / second);
                        }
                    }
                }
                StatLine::Total(key, value) => {
                    let [slot] = totals.slots(key, table, |table| [define_total(table, key)]);
                    table.set(slot, value);
                }
            });
        }
        // A core that was switched off keeps its counters in no file: its series end, and start anew.
        cores.finish(cx.table);
        totals.finish(cx.table);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_of_new_and_old_kernels() {
        let check = |input: &str, expect: &[&str]| {
            let mut found = Vec::new();
            parse(input.as_bytes(), |line| {
                found.push(match line {
                    StatLine::Core(core, ticks) => {
                        let known: Vec<_> = ticks.iter().flatten().collect();
                        format!("cpu{} {known:?}", text::label(core))
                    }
                    StatLine::Total(key, value) => format!("{} {value}", text::label(key)),
                });
            });
            assert_eq!(found, expect, "{input:?}");
        };
        check(
            "cpu  3 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 447603 0 0\nctxt 5\nbtime 1795458491\nprocs_running 3\n",
            &[
                "cpu0 [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]",
                "intr 447603",
                "ctxt 5",
                "btime 1795458491",
                "procs_running 3",
            ],
        );
        // 2.4 had four modes; a torn read ends anywhere.
        check("cpu0 1 2 3 4\ncpu1 1 x", &["cpu0 [1.0, 2.0, 3.0, 4.0]", "cpu1 [1.0]"]);
        check("", &[]);
    }
}
