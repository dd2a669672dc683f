//! Network namespaces and the links between them.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace. Dropped, everything in it is killed and it is deleted.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one with its loopback up.
    ///
    /// # Errors
    /// Without root, or without `ip`.
    pub fn new(role: &str) -> Result<Self> {
        let name = format!("lt{}-{}-{role}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs in it. Not `ip netns exec`, which hides the control groups behind a fresh /sys.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }

    /// Runs `ip` on it.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn ip(&self, args: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.name], args].concat())
    }

    /// Process ids in it.
    pub fn pids(&self) -> Vec<i32> {
        let output = Command::new("ip").args(["netns", "pids", &self.name]).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text).split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Makes it the hub: a bridge with an address.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn make_hub(&self, address: &str) -> Result<()> {
        self.ip(&["link", "add", "hub", "type", "bridge"])?;
        self.ip(&["address", "add", &format!("{address}/24"), "dev", "hub"])?;
        self.ip(&["link", "set", "hub", "up"])
    }

    /// Joins `other` to the hub by a link called `link` on this side.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn connect(&self, other: &Self, link: &str, address: &str) -> Result<()> {
        self.ip(&["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", &other.name])?;
        self.ip(&["link", "set", link, "master", "hub"])?;
        self.ip(&["link", "set", link, "up"])?;
        other.ip(&["address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        other.ip(&["link", "set", "eth0", "up"])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for pid in self.pids() {
            kill(pid);
        }
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

/// Sends SIGKILL.
pub fn kill(pid: i32) {
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("cannot run ip")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
