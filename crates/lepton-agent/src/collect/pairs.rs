//! Files that are a list of names and numbers: meminfo, vmstat, sockstat, snmp, netstat, buddyinfo, zoneinfo.
//!
//! One parser (a pure function on bytes) and one naming rule each; finding the slot again is the same for all.

use std::io;
use std::path::PathBuf;

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::{MetricKind, Rows, SeriesTable, Slot};

/// Gets each number with its group (`TCP`, or empty) and key (`inuse`).
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8], f64);

/// A file of names and numbers.
pub struct Pairs {
    name: &'static str,
    file: KernelFile,
    rows: Rows<1>,
    key: Vec<u8>,
    parse: fn(&[u8], Each<'_>),
    define: fn(&mut SeriesTable, &str, &str) -> Slot,
}

impl Pairs {
    fn new(
        name: &'static str,
        path: PathBuf,
        limit: usize,
        parse: fn(&[u8], Each<'_>),
        define: fn(&mut SeriesTable, &str, &str) -> Slot,
    ) -> Self {
        Self { name, file: KernelFile::new(path), rows: Rows::new(limit), key: Vec::new(), parse, define }
    }

    /// `/proc/meminfo` → `node_memory_*`
    pub fn meminfo(proc: &std::path::Path) -> Self {
        Self::new("meminfo", proc.join("meminfo"), 128, parse_meminfo, |table, _, key| {
            let name = key.replace('(', "_").replace(')', "");
            table.gauge(&format!("node_memory_{name}"), &[])
        })
    }

    /// `/proc/vmstat` → `node_vmstat_*`
    pub fn vmstat(proc: &std::path::Path) -> Self {
        Self::new("vmstat", proc.join("vmstat"), 320, parse_vmstat, |table, _, key| {
            table.define_as(level_or_count(key.starts_with("nr_")), &format!("node_vmstat_{key}"), &[])
        })
    }

    /// `/proc/net/sockstat` → `node_sockstat_*`
    pub fn sockstat(proc: &std::path::Path) -> Self {
        Self::new("sockstat", proc.join("net/sockstat"), 32, parse_sockstat, define_sockstat)
    }

    /// `/proc/net/sockstat6` → `node_sockstat_*6_*`
    pub fn sockstat6(proc: &std::path::Path) -> Self {
        Self::new("sockstat6", proc.join("net/sockstat6"), 32, parse_sockstat, define_sockstat)
    }

    /// `/proc/net/snmp` → `node_netstat_{Ip,Icmp,Tcp,Udp…}_*`
    pub fn snmp(proc: &std::path::Path) -> Self {
        Self::new("snmp", proc.join("net/snmp"), 256, parse_netstat, define_netstat)
    }

    /// `/proc/net/netstat` → `node_netstat_{TcpExt,IpExt,MPTcpExt}_*`
    pub fn netstat(proc: &std::path::Path) -> Self {
        Self::new("netstat", proc.join("net/netstat"), 320, parse_netstat, define_netstat)
    }

    /// `/proc/net/snmp6` → `node_netstat_{Ip6,Icmp6,Udp6…}_*`
    pub fn snmp6(proc: &std::path::Path) -> Self {
        Self::new("snmp6", proc.join("net/snmp6"), 160, parse_snmp6, define_netstat)
    }

    /// `/proc/buddyinfo` → `node_buddyinfo_blocks{numa_node,zone,size}`
    pub fn buddyinfo(proc: &std::path::Path) -> Self {
        Self::new("buddyinfo", proc.join("buddyinfo"), 256, parse_buddyinfo, |table, zone, size| {
            let (node, zone) = zone.split_once(' ').unwrap_or_default();
            table.gauge("node_buddyinfo_blocks", &[("numa_node", node), ("zone", zone), ("size", size)])
        })
    }

    /// `/proc/zoneinfo` → `node_zoneinfo_*{numa_node,zone}`, the lines of each zone (not `node`: that label names the machine)
    pub fn zoneinfo(proc: &std::path::Path) -> Self {
        Self::new("zoneinfo", proc.join("zoneinfo"), 320, parse_zoneinfo, |table, zone, key| {
            let (node, zone) = zone.split_once(' ').unwrap_or_default();
            let labels = [("numa_node", node), ("zone", zone)];
            let counts = key.starts_with("numa_");
            table.define_as(level_or_count(!counts), &format!("node_zoneinfo_{key}"), &labels)
        })
    }
}

fn level_or_count(level: bool) -> MetricKind {
    if level { MetricKind::Gauge } else { MetricKind::Counter }
}

fn define_sockstat(table: &mut SeriesTable, group: &str, key: &str) -> Slot {
    table.gauge(&format!("node_sockstat_{group}_{key}"), &[])
}

fn define_netstat(table: &mut SeriesTable, group: &str, key: &str) -> Slot {
    const LEVELS: &[&str] =
        &["CurrEstab", "Forwarding", "DefaultTTL", "RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"];
    table.define_as(level_or_count(LEVELS.contains(&key)), &format!("node_netstat_{group}_{key}"), &[])
}

impl Source for Pairs {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Self { file, rows, key: whole, parse, define, .. } = self;
        rows.begin();
        if let Some(bytes) = file.read(cx.buffer)? {
            let table = &mut *cx.table;
            parse(bytes, &mut |group, key, value| {
                whole.clear();
                whole.extend_from_slice(group);
                whole.push(b'\n');
                whole.extend_from_slice(key);
                let [slot] = rows.slots(whole, table, |table| {
                    let (group, key) = (text::label(group), text::label(key));
                    [define(table, &group, &metric_word(&key))]
                });
                table.set(slot, value);
            });
        }
        rows.finish(cx.table);
        Ok(())
    }
}

/// What may stand in a metric's name; anything else becomes `_`. Parentheses stay for meminfo's rule.
fn metric_word(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '(' | ')') { c } else { '_' }).collect()
}

/// `MemTotal:   24105 kB`
pub fn parse_meminfo(bytes: &[u8], each: Each<'_>) {
    let mut name = [0_u8; 48];
    for line in text::lines(bytes) {
        let Some((key, rest)) = text::split_once(line, b':') else { continue };
        let mut words = text::words(rest);
        let Some(value) = words.next().and_then(text::number) else { continue };
        match words.next() {
            // node-exporter's name of a kilobyte line ends in `_bytes`.
            Some(b"kB") => {
                let length = key.len() + b"_bytes".len();
                let Some(place) = name.get_mut(..length) else { continue };
                let (head, tail) = place.split_at_mut(key.len());
                head.copy_from_slice(key);
                tail.copy_from_slice(b"_bytes");
                each(b"", place, value * 1024.0);
            }
            _ => each(b"", key, value),
        }
    }
}

/// `pgfault 12345`
pub fn parse_vmstat(bytes: &[u8], each: Each<'_>) {
    for line in text::lines(bytes) {
        if let Some((key, value)) = text::split_once(line, b' ')
            && let Some(value) = text::number(value)
        {
            each(b"", key, value);
        }
    }
}

/// `TCP: inuse 3 orphan 0 tw 0 alloc 5 mem 1`
pub fn parse_sockstat(bytes: &[u8], each: Each<'_>) {
    for line in text::lines(bytes) {
        let Some((group, rest)) = text::split_once(line, b':') else { continue };
        let mut words = text::words(rest);
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            if let Some(value) = text::number(value) {
                each(group, key, value);
                if key == b"mem" {
                    each(group, b"mem_bytes", value * super::page_size());
                }
            }
        }
    }
}

/// Pairs of lines: `Tcp: RtoMin ActiveOpens …`, then `Tcp: 200 17 …`
pub fn parse_netstat(bytes: &[u8], each: Each<'_>) {
    let mut lines = text::lines(bytes);
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((group, names)), Some((again, values))) =
            (text::split_once(names, b':'), text::split_once(values, b':'))
        else {
            continue;
        };
        if group != again {
            continue;
        }
        for (key, value) in text::words(names).zip(text::words(values)) {
            if let Some(value) = text::number(value) {
                each(group, key, value);
            }
        }
    }
}

/// `Ip6InReceives   42`: the group ends with its `6`.
pub fn parse_snmp6(bytes: &[u8], each: Each<'_>) {
    for line in text::lines(bytes) {
        let mut words = text::words(line);
        let (Some(key), Some(value)) = (words.next(), words.next().and_then(text::number)) else { continue };
        if let Some(six) = memchr::memchr(b'6', key)
            && let Some((group, key)) = key.split_at_checked(six + 1)
        {
            each(group, key, value);
        }
    }
}

/// `Node 0, zone   Normal   2010   4877 …`: free blocks of 1, 2, 4, … pages
pub fn parse_buddyinfo(bytes: &[u8], each: Each<'_>) {
    const ORDERS: [&[u8]; 16] = [
        b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"10", b"11", b"12", b"13", b"14", b"15",
    ];
    for line in text::lines(bytes) {
        let mut words = text::words(line);
        let Some(group) = zone(&mut words) else { continue };
        for (order, count) in ORDERS.iter().zip(words) {
            if let Some(count) = text::number(count) {
                each(group.as_ref(), order, count);
            }
        }
    }
}

/// Zones, each a headline and `key value` lines; per-node and per-cpu parts are left out.
pub fn parse_zoneinfo(bytes: &[u8], each: Each<'_>) {
    let mut group = None;
    let mut inside = false;
    for line in text::lines(bytes) {
        let mut words = text::words(line);
        if line.starts_with(b"Node") {
            group = zone(&mut words);
            inside = false;
            continue;
        }
        let Some(group) = &group else { continue };
        match (words.next(), words.next(), words.next()) {
            (Some(b"per-node"), ..) | (Some(b"pagesets"), ..) => inside = false,
            (Some(b"pages"), Some(b"free"), Some(value)) => {
                inside = true;
                if let Some(value) = text::number(value) {
                    each(group.as_ref(), b"nr_free_pages", value);
                }
            }
            (Some(key), Some(value), None) if inside => {
                if let Some(value) = text::number(value)
                    && key != b"nr_free_pages"
                {
                    each(group.as_ref(), key, value);
                }
            }
            _ => {}
        }
    }
}

/// Node and zone of a `Node 0, zone Normal` line, as `0 Normal`.
fn zone<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Option<ZoneName> {
    let (b"Node", node, b"zone", zone) = (words.next()?, words.next()?, words.next()?, words.next()?) else {
        return None;
    };
    ZoneName::new(node.strip_suffix(b",")?, zone)
}

/// `0 Normal`, without allocating.
struct ZoneName {
    bytes: [u8; 32],
    length: usize,
}

impl ZoneName {
    fn new(node: &[u8], zone: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = node.len() + 1 + zone.len();
        let (head, tail) = bytes.get_mut(..length)?.split_at_mut(node.len());
        head.copy_from_slice(node);
        let (space, tail) = tail.split_first_mut()?;
        *space = b' ';
        tail.copy_from_slice(zone);
        Some(Self { bytes, length })
    }
}

impl AsRef<[u8]> for ZoneName {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parse: fn(&[u8], Each<'_>), input: &str, expect: &[(&str, &str, f64)]) {
        let mut found = Vec::new();
        parse(input.as_bytes(), &mut |group, key, value| {
            found.push((text::label(group).into_owned(), text::label(key).into_owned(), value));
        });
        let found: Vec<_> = found.iter().map(|(g, k, v)| (g.as_str(), k.as_str(), *v)).collect();
        assert_eq!(found, expect, "{input:?}");
    }

    #[test]
    fn meminfo() {
        check(
            parse_meminfo,
            "MemTotal:       24683816 kB\nActive(anon):       1580 kB\nHugePages_Total:       0\nbroken\nX: y kB\n",
            &[
                ("", "MemTotal_bytes", 25_276_227_584.0),
                ("", "Active(anon)_bytes", 1_617_920.0),
                ("", "HugePages_Total", 0.0),
            ],
        );
        // 2.6.32 (RHEL 6): other keys, same shape; a cut last line is left out.
        check(
            parse_meminfo,
            "VmallocChunk:   34359736283 kB\nDirectMap4k:",
            &[("", "VmallocChunk_bytes", 35_184_369_953_792.0)],
        );
    }

    #[test]
    fn vmstat() {
        check(
            parse_vmstat,
            "nr_free_pages 5\npgfault 7\n\nbad\nworse x\n",
            &[("", "nr_free_pages", 5.0), ("", "pgfault", 7.0)],
        );
    }

    #[test]
    fn sockstat() {
        let page = super::super::page_size();
        check(
            parse_sockstat,
            "sockets: used 15\nTCP: inuse 1 orphan 0 mem 2\nFRAG: inuse 0 memory 0\n",
            &[
                ("sockets", "used", 15.0),
                ("TCP", "inuse", 1.0),
                ("TCP", "orphan", 0.0),
                ("TCP", "mem", 2.0),
                ("TCP", "mem_bytes", 2.0 * page),
                ("FRAG", "inuse", 0.0),
                ("FRAG", "memory", 0.0),
            ],
        );
    }

    #[test]
    fn netstat() {
        check(
            parse_netstat,
            "Tcp: RtoMin MaxConn CurrEstab\nTcp: 200 -1 4\nUdp: InErrors\nOther: 1\nIcmp:",
            &[("Tcp", "RtoMin", 200.0), ("Tcp", "MaxConn", -1.0), ("Tcp", "CurrEstab", 4.0)],
        );
    }

    #[test]
    fn snmp6() {
        check(
            parse_snmp6,
            "Ip6InReceives 3\nIcmp6OutType133\t6\nUdpLite6InErrors 0\nbad 1\n",
            &[("Ip6", "InReceives", 3.0), ("Icmp6", "OutType133", 6.0), ("UdpLite6", "InErrors", 0.0)],
        );
    }

    #[test]
    fn zones() {
        check(
            parse_buddyinfo,
            "Node 0, zone      DMA      1      0\nNode 1, zone\n",
            &[("0 DMA", "0", 1.0), ("0 DMA", "1", 0.0)],
        );
        check(
            parse_zoneinfo,
            "Node 0, zone      DMA\n  per-node stats\n      nr_mapped    4274\n  pages free     3840\n        min      49\n        \
             protection: (0, 1, 2)\n      nr_free_pages 3840\n      numa_hit     5\n  pagesets\n    cpu: 0\n       count:    0\n  start_pfn:           1\n",
            &[("0 DMA", "nr_free_pages", 3840.0), ("0 DMA", "min", 49.0), ("0 DMA", "numa_hit", 5.0)],
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            for parse in [parse_meminfo, parse_vmstat, parse_sockstat, parse_netstat, parse_snmp6, parse_buddyinfo, parse_zoneinfo] {
                parse(&bytes, &mut |_, _, value| assert!(!value.is_nan()));
            }
        }
    }
}
