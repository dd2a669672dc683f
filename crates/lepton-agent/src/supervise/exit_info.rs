//! How a process ended that is not this agent's child.
//!
//! `wait` works for children only, and a service that outlived its agent is no child of the next one. Since Linux 6.15 a pidfd
//! opened while the process lived keeps its exit status (`PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`, linux/pidfd.h). Older kernels refuse, and
//! then nobody can say how it ended.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use super::process::Ended;

/// `struct pidfd_info`, first version.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid
    ids: [u32; 11],
    exit_code: i32,
}

const INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)`, first version.
const GET_INFO: libc::c_ulong =
    (3 << 30) | ((size_of::<PidfdInfo>() as libc::c_ulong) << 16) | (0xFF << 8) | 11;

/// The status is there once the process's parent has waited for it; init does so at once.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(2);

/// How the process behind `pidfd`, which has ended, did end.
pub(super) async fn of(pidfd: BorrowedFd<'_>) -> Ended {
    for _ in 0..TRIES {
        let mut info = PidfdInfo { mask: INFO_EXIT, ..PidfdInfo::default() };
        match get_info(pidfd, &mut info) {
            Ok(()) if info.mask & INFO_EXIT != 0 => return decode(info.exit_code),
            // The kernel knows the question and does not have the answer yet.
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(_) => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ended::default()
}

/// A wait status as in wait(2).
fn decode(status: i32) -> Ended {
    match status & 0x7f {
        0 => Ended { code: Some((status >> 8) & 0xff), signal: None },
        signal => Ended { code: None, signal: Some(signal) },
    }
}

#[allow(unsafe_code)]
fn get_info(pidfd: BorrowedFd<'_>, info: &mut PidfdInfo) -> io::Result<()> {
    // SAFETY: the descriptor is open for the whole call, being borrowed. The request number carries the size of
    // `PidfdInfo`, so the kernel reads and writes that many bytes at most, and `info` is a live, exclusive reference to
    // exactly such a value, of integers only: any bit pattern the kernel leaves is valid.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO as _, std::ptr::from_mut(info)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_kernels() {
        assert_eq!((size_of::<PidfdInfo>(), GET_INFO), (64, 0xC040_FF0B));
    }

    #[test]
    fn wait_statuses_decode() {
        let check = |status: i32, code: Option<i32>, signal: Option<i32>| {
            assert_eq!(decode(status), Ended { code, signal }, "{status:#x}");
        };
        check(0, Some(0), None);
        check(0x0700, Some(7), None);
        check(9, None, Some(9));
        check(0x8b, None, Some(11));
    }
}
