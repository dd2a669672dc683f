//! Where the hierarchies are mounted, and where the agent stands in each.

use std::path::PathBuf;

use super::{CONTROLLERS, Version};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// Its mount point.
    pub(super) mount: PathBuf,
    /// The agent's own group below it.
    pub(super) own: PathBuf,
    /// v1: the controllers it carries. v2: filled when it is the only hierarchy that could carry them.
    pub(super) controllers: Vec<String>,
}

/// Reads `/proc/self/mountinfo` and `/proc/self/cgroup`. Only hierarchies with a controller Lepton uses, and v2.
pub(super) fn hierarchies(mountinfo: &str, own: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = mountinfo.lines().filter_map(|line| hierarchy(line, own)).collect();
    // The same hierarchy may be mounted twice (cpu and cpuacct symlinked, bind mounts): the first counts.
    let mut seen: Vec<(Version, Vec<String>)> = Vec::new();
    found.retain(|h| {
        let key = (h.version, h.controllers.clone());
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    let any_v1 = found.iter().any(|h| h.version == Version::V1);
    for hierarchy in &mut found {
        if hierarchy.version == Version::V2 && !any_v1 {
            hierarchy.controllers = CONTROLLERS.iter().map(|&c| c.to_owned()).collect();
        }
    }
    found
}

/// `36 25 0:32 /root /mount/point rw,… shared:1 - cgroup cgroup rw,memory`
fn hierarchy(line: &str, own: &str) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, mount) = (left.next()?, PathBuf::from(left.next()?));
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1).unwrap_or_default());
    let (version, controllers) = match kind {
        "cgroup2" => (Version::V2, Vec::new()),
        "cgroup" => {
            let all = options.split(',').filter(|o| CONTROLLERS.contains(o));
            (Version::V1, all.map(str::to_owned).collect())
        }
        _ => return None,
    };
    if version == Version::V1 && controllers.is_empty() {
        return None;
    }
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = match version {
            Version::V2 => names.is_empty(),
            Version::V1 => names.split(',').any(|n| controllers.iter().any(|c| c == n)),
        };
        ours.then_some(path)
    })?;
    // In a container the mount may show only part of the tree (`root`), while the path counts from its top.
    let below = if root == "/" { path } else { path.strip_prefix(root).unwrap_or("/") };
    let own = mount.join(below.trim_start_matches('/'));
    Some(Hierarchy { version, mount, own, controllers })
}

/// `v1`, `v2`, `hybrid` or `none`.
pub(super) fn layout(hierarchies: &[Hierarchy]) -> &'static str {
    let has = |version| hierarchies.iter().any(|h| h.version == version);
    match (has(Version::V1), has(Version::V2)) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mountinfo: &str, own: &str, expect_layout: &str, expect: &[(&str, &str)]) {
        let found = hierarchies(mountinfo, own);
        let shown: Vec<(String, String)> =
            found.iter().map(|h| (h.own.display().to_string(), h.controllers.join(","))).collect();
        let shown: Vec<(&str, &str)> = shown.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!((layout(&found), shown.as_slice()), (expect_layout, expect));
    }

    #[test]
    fn hierarchies_of_real_machines() {
        // Debian 12, a systemd unit.
        check(
            "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
             30 23 0:27 / /sys/fs/pstore rw - pstore pstore rw",
            "0::/system.slice/lepton-agent.service\n",
            "v2",
            &[("/sys/fs/cgroup/system.slice/lepton-agent.service", "cpu,memory,pids,cpuacct")],
        );
        // Hybrid, some controllers mounted together.
        check(
            "30 29 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
             31 29 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
             33 29 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             34 29 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            "9:cpu,cpuacct:/a\n4:memory:/b/c\n1:name=systemd:/\n0::/\n",
            "hybrid",
            &[
                ("/sys/fs/cgroup/unified/", ""),
                ("/sys/fs/cgroup/cpu,cpuacct/a", "cpu,cpuacct"),
                ("/sys/fs/cgroup/memory/b/c", "memory"),
            ],
        );
        // A v1 container whose mount shows only its own part of the tree.
        check(
            "34 29 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory",
            "4:memory:/docker/abc\n",
            "v1",
            &[("/sys/fs/cgroup/memory/", "memory")],
        );
        check("", "", "none", &[]);
        check("rubbish - cgroup\n1 2 - cgroup2", "0:", "none", &[]);
    }
}
