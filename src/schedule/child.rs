//! A child of this process on the host, which the user's signals are for.

use std::fs::File;
use std::io;
use std::process::{Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use tokio::signal::unix::{SignalKind, signal};

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
