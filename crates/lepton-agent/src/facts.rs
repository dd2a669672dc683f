//! What this machine is and what it has, as far as this agent may use it.

use std::path::Path;

use lepton_model::{Bytes, Cpu, Facts, Resources};

use crate::collect::{Layout, Roots};

/// What the machine is. What cannot be found is empty.
pub fn facts(roots: &Roots) -> Facts {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let uname = rustix::system::uname();
    let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
    let os_release = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .map(|path| read(&roots.root.join(path)))
        .find(|release| !release.is_empty());
    Facts {
        hostname: text(uname.nodename()),
        os: os_release.as_deref().and_then(pretty_name).unwrap_or_default(),
        kernel: text(uname.release()),
        architecture: text(uname.machine()),
        machine_id: read(&roots.root.join("etc/machine-id")),
        boot_id: read(&roots.proc.join("sys/kernel/random/boot_id")),
        cgroups: Layout::find(&roots.sys).to_string(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// `PRETTY_NAME` of an os-release file.
fn pretty_name(release: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// What the machine has: cores and memory, less where the agent's control group, and so all it starts, is limited to
/// less (a container); and the disk that `state` is on.
pub fn capacity(roots: &Roots, state: &Path) -> Resources {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let meminfo = std::fs::read_to_string(roots.proc.join("meminfo")).unwrap_or_default();
    let disk = rustix::fs::statvfs(state).map_or(0, |found| found.f_frsize.saturating_mul(found.f_blocks));
    let limit = memory_limit(roots).unwrap_or(u64::MAX);
    Resources {
        // `available_parallelism` knows affinity and cgroup quotas.
        cpu: Cpu::from_millis(cores.saturating_mul(1_000)),
        memory: Bytes::new(mem_total(&meminfo).unwrap_or(0).min(limit)),
        disk: Bytes::new(disk),
        other: std::collections::BTreeMap::new(),
    }
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The least memory limit of the agent's own control group and those above it.
fn memory_limit(roots: &Roots) -> Option<u64> {
    let own = std::fs::read_to_string(roots.proc.join("self/cgroup")).ok()?;
    let root = roots.sys.join("fs/cgroup");
    let mut least = None;
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (tree, file) = match controllers {
            "" => (root.clone(), "memory.max"),
            v1 if v1.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // In a container the path is the host's while the tree begins at the container: then only the root is there.
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = std::fs::read_to_string(tree.join(group).join(file)).ok();
            let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
            least = least.into_iter().chain(limit).min();
        }
    }
    least
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn roots(at: &Path) -> Roots {
        Roots { proc: at.join("proc"), sys: at.join("sys"), root: at.to_path_buf() }
    }

    #[test]
    fn a_container_has_what_its_group_allows() {
        let check = |files: &[(&str, &str)], expect: u64| {
            let at = tempfile::tempdir().unwrap();
            put(at.path(), "proc/meminfo", "MemTotal:   1000 kB\n");
            files.iter().for_each(|(path, text)| put(at.path(), path, text));
            assert_eq!(capacity(&roots(at.path()), at.path()).memory.get(), expect, "{files:?}");
        };
        check(&[], 1_024_000);
        check(&[("proc/self/cgroup", "0::/a/b\n"), ("sys/fs/cgroup/a/memory.max", "5000\n")], 5_000);
        check(
            &[
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/memory.max", "5000\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ],
            5_000,
        );
        check(
            &[
                ("proc/self/cgroup", "4:cpu,memory:/docker/x\n0::/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n"),
            ],
            7_000,
        );
        // Version 1 says "no limit" with a number larger than any memory.
        check(
            &[
                ("proc/self/cgroup", "4:memory:/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
            1_024_000,
        );
    }

    #[test]
    fn the_system_is_named() {
        assert_eq!(pretty_name("ID=debian\nPRETTY_NAME=\"Debian 12\"\n").as_deref(), Some("Debian 12"));
        assert_eq!(pretty_name("ID=x\n"), None);
        let facts = facts(&Roots::default());
        assert!(!facts.kernel.is_empty() && !facts.boot_id.is_empty());
    }
}
