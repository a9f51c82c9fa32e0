//! The first process of a container: walks the ops, then reaps, spawns, forwards and watches
//! its lifeline until the end of file.
//!
//! All of this runs after `clone` in a copy of the parent: nothing here allocates, locks or panics.

use std::convert::Infallible;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus};
use nix::unistd::Pid;

use super::message::{LENGTH, Message};
use super::program::Program;
use super::sys::{self, Session};

/// The descriptor of the control socket once [`super::program::Op::TakeControl`] is done.
pub(super) const CONTROL: RawFd = 3;

/// How many programs one container can run over its life at the same time.
pub(super) const SLOTS: usize = 32;

/// Sets the container up as `program` says, reports, and serves the parent until it is gone.
pub(super) fn run(program: &Program, control: RawFd) -> Infallible {
    sys::name_process(c"cowherd-init");
    let mut report = control;
    for (index, op) in program.ops.iter().enumerate() {
        if let Err(errno) = op.perform() {
            let failed = Message::SetupFailed {
                op: index as i32,
                errno: errno as i32,
            };
            // A parent that is gone can't be told; the exit is all that's left either way.
            let _ = sys::write_fd(report, &failed.encode());
            sys::exit_now(1);
        }
        if op.takes_control() {
            report = CONTROL;
        }
    }
    let Ok(children) = sys::child_signal() else {
        sys::exit_now(2)
    };
    if !say(Message::Ready) {
        sys::exit_now(0);
    }
    serve(children)
}

fn say(message: Message) -> bool {
    sys::write_fd(CONTROL, &message.encode()).is_ok()
}

fn serve(children: RawFd) -> ! {
    // The process in each slot; 0 is a free one.
    let mut slots = [0_i32; SLOTS];
    loop {
        let (control, signal) = (
            sys::borrow_for_life(CONTROL),
            sys::borrow_for_life(children),
        );
        let mut watched = [
            PollFd::new(control, PollFlags::POLLIN),
            PollFd::new(signal, PollFlags::POLLIN),
        ];
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => sys::exit_now(3),
        }
        // Children first: what ended before an order came is reported before its answer.
        sys::drain(children);
        reap(&mut slots);
        let ready = watched[0].revents().unwrap_or(PollFlags::empty());
        if !ready.is_empty() {
            obey(&mut slots);
        }
    }
}

fn reap(slots: &mut [i32; SLOTS]) {
    loop {
        let (pid, status) = match nix::sys::wait::waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, code << 8),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, signal as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => continue,
        };
        if let Some(slot) = slots.iter().position(|known| *known == pid.as_raw()) {
            slots[slot] = 0;
            if !say(Message::Exited {
                slot: slot as i32,
                status,
            }) {
                sys::exit_now(0);
            }
        }
    }
}

fn obey(slots: &mut [i32; SLOTS]) {
    let mut bytes = [0; LENGTH];
    let mut fds = [-1; 4];
    let length = match sys::receive(CONTROL, &mut bytes, &mut fds) {
        Ok(Some(length)) => length,
        Err(Errno::EINTR) => return,
        // The lifeline: the parent is gone, however it died.
        Ok(None) | Err(_) => sys::exit_now(0),
    };
    match Message::decode(&bytes[..length]) {
        Some(Message::Spawn { slot, foreground }) => {
            let answer = match start(slots, slot, fds, foreground) {
                Ok(pid) => Message::Started {
                    slot,
                    pid: pid.as_raw(),
                },
                Err(errno) => Message::SpawnFailed {
                    slot,
                    errno: errno as i32,
                },
            };
            if !say(answer) {
                sys::exit_now(0);
            }
        }
        Some(Message::Signal { slot, signal }) => {
            let pid = slots.get(slot as usize).copied().unwrap_or(0);
            if pid > 0
                && let Ok(signal) = nix::sys::signal::Signal::try_from(signal)
            {
                // The program may have ended meanwhile; its end is reported by itself.
                let _ = nix::sys::signal::kill(Pid::from_raw(-pid), signal);
            }
        }
        _ => sys::exit_now(4),
    }
    for fd in fds {
        if fd >= 0 {
            sys::close_raw(fd);
        }
    }
}

fn start(
    slots: &mut [i32; SLOTS],
    slot: i32,
    fds: [RawFd; 4],
    foreground: bool,
) -> Result<Pid, Errno> {
    let place = slots.get_mut(slot as usize).ok_or(Errno::EINVAL)?;
    let [image, input, output, error] = fds;
    if *place != 0 || fds.contains(&-1) {
        return Err(Errno::EINVAL);
    }
    let image = sys::Image::map(image)?;
    let session = if foreground {
        Session::Foreground
    } else {
        Session::Own
    };
    let pid = sys::spawn(&image, [input, output, error], session)?;
    *place = pid.as_raw();
    Ok(pid)
}
