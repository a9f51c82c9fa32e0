//! The first process of a container: walks the ops, then reaps, spawns, forwards and watches
//! its lifeline until the end of file.
//!
//! All of this runs after `clone` in a copy of the parent: nothing here allocates, locks or panics.

use std::convert::Infallible;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socket_with,
};

use super::message::{LENGTH, Message, Session};
use super::program::{Program, children};
use super::sys::{self, NotStarted};

/// The descriptor of the control socket once [`super::program::Op::TakeControl`] is done.
pub(super) const CONTROL: RawFd = 3;

/// How many programs one container can run over its life at the same time.
pub(super) const SLOTS: usize = 32;

/// Sets the container up as `program` says, reports, and serves the parent until it is gone.
pub(super) fn run(program: &Program, control: RawFd) -> Infallible {
    // Only `ps` shows it.
    let _ = prctl::set_name(c"cowherd-init");
    let mut report = control;
    for (index, op) in program.ops.iter().enumerate() {
        if let Err(errno) = op.perform() {
            let failed = Message::SetupFailed {
                op: index as i32,
                errno: errno as i32,
            };
            // A parent that is gone can't be told; the exit is all that's left either way.
            let _ = unistd::write(sys::borrow(report), &failed.encode());
            sys::exit_now(1);
        }
        if op.takes_control() {
            report = CONTROL;
        }
    }
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let Ok(ended) = SignalFd::with_flags(&children(), flags) else {
        sys::exit_now(2)
    };
    say(Message::Ready);
    serve(&ended)
}

/// Tells the parent; ends with it when it is gone.
fn say(message: Message) {
    if unistd::write(sys::borrow(CONTROL), &message.encode()).is_err() {
        sys::exit_now(0);
    }
}

fn serve(ended: &SignalFd) -> ! {
    // The process in each slot; 0 is a free one.
    let mut slots = [0_i32; SLOTS];
    loop {
        let mut watched = [
            PollFd::new(sys::borrow(CONTROL), PollFlags::POLLIN),
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => sys::exit_now(3),
        }
        // Children first: what ended before an order came is reported before its answer.
        while let Ok(Some(_)) = ended.read_signal() {}
        reap(&mut slots);
        let ready = watched[0].revents().unwrap_or(PollFlags::empty());
        if !ready.is_empty() {
            obey(&mut slots);
        }
    }
}

fn reap(slots: &mut [i32; SLOTS]) {
    while let Some((pid, status)) = sys::reap() {
        let Some(index) = slots.iter().position(|known| *known == pid) else {
            continue;
        };
        let slot = index as i32;
        // As wait(2) has it: the signal stands above this mark.
        if status & 0xff == 0x7f {
            let signal = status >> 8;
            say(Message::Stopped { slot, signal });
            continue;
        }
        slots[index] = 0;
        say(Message::Exited { slot, status });
    }
}

fn obey(slots: &mut [i32; SLOTS]) {
    let mut bytes = [0; LENGTH];
    let (length, fds) = match sys::receive(sys::borrow(CONTROL), &mut bytes) {
        Ok(Some(received)) => received,
        Err(Errno::EINTR) => return,
        // The lifeline: the parent is gone, however it died.
        Ok(None) | Err(_) => sys::exit_now(0),
    };
    match Message::decode(&bytes[..length]) {
        Some(Message::Spawn { slot, session }) => {
            let answer = match start(slots, slot, &fds, session) {
                Ok(pid) => Message::Started { slot, pid },
                Err(NotStarted::Program(errno)) => Message::SpawnFailed {
                    slot,
                    errno: errno as i32,
                },
                Err(NotStarted::Folder(errno)) => Message::FolderFailed {
                    slot,
                    errno: errno as i32,
                },
            };
            // Whoever hears the answer may wait for the end of a pipe next.
            drop(fds);
            say(answer);
        }
        Some(Message::Signal { slot, signal }) => {
            let pid = slots.get(slot as usize).copied().unwrap_or(0);
            if pid > 0 {
                // One in its caller's group leads none of its own. It may have ended meanwhile; its end is
                // reported by itself.
                let _ = sys::signal(-pid, signal).or_else(|_| sys::signal(pid, signal));
            }
        }
        Some(Message::Socket) => {
            if let [Some(answer), ..] = &fds {
                give_socket(answer);
            }
        }
        _ => sys::exit_now(4),
    }
}

/// Sends a TCP socket of this network to `answer`. Where none is to be had, its end says so.
fn give_socket(answer: &OwnedFd) {
    let flags = SocketFlags::CLOEXEC;
    let Ok(socket) = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None) else {
        return;
    };
    let fds = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&fds));
    let message = [IoSlice::new(&[0])];
    // Whoever asked may be gone.
    let _ = sendmsg(answer, &message, &mut rights, SendFlags::NOSIGNAL);
}

fn start(
    slots: &mut [i32; SLOTS],
    slot: i32,
    fds: &[Option<OwnedFd>; 4],
    session: Session,
) -> Result<i32, NotStarted> {
    let invalid = NotStarted::Program(Errno::EINVAL);
    let place = slots.get_mut(slot as usize).ok_or(invalid)?;
    let [Some(image), Some(input), Some(output), Some(error)] = fds else {
        return Err(invalid);
    };
    if *place != 0 {
        return Err(invalid);
    }
    let image = sys::Image::map(image).map_err(NotStarted::Program)?;
    *place = sys::spawn(&image, [input, output, error], session)?;
    Ok(*place)
}
