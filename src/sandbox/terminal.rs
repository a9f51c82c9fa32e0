//! The terminal that a program in a container is lent, and what a shell does for its jobs: Ctrl-Z stops
//! the program and the caller, `fg` and `bg` let both go on.
//!
//! The program is no child of the caller, so that neither the kernel nor a shell treats the two as one
//! job. Init tells when the program was stopped; the caller then stops itself, which its shell sees, and
//! when it goes on lends the terminal again, if it has it (tcsetpgrp(3), credentials(7)).

use std::fs;
use std::io::{IsTerminal as _, stdin};
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, raise};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

use super::message::Session;

/// How a program stands towards the terminal that is to run for a person.
///
/// It is lent the terminal where nobody else reads it. With a pipe to a neighbour on the command line,
/// `… | less`, that is not so: then it stays in the caller's group, which is the neighbour's.
pub(super) fn session(stdio: [BorrowedFd<'_>; 3]) -> Session {
    let [input, output, _] = stdio;
    if !stdio.iter().any(BorrowedFd::is_terminal) {
        return Session::Foreground;
    }
    match input.is_terminal() && !is_pipe(output) && holder() == Some(getpgrp()) {
        true => Session::Foreground,
        false => Session::Callers,
    }
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    let kind = |mode| SFlag::from_bits_truncate(mode) & SFlag::S_IFMT;
    fstat(fd).is_ok_and(|stat| kind(stat.st_mode) == SFlag::S_IFIFO)
}

/// The process group in the foreground of the terminal.
fn holder() -> Option<Pid> {
    tcgetpgrp(stdin()).ok()
}

/// Whether a process group belongs to a container of this process: its leader has ids in further
/// namespaces (proc(5), `NSpid`), or nobody is left of it.
fn is_lent(group: Pid) -> bool {
    let depth = |process: &str| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let ids = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))?;
        Some(ids.split_whitespace().count())
    };
    match depth(&group.to_string()) {
        Some(leader) => Some(leader) > depth("self"),
        None => kill(Pid::from_raw(-group.as_raw()), None) == Err(Errno::ESRCH),
    }
}

fn hand_over(group: Pid) {
    // A process in the background is stopped for asking, unless it blocks the signal. On something that
    // is no terminal it answers ENOTTY.
    blocking(Signal::SIGTTOU, || {
        let _ = tcsetpgrp(stdin(), group);
    });
}

/// Stops the caller's process group, as whoever started it for a shell has to stop too, and comes back
/// when it goes on. A group that no shell looks after isn't stopped (setpgid(2), orphaned groups).
fn stop() {
    // Both wait until the thread takes one, which stops it at that very point; what makes the process go
    // on throws the other away (signal(7)). Without its own it might get further before it is stopped.
    blocking(Signal::SIGTSTP, || {
        let _ = raise(Signal::SIGTSTP);
        let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
    });
}

fn blocking(signal: Signal, work: impl FnOnce()) {
    let mut signals = SigSet::empty();
    signals.add(signal);
    let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    work();
    if let Ok(before) = before {
        // The mask was this thread's own a moment ago.
        let _ = before.thread_set_mask();
    }
}

/// Puts this process back in the foreground of the terminal on its standard input, after a program in
/// a container had it; does nothing where there is no terminal, or where somebody else has it.
pub fn take_terminal_back() {
    if holder().is_some_and(is_lent) {
        hand_over(getpgrp());
    }
}

/// The terminal of a program that may be stopped.
#[derive(Debug, Default)]
pub(super) struct Lent {
    /// The group that had the terminal when the program was last stopped.
    group: Option<Pid>,
}

impl Lent {
    /// Stops the caller after the program was stopped by `signal`, and comes back when it goes on. Whether
    /// the program is to go on too.
    pub(super) fn stopped(&mut self, signal: i32) -> bool {
        let wants = [Signal::SIGTTIN as i32, Signal::SIGTTOU as i32].contains(&signal);
        // `fg` after `bg` says nothing to a caller that runs: the program finds out.
        if !(wants && holder() == Some(getpgrp())) {
            if let Some(group) = holder().filter(|group| is_lent(*group)) {
                self.group = Some(group);
                hand_over(getpgrp());
            }
            stop();
        }
        let holds = holder() == Some(getpgrp());
        if let Some(group) = self.group.filter(|_| holds) {
            hand_over(group);
        }
        // One that wants a terminal which it can't be given would only be stopped again.
        !wants || holds
    }
}
