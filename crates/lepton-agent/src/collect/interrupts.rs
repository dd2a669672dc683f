//! Per-core tables of counters: `/proc/interrupts`, `/proc/softirqs`, `/proc/net/softnet_stat`, `/proc/schedstat`.

use std::io;
use std::path::Path;

use super::kernel_file::KernelFile;
use super::{MAX_CPUS, Sampling, Source, text};
use crate::series::{Rows, SeriesTable, Slot};

/// Counters per table. On a machine of 128 cores the whole of `/proc/interrupts` would be tens of thousands of series,
/// few of which anybody reads: the first lines stay, which are the devices'.
const MAX_COUNTERS: usize = 256;

/// Reads a table whose first line names the cores. `each` gets line label, core, count and what follows the counts.
pub fn parse_cores(bytes: &[u8], mut each: impl FnMut(&[u8], &[u8], f64, &[u8])) {
    let mut lines = text::lines(bytes);
    let Some(head) = lines.next() else { return };
    let cores = || text::words(head).map(|word| word.strip_prefix(b"CPU").unwrap_or(word));
    let count = cores().count();
    for line in lines {
        let Some((label, rest)) = text::split_once(line, b':') else { continue };
        let label = label.trim_ascii();
        let mut after = rest;
        for _ in 0..count {
            after = after.trim_ascii_start();
            let end = after.iter().position(u8::is_ascii_whitespace).unwrap_or(after.len());
            after = after.get(end..).unwrap_or_default();
        }
        for (core, word) in cores().zip(text::words(rest)) {
            // ERR and MIS have one number for the machine; the device's name follows at once.
            let Some(value) = text::number(word) else { break };
            each(label, core, value, after.trim_ascii());
        }
    }
}

/// Counters by line and core.
pub struct Cores {
    name: &'static str,
    file: KernelFile,
    rows: Rows<1>,
    key: Vec<u8>,
    define: fn(&mut SeriesTable, &str, &str, &str) -> Slot,
}

impl Cores {
    /// `node_interrupts_total{cpu,type,info,devices}`
    pub fn interrupts(proc: &Path) -> Self {
        Self::new("interrupts", proc, |table, line, core, device| {
            // "PCI-MSIX-0000:00:01.0   0-edge   virtio0-config" or, of the architecture's, "Local timer interrupts".
            let numbered = line.bytes().all(|b| b.is_ascii_digit());
            let (info, devices) = match device.rsplit_once("  ") {
                Some((info, devices)) if numbered => (info.trim(), devices.trim()),
                _ => (device, ""),
            };
            let labels = [("cpu", core), ("type", line), ("info", info), ("devices", devices)];
            table.counter("node_interrupts_total", &labels)
        })
    }

    /// `node_softirqs_functions_total{cpu,type}`
    pub fn softirqs(proc: &Path) -> Self {
        Self::new("softirqs", proc, |table, line, core, _| {
            table.counter("node_softirqs_functions_total", &[("cpu", core), ("type", line)])
        })
    }

    fn new(name: &'static str, proc: &Path, define: fn(&mut SeriesTable, &str, &str, &str) -> Slot) -> Self {
        let file = KernelFile::new(proc.join(name));
        Self { name, file, rows: Rows::new(MAX_COUNTERS), key: Vec::new(), define }
    }
}

impl Source for Cores {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Self { file, rows, key, define, .. } = self;
        rows.begin();
        if let Some(bytes) = file.read(cx.buffer)? {
            let table = &mut *cx.table;
            parse_cores(bytes, |line, core, value, device| {
                key.clear();
                key.extend_from_slice(line);
                key.push(b'\n');
                key.extend_from_slice(core);
                let [slot] = rows.slots(key, table, |table| {
                    [define(table, &text::label(line), &text::label(core), &text::label(device))]
                });
                table.set(slot, value);
            });
        }
        rows.finish(cx.table);
        Ok(())
    }
}

/// What one core counts: the core's number, and up to six counters.
type EachCore<'a> = &'a mut dyn FnMut(&[u8], [Option<f64>; 6]);

/// One line of a table per core: `/proc/net/softnet_stat`, `/proc/schedstat`.
pub struct PerCore {
    name: &'static str,
    file: KernelFile,
    rows: Rows<6>,
    parse: fn(&[u8], EachCore<'_>),
    names: [&'static str; 6],
}

impl PerCore {
    /// `node_softnet_*{cpu}`
    pub fn softnet(proc: &Path) -> Self {
        Self {
            name: "softnet",
            file: KernelFile::new(proc.join("net/softnet_stat")),
            rows: Rows::new(MAX_CPUS),
            parse: parse_softnet,
            names: [
                "node_softnet_processed_total",
                "node_softnet_dropped_total",
                "node_softnet_times_squeezed_total",
                "node_softnet_received_rps_total",
                "node_softnet_flow_limit_count_total",
                "node_softnet_backlog_len",
            ],
        }
    }

    /// `node_schedstat_*{cpu}`
    pub fn schedstat(proc: &Path) -> Self {
        Self {
            name: "schedstat",
            file: KernelFile::new(proc.join("schedstat")),
            rows: Rows::new(MAX_CPUS),
            parse: parse_schedstat,
            names: [
                "node_schedstat_running_seconds_total",
                "node_schedstat_waiting_seconds_total",
                "node_schedstat_timeslices_total",
                "",
                "",
                "",
            ],
        }
    }
}

impl Source for PerCore {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Self { file, rows, parse, names, .. } = self;
        rows.begin();
        if let Some(bytes) = file.read(cx.buffer)? {
            let table = &mut *cx.table;
            parse(bytes, &mut |core, values| {
                let slots = rows.slots(core, table, |table| {
                    let core = text::label(core);
                    let mut present = values.iter().map(Option::is_some);
                    names.map(|name| match present.next() {
                        Some(true) if name.ends_with("_total") => table.counter(name, &[("cpu", &core)]),
                        Some(true) => table.gauge(name, &[("cpu", &core)]),
                        _ => Slot::NONE,
                    })
                });
                for (slot, value) in slots.into_iter().zip(values) {
                    if let Some(value) = value {
                        table.set(slot, value);
                    }
                }
            });
        }
        rows.finish(cx.table);
        Ok(())
    }
}

/// A line per core that is on, in hexadecimal; its number is column 13 since Linux 5.10, else the line's place.
pub fn parse_softnet(bytes: &[u8], each: EachCore<'_>) {
    for (at, line) in text::lines(bytes).enumerate() {
        let mut columns = [None; 13];
        for (column, word) in columns.iter_mut().zip(text::words(line)) {
            *column = text::hexadecimal(word);
        }
        let [processed, dropped, squeezed, .., rps, flow, backlog, core] = columns;
        if processed.is_some() {
            let core = core.or_else(|| u64::try_from(at).ok()).unwrap_or_default();
            let mut digits = Digits::default();
            let number = |n: Option<u64>| n.map(|n| n as f64);
            each(digits.write(core), [processed, dropped, squeezed, rps, flow, backlog].map(number));
        }
    }
}

/// `cpu0 0 0 0 0 0 0 running waiting timeslices`, nanoseconds
pub fn parse_schedstat(bytes: &[u8], each: EachCore<'_>) {
    for line in text::lines(bytes) {
        let Some(rest) = line.strip_prefix(b"cpu") else { continue };
        let mut words = text::words(rest);
        let (Some(core), Some(running), Some(waiting), Some(slices)) =
            (words.next(), words.nth(6), words.next(), words.next())
        else {
            continue;
        };
        let seconds = |word: &[u8]| text::number(word).map(|ns| ns / 1e9);
        each(core, [seconds(running), seconds(waiting), text::number(slices), None, None, None]);
    }
}

/// A number as decimal digits, without allocating.
#[derive(Default)]
struct Digits([u8; 20]);

impl Digits {
    fn write(&mut self, mut number: u64) -> &[u8] {
        let mut from = self.0.len();
        for (at, place) in self.0.iter_mut().enumerate().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            from = at;
            if number == 0 {
                break;
            }
        }
        self.0.get(from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_by_line_and_core() {
        let mut found = Vec::new();
        let input = "           CPU0       CPU2       \n 24:          1          0  IO-APIC   5-edge      ACPI:Ged\n\
                     NMI:   7   8   Non-maskable interrupts\nERR:          3\nbad\n";
        parse_cores(input.as_bytes(), |line, core, value, device| {
            found.push(format!(
                "{} {} {value} {}",
                text::label(line),
                text::label(core),
                text::label(device)
            ));
        });
        assert_eq!(
            found,
            [
                "24 0 1 IO-APIC   5-edge      ACPI:Ged",
                "24 2 0 IO-APIC   5-edge      ACPI:Ged",
                "NMI 0 7 Non-maskable interrupts",
                "NMI 2 8 Non-maskable interrupts",
                "ERR 0 3 ",
            ]
        );
    }

    #[test]
    fn softnet_of_old_and_new_kernels() {
        let check = |input: &str, expect: &[&str]| {
            let mut found = Vec::new();
            parse_softnet(input.as_bytes(), &mut |core, values| {
                let known: Vec<_> = values.iter().flatten().collect();
                found.push(format!("{} {known:?}", text::label(core)));
            });
            assert_eq!(found, expect, "{input:?}");
        };
        check(
            "0000000b 00000001 00000002 0 0 0 0 0 0 00000003 00000004 00000005 0000000c 0 0\n",
            &["12 [11.0, 1.0, 2.0, 3.0, 4.0, 5.0]"],
        );
        // 2.6.32 had nine columns.
        check(
            "00000001 0 0 0 0 0 0 0 0\n00000002 0 0 0 0 0 0 0 0\n",
            &["0 [1.0, 0.0, 0.0]", "1 [2.0, 0.0, 0.0]"],
        );
        check("zz\n\n", &[]);
    }

    #[test]
    fn schedstat() {
        let mut found = Vec::new();
        let input =
            "version 15\ntimestamp 1\ncpu10 0 0 0 0 0 0 2000000000 1000000000 42\ndomain0 3 1\ncpu1 0\n";
        parse_schedstat(input.as_bytes(), &mut |core, v| found.push((text::label(core).into_owned(), v)));
        assert_eq!(found, [("10".to_owned(), [Some(2.0), Some(1.0), Some(42.0), None, None, None])]);
    }
}
