//! Processes: how many in which state, threads, and the programs that use most.
//!
//! Reading `/proc/*/stat` costs about 10 µs a process, so this source is a slow one, reads at most [`MAX_PROCESSES`],
//! and says so in `lepton_node_processes_unread`. Programs are grouped by name, as process-exporter does, because a
//! series per pid would never end; only the [`MAX_GROUPS`] that used most are series.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::kernel_file::KernelFile;
use super::{Sampling, Source, text};
use crate::series::{Rows, Slot};

const MAX_PROCESSES: usize = 4096;

/// Programs that are series.
const MAX_GROUPS: usize = 20;

/// A line of `/proc/{pid}/stat`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stat<'a> {
    /// The program's name, at most 15 bytes.
    pub name: &'a [u8],
    /// `R`, `S`, `D`, `Z`, …
    pub state: u8,
    /// Clock ticks in user mode and in the kernel.
    pub ticks: [f64; 2],
    /// Threads.
    pub threads: f64,
    /// Pages in memory.
    pub pages: f64,
}

/// Reads `/proc/{pid}/stat`. The name is in parentheses and may hold any byte, parentheses too.
pub fn parse(bytes: &[u8]) -> Option<Stat<'_>> {
    let (open, close) = (memchr::memchr(b'(', bytes)?, memchr::memrchr(b')', bytes)?);
    let name = bytes.get(open + 1..close)?;
    let mut words = text::words(bytes.get(close + 1..)?);
    let state = *words.next()?.first()?;
    // Numbering of proc(5): state is field 3.
    let user = text::number(words.nth(14 - 4)?)?;
    let system = text::number(words.next()?)?;
    let threads = text::number(words.nth(20 - 16)?)?;
    let pages = text::number(words.nth(24 - 21)?)?;
    Some(Stat { name, state, ticks: [user, system], threads, pages })
}

/// All processes of one name.
#[derive(Debug, Clone, Default)]
struct Group {
    processes: f64,
    threads: f64,
    ticks: [f64; 2],
    pages: f64,
    /// Ticks used since the last look.
    recent: f64,
}

/// All processes of this moment.
#[derive(Debug, Default)]
struct Scan {
    groups: BTreeMap<Box<[u8]>, Group>,
    states: BTreeMap<u8, f64>,
    /// More processes than are read.
    unread: f64,
}

/// Ticks of a process when it was last looked at, to add up a group that processes come to and leave.
#[derive(Debug, Clone, Copy)]
struct Seen {
    ticks: [f64; 2],
    pass: u32,
}

/// `node_processes_*` and `namedprocess_namegroup_*{groupname}`
pub struct Processes {
    proc: PathBuf,
    limits: [(KernelFile, &'static str, Option<Slot>); 2],
    states: Rows<1>,
    totals: Option<[Slot; 3]>,
    groups: Rows<5>,
    seen: BTreeMap<u32, Seen>,
    /// Ticks of every group ever seen that still has processes: they only grow.
    used: BTreeMap<Box<[u8]>, [f64; 2]>,
    pass: u32,
    stat: Vec<u8>,
}

impl Processes {
    /// Reads `{proc}/[0-9]*/stat`.
    pub fn new(proc: &Path) -> Self {
        let limit = |file: &str, name| (KernelFile::new(proc.join("sys/kernel").join(file)), name, None);
        Self {
            proc: proc.to_path_buf(),
            limits: [
                limit("pid_max", "node_processes_max_processes"),
                limit("threads-max", "node_processes_max_threads"),
            ],
            states: Rows::new(16),
            totals: None,
            groups: Rows::new(MAX_GROUPS),
            seen: BTreeMap::new(),
            used: BTreeMap::new(),
            pass: 0,
            stat: Vec::with_capacity(512),
        }
    }

    fn scan(&mut self) -> io::Result<Scan> {
        let Scan { mut groups, mut states, mut unread } = Scan::default();
        let mut read = 0;
        self.pass = self.pass.wrapping_add(1);
        for entry in super::folder(&self.proc)? {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if read == MAX_PROCESSES {
                unread += 1.0;
                continue;
            }
            self.stat.clear();
            // A process may end between the listing and here.
            let opened = std::fs::File::open(entry.path().join("stat"));
            if opened.and_then(|file| file.take(4096).read_to_end(&mut self.stat)).is_err() {
                continue;
            }
            let Some(stat) = parse(&self.stat) else { continue };
            read += 1;
            *states.entry(stat.state).or_insert(0.0) += 1.0;
            let before = self.seen.insert(pid, Seen { ticks: stat.ticks, pass: self.pass });
            // A pid that was given to another process counts from zero again.
            let grown: [f64; 2] = std::array::from_fn(|at| {
                let now = stat.ticks.get(at).copied().unwrap_or_default();
                let before = before.and_then(|seen| seen.ticks.get(at).copied()).unwrap_or_default();
                if now >= before { now - before } else { now }
            });
            if !groups.contains_key(stat.name) {
                groups.insert(stat.name.into(), Group::default());
            }
            if let Some(group) = groups.get_mut(stat.name) {
                group.processes += 1.0;
                group.threads += stat.threads;
                group.pages += stat.pages;
                group.recent += grown.iter().sum::<f64>();
                group.ticks = std::array::from_fn(|at| {
                    group.ticks.get(at).copied().unwrap_or_default()
                        + grown.get(at).copied().unwrap_or_default()
                });
            }
        }
        let pass = self.pass;
        self.seen.retain(|_, seen| seen.pass == pass);
        self.used.retain(|name, _| groups.contains_key(name));
        for (name, group) in &mut groups {
            let used = self.used.entry(name.clone()).or_default();
            *used = std::array::from_fn(|at| {
                used.get(at).copied().unwrap_or_default() + group.ticks.get(at).copied().unwrap_or_default()
            });
            group.ticks = *used;
        }
        Ok(Scan { groups, states, unread })
    }
}

impl Source for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn sample(&mut self, cx: &mut Sampling<'_>) -> io::Result<()> {
        let Scan { groups, states, unread } = self.scan()?;
        let table = &mut *cx.table;
        self.states.begin();
        for (state, count) in states {
            let [slot] = self.states.slots(&[state], table, |table| {
                [table.gauge("node_processes_state", &[("state", &char::from(state).to_string())])]
            });
            table.set(slot, count);
        }
        self.states.finish(table);

        let [pids, threads, left] = *self.totals.get_or_insert_with(|| {
            ["node_processes_pids", "node_processes_threads", "lepton_node_processes_unread"]
                .map(|name| table.gauge(name, &[]))
        });
        table.set(pids, groups.values().map(|group| group.processes).sum());
        table.set(threads, groups.values().map(|group| group.threads).sum());
        table.set(left, unread);

        self.groups.begin();
        for (name, group) in largest(&groups) {
            let slots = self.groups.slots(name, table, |table| {
                let name = text::label(name);
                let cpu = |mode| [("groupname", &*name), ("mode", mode)];
                [
                    table.counter("namedprocess_namegroup_cpu_seconds_total", &cpu("user")),
                    table.counter("namedprocess_namegroup_cpu_seconds_total", &cpu("system")),
                    table.gauge(
                        "namedprocess_namegroup_memory_bytes",
                        &[("groupname", &name), ("memtype", "resident")],
                    ),
                    table.gauge("namedprocess_namegroup_num_procs", &[("groupname", &name)]),
                    table.gauge("namedprocess_namegroup_num_threads", &[("groupname", &name)]),
                ]
            });
            let [user, system] = group.ticks.map(|ticks| ticks / super::clock_ticks());
            let memory = group.pages * super::page_size();
            for (slot, value) in slots.into_iter().zip([user, system, memory, group.processes, group.threads])
            {
                table.set(slot, value);
            }
        }
        self.groups.finish(table);

        for (file, name, slot) in &mut self.limits {
            if let Some(limit) = file.read(cx.buffer)?.and_then(|bytes| text::number(bytes.trim_ascii())) {
                let slot = *slot.get_or_insert_with(|| cx.table.gauge(name, &[]));
                cx.table.set(slot, limit);
            }
        }
        Ok(())
    }
}

/// The groups that use most: half of the places to processor time, the rest to memory; by name, so that rows keep
/// their order.
fn largest(groups: &BTreeMap<Box<[u8]>, Group>) -> BTreeMap<&[u8], &Group> {
    let mut order: Vec<_> = groups.iter().filter(|(_, group)| group.pages > 0.0).collect();
    order.sort_by(|(_, a), (_, b)| b.recent.total_cmp(&a.recent));
    let mut largest: BTreeMap<&[u8], &Group> =
        order.iter().take(MAX_GROUPS / 2).map(|(name, group)| (&***name, *group)).collect();
    order.sort_by(|(_, a), (_, b)| b.pages.total_cmp(&a.pages));
    for (name, group) in order {
        if largest.len() == MAX_GROUPS {
            break;
        }
        largest.insert(name, group);
    }
    largest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = "S 1 1 1 0 -1 4194560 1 2 3 4 11 7 0 0 20 0 3 0 99 1000 250 18446744073709551615 1";
        let check = |name: &str| {
            let line = format!("42 ({name}) {rest}\n");
            let expect =
                Stat { name: name.as_bytes(), state: b'S', ticks: [11.0, 7.0], threads: 3.0, pages: 250.0 };
            assert_eq!(parse(line.as_bytes()), Some(expect), "{name}");
        };
        check("systemd");
        check("a) R 1 (b");
        check("");
        assert_eq!(parse(b"42 (cut) S 1 2"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b") ("), None);
    }

    #[test]
    fn this_process_is_among_those_found() {
        let mut processes = Processes::new(Path::new("/proc"));
        let Scan { groups, states, unread } = processes.scan().unwrap();
        assert!(groups.values().any(|group| group.pages > 0.0));
        // `/proc/PID/stat` tells the state of the main thread, which sleeps while a test's own thread reads this.
        assert!(states.values().sum::<f64>() >= 1.0 && unread >= 0.0);
        assert!(largest(&groups).len() <= MAX_GROUPS);
    }
}
