//! Making a process: in its own session, as its user, in its folder and control group, on record before it is the program.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Gid, Uid};

use super::user::Credentials;

/// What is to be started.
pub(crate) struct Launch<'a> {
    pub(crate) command: &'a [String],
    /// The whole environment.
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) dir: &'a Path,
    /// None: as the agent.
    pub(crate) user: Option<&'a Credentials>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// `cgroup.procs` of the groups it joins.
    pub(crate) groups: Vec<File>,
    /// Where it writes its own `/proc/self/stat`.
    pub(crate) record: Option<File>,
}

/// Starts it; returns its process id. It is a child of the agent, leader of its own session and process group, with nothing
/// on stdin.
///
/// # Errors
/// As the kernel gives them: no such program, no permission for it or its folder, no memory.
pub(crate) fn launch(launch: Launch<'_>) -> io::Result<i32> {
    let (program, arguments) = launch
        .command
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(launch.env)
        .stdin(Stdio::null())
        .stdout(launch.stdout)
        .stderr(launch.stderr);
    let birth = Birth {
        dir: CString::new(launch.dir.as_os_str().as_bytes())?,
        user: launch.user.map(|user| (user.uid, user.gid, user.groups.clone())),
        groups: launch.groups,
        record: launch.record,
    };
    before_exec(&mut command, birth);
    let child = command.spawn()?;
    i32::try_from(child.id()).map_err(io::Error::other)
}

/// What the child does between fork and exec. Everything it needs was allocated before the fork.
struct Birth {
    dir: CString,
    user: Option<(Uid, Gid, Vec<Gid>)>,
    groups: Vec<File>,
    record: Option<File>,
}

impl Birth {
    /// Only system calls, on memory that was there before the fork.
    fn run(&self) -> io::Result<()> {
        rustix::process::setsid()?;
        for group in &self.groups {
            // "0" is the writer itself. A group that refuses is noticed by the parent, who asks the group.
            let _ = rustix::io::write(group, b"0");
        }
        if let Some(record) = &self.record {
            let stat = rustix::fs::open(c"/proc/self/stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            let mut line = [0; 1_024];
            let length = rustix::io::read(&stat, &mut line)?;
            rustix::io::write(record, line.get(..length).unwrap_or_default())?;
        }
        if let Some((uid, gid, groups)) = &self.user {
            rustix::thread::set_thread_groups(groups)?;
            rustix::thread::set_thread_gid(*gid)?;
            rustix::thread::set_thread_uid(*uid)?;
        }
        // As the user, who must be allowed to be there.
        rustix::process::chdir(self.dir.as_c_str())?;
        Ok(())
    }
}

#[allow(unsafe_code)]
fn before_exec(command: &mut Command, birth: Birth) {
    // SAFETY: between fork and exec only async-signal-safe functions may be called and no lock taken.
    // `Birth::run` makes raw system calls through rustix's linux_raw backend (setsid, write, open, read, setgroups, setgid, setuid,
    // chdir, and close of one descriptor), with C strings and buffers that exist before the fork or on
    // its stack: no allocation, no lock, no panic. `io::Error` from an errno does not allocate.
    // The thread-wise set_thread_* calls change the whole process, which has one thread after fork.
    unsafe {
        command.pre_exec(move || birth.run());
    }
}
