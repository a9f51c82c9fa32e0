//! The program, killed at an exact moment: before its nth change to a file system (ptrace(2)).

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::like;

/// The end of a program that was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was killed before the change that was asked for.
    Killed,
    /// It ended by itself, with this code, before it came to so many.
    Exited(i32),
}

/// Whether programs can be watched here: the kernel may deny it, and only two architectures are known.
pub(crate) fn traceable() -> bool {
    let probe = match run(&Command::new("true"), 1) {
        Ok(_) => Ok(()),
        Err(errno) => Err(format!("ptrace: {errno}")),
    };
    super::require("ptrace", probe)
}

/// Runs a program, and kills it with SIGKILL before its `nth` change to a file system, from 1. Only for a process that
/// has no other children: see `alone`.
#[track_caller]
pub(crate) fn kill_before(command: &Command, nth: usize) -> End {
    run(command, nth).expect("a program to watch")
}

fn run(command: &Command, nth: usize) -> Result<End, Errno> {
    // The shell waits until it is watched, then becomes the program.
    let mut gate = like(command, "sh");
    gate.args(["-c", "read go; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    let mut child = gate
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    let watched = ptrace::seize(pid, options).and_then(|()| ptrace::interrupt(pid));
    if let Err(errno) = watched {
        child.kill().expect("an end");
        child.wait().expect("an end");
        return Err(errno);
    }
    let mut go = child.stdin.take().expect("a pipe");
    go.write_all(b"\n").expect("a shell that reads");
    drop(go);
    let end = watch(pid, nth);
    if end == Ok(End::Killed) || end.is_err() {
        // It may be gone already.
        let _ = kill(pid, Signal::SIGKILL);
        // Every thread is ours to bury, and the first one is the last to go.
        while waitpid(None, Some(WaitPidFlag::__WALL)).is_ok() {}
    }
    // It is buried: this only lets go of it.
    let _ = child.wait();
    end
}

fn watch(pid: Pid, nth: usize) -> Result<End, Errno> {
    let mut program = false;
    let mut changes = 0;
    // Whether a thread is inside of a call: a stop at its begin is followed by one at its end.
    let mut inside: HashMap<Pid, bool> = HashMap::new();
    loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL))?;
        let (thread, signal) = match status {
            WaitStatus::Exited(of, code) if of == pid => return Ok(End::Exited(code)),
            WaitStatus::Signaled(of, signal, _) if of == pid => {
                return Ok(End::Exited(128 + signal as i32));
            }
            WaitStatus::PtraceSyscall(thread) => {
                let inside = inside.entry(thread).or_default();
                *inside = !*inside;
                if program && *inside && is_change(thread)? {
                    changes += 1;
                    if changes == nth {
                        return Ok(End::Killed);
                    }
                }
                (thread, None)
            }
            WaitStatus::PtraceEvent(thread, _, event) => {
                if event == libc::PTRACE_EVENT_EXEC {
                    program = true;
                    // `execve` is still to end.
                    inside.insert(thread, true);
                }
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            // The end of another thread.
            _ => continue,
        };
        match ptrace::syscall(thread, signal) {
            // A thread may be gone, with all others, when the process exits.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The call that a thread begins, with the argument that has the flags of `openat(2)`.
#[cfg(target_arch = "x86_64")]
fn call(thread: Pid) -> Result<(i64, u64), Errno> {
    let registers = ptrace::getregs(thread)?;
    Ok((registers.orig_rax.cast_signed(), registers.rdx))
}

#[cfg(target_arch = "aarch64")]
fn call(thread: Pid) -> Result<(i64, u64), Errno> {
    let registers = ptrace::getregs(thread)?;
    Ok((registers.regs[8].cast_signed(), registers.regs[2]))
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn call(_: Pid) -> Result<(i64, u64), Errno> {
    Err(Errno::ENOSYS)
}

/// Whether the call changes which files there are, or when what was written gets to the disk. What is written to a file
/// counts only with that: nobody else sees it before.
fn is_change(thread: Pid) -> Result<bool, Errno> {
    let (number, flags) = match call(thread) {
        Err(Errno::ESRCH) => return Ok(false),
        call => call?,
    };
    #[cfg(target_arch = "x86_64")]
    let old = [
        libc::SYS_mkdir,
        libc::SYS_rename,
        libc::SYS_rmdir,
        libc::SYS_unlink,
        libc::SYS_link,
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let old = [];
    Ok(match number {
        libc::SYS_openat => flags & u64::from(libc::O_CREAT.unsigned_abs()) != 0,
        libc::SYS_mkdirat
        | libc::SYS_mknodat
        | libc::SYS_renameat
        | libc::SYS_renameat2
        | libc::SYS_unlinkat
        | libc::SYS_linkat
        | libc::SYS_symlinkat
        | libc::SYS_fsync
        | libc::SYS_fdatasync
        | libc::SYS_syncfs
        | libc::SYS_ftruncate
        | libc::SYS_fchmod => true,
        other => old.contains(&other),
    })
}
