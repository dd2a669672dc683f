//! TCP ports that others' programs listen on, so that no replica is sent to one of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lepton_model::ReplicaReport;
use parking_lot::Mutex;

use crate::collect::listening;

/// What is known is used again for this long: a host with many connections makes the kernel's list long.
const FRESH: Duration = Duration::from_secs(30);
/// Linux takes the ports of outgoing connections from here up; what listens there comes and goes.
const EPHEMERAL: u16 = 32_768;
/// Most ports that are told.
const MOST: usize = 1_000;

/// The ports that something here listens on.
#[derive(Debug)]
pub struct Ports {
    files: [PathBuf; 2],
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    at: Option<Duration>,
    own: BTreeSet<u16>,
    all: BTreeSet<u16>,
}

impl Ports {
    /// Reads `{proc}/net/tcp` and `tcp6` when asked.
    pub fn new(proc: &Path) -> Self {
        Self { files: ["net/tcp", "net/tcp6"].map(|name| proc.join(name)), known: Mutex::default() }
    }

    /// Those of others, now that `replicas` are here.
    pub fn taken(&self, now: Duration, replicas: &[ReplicaReport]) -> Vec<u16> {
        let own: BTreeSet<u16> =
            replicas.iter().flat_map(|replica| replica.ports.values().copied()).collect();
        let mut known = self.known.lock();
        // A replica that has ended may have listened when the list was read.
        if known.own != own || known.at.is_none_or(|at| now.saturating_sub(at) >= FRESH) {
            let read = |file| std::fs::read(file).unwrap_or_default();
            let all = self.files.iter().flat_map(|file| listening(&read(file)).collect::<Vec<_>>()).collect();
            *known = Known { at: Some(now), own, all };
        }
        known.all.difference(&known.own).copied().filter(|port| *port < EPHEMERAL).take(MOST).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    fn only_what_others_listen_on_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("net")).unwrap();
        let rows = "   0: 0100007F:0016 00000000:0000 0A 0 0 0 0\n\
                    1: 00000000:4E20 00000000:0000 0A 0 0 0 0\n\
                    2: 0100007F:1F90 0100007F:0016 01 0 0 0 0\n\
                    3: 00000000:9C40 00000000:0000 0A 0 0 0 0\n\
                    4: nonsense\n";
        std::fs::write(folder.path().join("net/tcp"), format!("{HEAD}{rows}")).unwrap();
        let ports = Ports::new(folder.path());
        let replica: ReplicaReport = serde_json::from_value(serde_json::json!({
            "kind": "service", "project": "default", "name": "shop", "ordinal": 0, "incarnation": 1,
            "generation": 1, "node": "n", "phase": "running", "ports": {"http": 20_000}
        }))
        .unwrap();
        assert_eq!(ports.taken(Duration::ZERO, &[]), [22, 20_000]);
        assert_eq!(ports.taken(Duration::from_secs(1), &[replica]), [22]);
        std::fs::write(folder.path().join("net/tcp"), HEAD).unwrap();
        assert_eq!(ports.taken(Duration::from_secs(2), &[]), [0u16; 0], "its ports were looked at again");
    }
}
