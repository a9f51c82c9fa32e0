//! Processes of the host that this one ends with: a child that the user's signals are for, a parent that waits.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::process::{Command, ExitStatus};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use tokio::signal::unix::{SignalKind, signal};

use super::Stop;

/// Starts a program on the host and waits for its end. SIGINT, SIGTERM and SIGHUP don't end this process before the
/// child, which gets them too: from the terminal, when they come from there, else from here.
///
/// # Errors
/// When the program can't be executed, or the signal handlers can't be set up.
pub fn wait_for_child(command: &mut Command) -> io::Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut ended = signal(SignalKind::child())?;
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(child.id() as i32);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let passed_on = tokio::select! {
                _ = ended.recv() => continue,
                _ = interrupt.recv() => Signal::SIGINT,
                _ = terminate.recv() => Signal::SIGTERM,
                _ = hangup.recv() => Signal::SIGHUP,
            };
            if passed_on != Signal::SIGINT || !has_the_terminal() {
                // It may have ended meanwhile; it is waited for only above, so its number is still its own.
                let _ = kill(pid, passed_on);
            }
        }
    })
}

/// Whether this process's group, to which the child belongs, is the one that Ctrl-C on its terminal goes to.
fn has_the_terminal() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(&terminal) == Ok(getpgrp()))
}

/// Orders everything to be killed when the parent of this process ends: what it has started this one for,
/// nobody waits for any more.
///
/// # Errors
/// When there is no descriptor or thread to be had.
pub fn stop_with_parent(stop: &Stop) -> io::Result<()> {
    let Some(pid) = getppid() else {
        // It is in another PID namespace.
        return Ok(());
    };
    let parent = match pidfd_open(pid, PidfdFlags::empty()) {
        // Since it was looked up, its number may have become a stranger's.
        Ok(parent) if getppid() == Some(pid) => parent,
        Ok(_) | Err(rustix::io::Errno::SRCH) => {
            stop.kill(Signal::SIGTERM as i32);
            return Ok(());
        }
        Err(errno) => return Err(errno.into()),
    };
    let stop = stop.clone();
    let watch = move || {
        let mut fds = [
            PollFd::new(parent.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.killed(), PollFlags::POLLIN),
        ];
        while matches!(
            poll(&mut fds, PollTimeout::NONE),
            Err(nix::errno::Errno::EINTR)
        ) {}
        if fds[0].revents().is_some_and(|events| !events.is_empty()) {
            stop.kill(Signal::SIGTERM as i32);
        }
    };
    // It ends with the process, if not before.
    std::thread::Builder::new()
        .name("cowherd parent".to_owned())
        .spawn(watch)
        .map(drop)
}
