//! Running the binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is home and working folder of every command, so that nothing of this machine gets in.
pub struct Place {
    pub folder: tempfile::TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Exit code, stdout and stderr as one text, for snapshots.
    pub fn text(&self) -> String {
        format!("exit code {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }

    /// Stdout of a command that must have ended well.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.text());
        self.out
    }

    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lepton"));
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.folder.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args).output().unwrap())
    }

    pub fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        ended(child.wait_with_output().unwrap())
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ended {
        ended(self.command(args).envs(env.iter().copied()).output().unwrap())
    }
}

fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits until `look` gives something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running `lepton dev`, ended with the test.
pub struct Dev {
    child: Child,
    /// One at a time, over all test processes: each hands out ports of this machine as if it were alone.
    _alone: std::fs::File,
}

impl Dev {
    pub fn start(place: &Place, flags: &[&str]) -> Self {
        let alone = std::fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("dev.lock")).unwrap();
        alone.lock().unwrap();
        let out = std::fs::File::create(place.path("dev.out")).unwrap();
        let err = std::fs::File::create(place.path("dev.err")).unwrap();
        let child = place.command(&[&["dev"], flags].concat()).stdout(out).stderr(err).spawn().unwrap();
        let mut dev = Self { child, _alone: alone };
        wait_for("greeting of lepton dev", || {
            let said = |file: &str| std::fs::read_to_string(place.path(file)).unwrap();
            if let Some(status) = dev.child.try_wait().unwrap() {
                panic!("lepton dev ended with {status}: {}", said("dev.err"));
            }
            said("dev.out").contains("Ctrl-C").then_some(())
        });
        dev
    }

    /// Presses Ctrl-C and waits for the end.
    pub fn stop(mut self) -> i32 {
        self.interrupt();
        wait_for("end of lepton dev", || self.child.try_wait().unwrap()).code().unwrap_or(-1)
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
}

impl Drop for Dev {
    /// A failed test leaves no services behind: killed outright, `lepton dev` would.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let end = Instant::now() + Duration::from_secs(10);
        self.interrupt();
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process lives. One that has ended and waits to be reaped by its parent does not.
pub fn lives(pid: u64) -> bool {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
