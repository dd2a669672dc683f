//! Whole estates of real processes: a server and its agents, each in a network namespace of its own, joined by a bridge
//! whose links can be cut.
//!
//! ```text
//!   netns s: bridge 10.231.0.1 ── lepton server, the tests' own commands
//!              │ va0     │ va1     │ va2          (links that can be cut)
//!   netns a0: 10.231.0.2   a1: …   a2: …  ── lepton-agent and its services
//! ```
//!
//! Only what users have is used: the binaries, their flags, and SQL. Everything a test starts ends with it. Needs root;
//! [`unavailable`] says why when there is none.

mod estate;
mod network;
mod process;
mod wait;

pub use estate::{Estate, Node};
pub use network::Namespace;
pub use process::{Process, binary};
pub use wait::{until, within};

/// Why whole estates cannot be started here, if they cannot. In CI that is an error, not a reason to skip.
pub fn unavailable() -> Option<String> {
    let reason = if effective_uid() != Some(0) {
        "network namespaces need root".to_owned()
    } else {
        match std::process::Command::new("ip").arg("-V").output() {
            Ok(_) => return None,
            Err(error) => format!("the program `ip` (package iproute2) cannot be run: {error}"),
        }
    };
    assert!(std::env::var_os("CI").is_none(), "in CI no test may skip: {reason}");
    Some(reason)
}

/// The effective user id, as /proc tells it.
fn effective_uid() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
