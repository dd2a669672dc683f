//! The few things of /proc that supervising needs.

use std::fs;
use std::time::Duration;

/// Some fields of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    /// `R`, `S`, `Z`, …
    pub(crate) state: char,
    /// User and system time in ticks, with that of children that were waited for.
    pub(crate) cpu_ticks: u64,
    /// Ticks from boot to start.
    pub(crate) start_ticks: u64,
    pub(crate) resident_pages: u64,
}

impl Stat {
    /// Reads one; the program's name in parentheses may hold anything, even `) R 1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, tail) = text.rsplit_once(')')?;
        let pid = head.split(' ').next()?.parse().ok()?;
        let mut fields = tail.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // Now at field 4 of proc_pid_stat(5).
        let mut number = |skip: usize| fields.nth(skip)?.parse::<i64>().ok();
        let user = number(10)?;
        let more = [number(0)?, number(0)?, number(0)?];
        let cpu_ticks = more.into_iter().fold(user, i64::saturating_add);
        let start_ticks = number(4)?;
        let resident_pages = number(1).unwrap_or(0);
        let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
        Some(Self {
            pid,
            state,
            cpu_ticks: unsigned(cpu_ticks),
            start_ticks: unsigned(start_ticks),
            resident_pages: unsigned(resident_pages),
        })
    }

    /// The kernel's clock ticks as a length of time.
    pub(crate) fn ticks(ticks: u64) -> Duration {
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        Duration::from_millis(ticks.saturating_mul(1_000) / per_second)
    }

    /// Of a process that is there.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Processor time.
    pub(crate) fn cpu(&self) -> Duration {
        Self::ticks(self.cpu_ticks)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.resident_pages.saturating_mul(rustix::param::page_size() as u64)
    }
}

/// Processes whose environment holds `LEPTON_RUN=<cookie>`: those of one run of a replica, wherever they went.
/// Reads the environment of every process it may read; only used where there is no control group.
pub(crate) fn with_cookie(cookie: &str) -> Vec<i32> {
    let wanted = format!("{}={cookie}", super::environment::RUN);
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|&b| b == 0).any(|entry| entry == wanted.as_bytes()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_are_parsed() {
        let check = |text: &str, expect: Option<(i32, char, u64, u64, u64)>| {
            let found =
                Stat::parse(text).map(|s| (s.pid, s.state, s.cpu_ticks, s.start_ticks, s.resident_pages));
            assert_eq!(found, expect, "{text:?}");
        };
        let line = "1234 (tmux: server) S 1 1234 1234 0 -1 4194368 3160 9 0 0 95 120 3 4 20 0 1 0 29731 8658944 1087 18446744073709551615";
        check(line, Some((1234, 'S', 222, 29731, 1087)));
        check("7 (x) R 1 (y)) Z 1 7 7 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 55 0 0", Some((7, 'Z', 3, 55, 0)));
        check("7 (x", None);
        check("7 (x) S 1 2", None);
        check("", None);
    }
}
