//! Network interfaces: traffic from `/proc/net/dev`, state from `/sys/class/net`.

use std::io;
use std::path::{Path, PathBuf};

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::{Rows, Slot};

/// Interfaces beyond this many are left out (a container host has one per container).
const MAX_INTERFACES: usize = 64;

const FIELDS: [&str; 16] = [
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_receive_errs_total",
    "node_network_receive_drop_total",
    "node_network_receive_fifo_total",
    "node_network_receive_frame_total",
    "node_network_receive_compressed_total",
    "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",
    "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",
    "node_network_transmit_compressed_total",
];

/// Reads `/proc/net/dev`: interface and its 16 counters.
pub fn parse(bytes: &[u8], mut each: impl FnMut(&[u8], [f64; 16])) {
    for line in text::lines(bytes) {
        // An alias has a colon in its name (`eth0:1`); the counters follow the last one.
        let Some(at) = memchr::memrchr(b':', line) else { continue };
        let (Some(name), Some(rest)) = (line.get(..at), line.get(at + 1..)) else { continue };
        let mut counters = [0.0; 16];
        let mut found = 0;
        for (counter, word) in counters.iter_mut().zip(text::words(rest)) {
            let Some(number) = text::number(word) else { break };
            *counter = number;
            found += 1;
        }
        if found == counters.len() {
            each(name.trim_ascii(), counters);
        }
    }
}

/// `node_network_{receive,transmit}_*_total{device}`
pub struct Traffic {
    file: KernelFile,
    rows: Rows<16>,
}

impl Traffic {
    /// Reads `{proc}/net/dev`.
    pub fn new(proc: &Path) -> Self {
        Self { file: KernelFile::new(proc.join("net/dev")), rows: Rows::new(MAX_INTERFACES) }
    }
}

impl Source for Traffic {
    fn name(&self) -> &'static str {
        "netdev"
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Self { file, rows } = self;
        rows.begin();
        if let Some(bytes) = file.read(cx.buffer)? {
            let table = &mut *cx.table;
            parse(bytes, |device, counters| {
                let slots = rows.slots(device, table, |table| {
                    let device = text::label(device);
                    FIELDS.map(|name| table.counter(name, &[("device", &device)]))
                });
                for (slot, counter) in slots.into_iter().zip(counters) {
                    table.set(slot, counter);
                }
            });
        }
        rows.finish(cx.table);
        Ok(())
    }
}

/// Attributes of `/sys/class/net/*`, the series they become, and their unit in the series' unit.
const ATTRIBUTES: [(&str, &str, f64); 7] = [
    ("carrier", "node_network_carrier", 1.0),
    ("carrier_changes", "node_network_carrier_changes_total", 1.0),
    ("carrier_up_count", "node_network_carrier_up_changes_total", 1.0),
    ("carrier_down_count", "node_network_carrier_down_changes_total", 1.0),
    ("mtu", "node_network_mtu_bytes", 1.0),
    ("tx_queue_len", "node_network_transmit_queue_length", 1.0),
    // Megabits to bytes.
    ("speed", "node_network_speed_bytes", 125_000.0),
];

/// `node_network_{up,carrier,mtu_bytes,speed_bytes,…}{device}`, of each interface's small files
pub struct Links {
    folder: PathBuf,
    rows: Rows<8>,
}

impl Links {
    /// Reads `{sys}/class/net/*/*`.
    pub fn new(sys: &Path) -> Self {
        Self { folder: sys.join("class/net"), rows: Rows::new(MAX_INTERFACES) }
    }
}

impl Source for Links {
    fn name(&self) -> &'static str {
        "netclass"
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        self.rows.begin();
        for entry in super::folder(&self.folder)?.take(MAX_INTERFACES) {
            let path = entry.path();
            let device = entry.file_name();
            let device = device.to_string_lossy();
            let mut read = |name: &str| {
                // An interface that is down answers EINVAL for speed and carrier.
                let found = KernelFile::new(path.join(name)).read(cx.buffer).ok().flatten()?;
                Some(found.trim_ascii().to_vec())
            };
            let up = read("operstate").map(|state| f64::from(u8::from(state == b"up")));
            let values = ATTRIBUTES.map(|(name, _, unit)| {
                let value = read(name).and_then(|value| text::number(&value)).filter(|value| *value >= 0.0);
                value.map(|value| value * unit)
            });
            let slots = self.rows.slots(device.as_bytes(), cx.table, |table| {
                let mut names = std::iter::once("node_network_up").chain(ATTRIBUTES.map(|(_, name, _)| name));
                std::array::from_fn(|_| match names.next() {
                    Some(name) if name.ends_with("_total") => table.counter(name, &[("device", &device)]),
                    Some(name) => table.gauge(name, &[("device", &device)]),
                    None => Slot::NONE,
                })
            });
            for (slot, value) in slots.into_iter().zip(std::iter::once(up).chain(values)) {
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
    fn interfaces_with_and_without_blank_after_the_colon() {
        let check = |input: &str, expect: &[(&str, f64, f64)]| {
            let mut found = Vec::new();
            parse(input.as_bytes(), |device, c| found.push((text::label(device).into_owned(), c[0], c[15])));
            let found: Vec<_> = found.iter().map(|(d, a, b)| (d.as_str(), *a, *b)).collect();
            assert_eq!(found, expect, "{input:?}");
        };
        let head = "Inter-|   Receive   |  Transmit\n face |bytes    packets errs|bytes\n";
        check(&format!("{head}    lo:    3193 29 0 0 0 0 0 0 3193 29 0 0 0 0 0 9\n"), &[("lo", 3193.0, 9.0)]);
        check("eth0:1:5 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n", &[("eth0:1", 5.0, 15.0)]);
        check("eth0: 5 1 2 3\n", &[]);
        check("", &[]);
    }
}
