//! A map of ids for one mount: for root, whose projects belong to root or to somebody else, while tests
//! run as a user without rights.
//!
//! A mount can show the files of one owner as another's (`mount_setattr(2)`, `MOUNT_ATTR_IDMAP`, Linux 5.12,
//! below an overlay 5.19). The map is that of a user namespace, which outlives the process that was cloned
//! to have one.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{self, Pid};

use super::sys;

/// Whose files are shown as whose: user and group each.
pub(super) type Map = ((u32, u32), (u32, u32));

/// The namespace that maps the ids `from` to `to`, by a descriptor that stays open: one for each map that
/// this process ever asks for. `None` where the host denies it, to root too.
///
/// # Errors
/// When there is no room for one more process or descriptor.
pub(super) fn namespace(map: Map) -> io::Result<Option<RawFd>> {
    static MADE: Mutex<Vec<(Map, OwnedFd)>> = Mutex::new(Vec::new());
    // Nothing is half done when somebody panics with it.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, fd)) = made.iter().find(|(known, _)| *known == map) {
        return Ok(Some(fd.as_raw_fd()));
    }
    let fd = match make(map) {
        Ok(fd) => fd,
        Err(error) if is_denied(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = fd.as_raw_fd();
    made.push((map, fd));
    Ok(Some(number))
}

/// Whether the host allows no user namespace (`max_user_namespaces` of 0 gives `ENOSPC`), or, where Cowherd
/// is root of one itself, knows no such ids in it (`user_namespaces(7)`).
fn is_denied(error: &io::Error) -> bool {
    let denied = [Errno::EPERM, Errno::ENOSPC, Errno::EUSERS, Errno::EINVAL];
    denied
        .map(|errno| errno as i32)
        .map(Some)
        .contains(&error.raw_os_error())
}

fn make(((from_uid, from_gid), (to_uid, to_gid)): Map) -> io::Result<OwnedFd> {
    let parent = unistd::getpid();
    let child = sys::clone_process(CloneFlags::CLONE_NEWUSER, || wait(parent))?;
    let made = (|| {
        fs::write(
            format!("/proc/{child}/uid_map"),
            format!("{from_uid} {to_uid} 1"),
        )?;
        fs::write(
            format!("/proc/{child}/gid_map"),
            format!("{from_gid} {to_gid} 1"),
        )?;
        let namespace = File::open(format!("/proc/{child}/ns/user"))?;
        // Above the numbers that the child of a container moves its own descriptors to.
        Ok(rustix::io::fcntl_dupfd_cloexec(&namespace, 16)?)
    })();
    // It has done its part, or can't; its end is not awaited by anybody else.
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitpid(child, None);
    made
}

/// The process that has the namespace: it waits to be killed, by its parent or by its parent's end.
fn wait(parent: Pid) -> Infallible {
    // Among what it inherits are the lifelines of its parent's containers.
    let closed = sys::close_from(0);
    let told = prctl::set_pdeathsig(Signal::SIGKILL);
    // The parent may have ended before it asked to be told.
    while closed.is_ok() && told.is_ok() && unistd::getppid() == parent {
        unistd::pause();
    }
    sys::exit_now(0)
}
