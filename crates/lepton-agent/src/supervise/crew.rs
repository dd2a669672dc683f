//! All processes of one run of a replica: the one that was started, and everything it started in turn.
//!
//! A program's children may leave its process group. They are found by the replica's control group, and where there is none, by the
//! cookie in their environment. Each is held by a pidfd before it is signalled, so no stranger is ever hit.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use uuid::Uuid;

use super::process::Process;
use super::procfs::{self, Stat};
use crate::cgroup::Group;

/// The processes that run a replica.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) leader: Process,
    pub(crate) rest: Rest,
}

/// How to find the others.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    pub(crate) cookie: Uuid,
    pub(crate) group: Group,
}

/// A process that is still there, held.
#[derive(Debug)]
struct Held {
    pid: i32,
    start_ticks: u64,
    pidfd: OwnedFd,
}

/// How long killed processes may take to be gone; a process in uninterruptible sleep can outlast it.
const DEATH: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

impl Rest {
    /// Those that still live.
    fn living(&self) -> Vec<Held> {
        let pids = if self.group.exists() {
            self.group.pids()
        } else {
            procfs::with_cookie(&self.cookie.to_string())
        };
        pids.into_iter().filter_map(Held::take).collect()
    }

    async fn look(&self) -> Vec<Held> {
        let rest = self.clone();
        // Reading the environment of every process takes milliseconds, which the collector should not wait for.
        tokio::task::spawn_blocking(move || rest.living()).await.unwrap_or_default()
    }

    /// Sends a signal to all but one, which has had it.
    pub(crate) async fn signal(&self, signal: Signal, but: i32) {
        for one in self.look().await.iter().filter(|one| one.pid != but) {
            let _ = rustix::process::pidfd_send_signal(&one.pidfd, signal);
        }
    }

    /// Waits until all are gone; gives up after `patience`.
    pub(crate) async fn gone(&self, patience: Duration) -> bool {
        let wait = async {
            let mut held = self.look().await;
            while !held.is_empty() {
                held.retain(Held::lives);
                tokio::time::sleep(LOOK).await;
                if held.is_empty() {
                    // What was started meanwhile.
                    held = self.look().await;
                }
            }
        };
        tokio::time::timeout(patience, wait).await.is_ok()
    }

    /// Kills all, and those they start meanwhile, until none is left. False when some do not die.
    pub(crate) async fn kill(&self) -> bool {
        let kill = async {
            loop {
                let held = self.look().await;
                if held.is_empty() {
                    return;
                }
                if !self.group.kill() {
                    for one in &held {
                        let _ = rustix::process::pidfd_send_signal(&one.pidfd, Signal::KILL);
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(DEATH, kill).await.is_ok()
    }
}

impl Held {
    fn take(pid: i32) -> Option<Self> {
        let before = Stat::of(pid).filter(|stat| stat.state != 'Z')?;
        let pidfd = rustix::process::pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let held = Self { pid, start_ticks: before.start_ticks, pidfd };
        held.lives().then_some(held)
    }

    fn lives(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != 'Z')
    }
}
