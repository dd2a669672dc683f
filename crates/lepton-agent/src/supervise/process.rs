//! One process, watched through a pidfd: it cannot be mistaken for another that got the same number.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lepton_model::StopSignal;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::procfs::Stat;
use super::state::Identity;

/// A process that this agent, or one before it, has started.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
    /// Whether it is this agent's child, so that its exit code can be had.
    child: bool,
}

/// How it ended. Both absent: nobody can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
}

impl Process {
    /// A child that has just been started and not been waited for. Needs a tokio runtime.
    pub(crate) fn child(pid: i32) -> io::Result<Self> {
        Self::open(pid, true)
    }

    /// Takes over the process on record; none when it is gone, or its number means another one now.
    pub(crate) fn adopt(identity: &Identity) -> io::Result<Option<Self>> {
        let process = match Self::open(identity.pid, false) {
            Ok(process) => process,
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Looked at after the pidfd is open: from here on the number cannot change its meaning unnoticed.
        let same = Stat::of(identity.pid)
            .is_some_and(|stat| stat.start_ticks == identity.start_ticks && stat.state != 'Z');
        Ok(same.then_some(process))
    }

    fn open(pid: i32, child: bool) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        let pidfd = watch(pidfd)?;
        Ok(Self { pid, pidfd, child })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.get_ref().as_fd()
    }

    /// Waits until it has ended. It is not reaped, so its number, and its group's, stays taken until [`Process::reap`].
    pub(crate) async fn ended(&self) {
        // The guard is not cleared: once readable, a pidfd stays so.
        if self.pidfd.readable().await.is_err() {
            // Only when the runtime is going down, and then this future as well.
            std::future::pending::<()>().await;
        }
    }

    /// Sends a signal to it and to all of its process group. Sound while it has not been reaped.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let _ = rustix::process::kill_process_group(self.pid, signal);
    }

    /// Sends a signal to it alone.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = rustix::process::pidfd_send_signal(self.fd(), signal);
    }

    /// Whether it is this agent's child.
    pub(crate) fn is_child(&self) -> bool {
        self.child
    }

    /// How it ended; call it once [`Process::ended`] has returned.
    pub(crate) async fn reap(&self) -> Ended {
        if !self.child {
            return super::exit_info::of(self.fd()).await;
        }
        match rustix::process::waitid(WaitId::PidFd(self.fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
        {
            Ok(Some(status)) => Ended { code: status.exit_status(), signal: status.terminating_signal() },
            // Somebody else in this program has waited for it.
            Ok(None) | Err(_) => Ended::default(),
        }
    }
}

/// Has the runtime wait for the process's end.
#[allow(unsafe_code)]
fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open until it is dropped and always the same descriptor; the `AsyncFd` owns it, and
    // nothing here takes it out again.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.map_err(Into::into)
}

/// The kernel's number of a stop signal.
pub(crate) fn signal(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Usr1 => Signal::USR1,
        StopSignal::Usr2 => Signal::USR2,
    }
}
