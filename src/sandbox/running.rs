//! The parent's side of a live container.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, send, sendmsg, socketpair,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::describe::Sandbox;
use super::error::SandboxError;
use super::image::Command;
use super::init::{self, SLOTS};
use super::inlet::Inlet;
use super::message::{LENGTH, Message, Session};
use super::program::{Op, Program};
use super::sys;
use super::terminal::{self, Lent};

/// Names a program that was started in a container; no other program of the container ever has the
/// same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Where init keeps it: free again once it has ended, though its end may not have been told yet.
    index: i32,
    serial: u64,
    pid: i32,
}

impl Slot {
    /// Its process id as programs of the container see it; its session has the same number, unless a person
    /// sits before it.
    pub fn pid(self) -> i32 {
        self.pid
    }
}

/// How a program in a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Whether it ended with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The code that a shell would show: 128 and the signal's number for a signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Why [`Running::next`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A program ended.
    Exited(Slot, Exit),
    /// One of the caller's descriptors has something to read, or its end.
    Readable(usize),
    /// The time is up.
    Deadline,
}

/// A live container. Dropping it kills everything inside and waits until it is gone.
#[derive(Debug)]
pub struct Running {
    pid: Pid,
    control: OwnedFd,
    programs: [Option<Slot>; SLOTS],
    started: u64,
    exits: VecDeque<(Slot, Exit)>,
    /// The program that a person sits before.
    front: Option<(Slot, Lent)>,
    ended: bool,
}

impl Sandbox {
    /// Starts the container: returns when every step is done and its init waits for orders.
    ///
    /// # Errors
    /// Which step failed and why; then nothing is left of it.
    pub fn start(&self) -> Result<Running, SandboxError> {
        self.start_changed(|_| {})
    }

    /// As [`Sandbox::start`], with a last change to the compiled program.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub fn start_changed(
        &self,
        change: impl FnOnce(&mut Program),
    ) -> Result<Running, SandboxError> {
        let pair = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        );
        let (ours, theirs) = pair.map_err(|errno| SandboxError::Conversation(errno.into()))?;
        let mut program = self.compile(theirs.as_fd())?;
        change(&mut program);
        let control = theirs.as_raw_fd();
        let pid = sys::clone_process(program.namespaces, || init::run(&program, control))
            .map_err(SandboxError::Clone)?;
        drop(theirs);
        let mut running = Running {
            pid,
            control: ours,
            programs: [None; SLOTS],
            started: 0,
            exits: VecDeque::new(),
            front: None,
            ended: false,
        };
        match running.receive() {
            Ok(Message::Ready) => Ok(running),
            Ok(Message::SetupFailed { op, errno }) => {
                let (index, errno) = (op as usize, Errno::from_raw(errno));
                if program.ops.get(index).is_some_and(Op::creates_namespaces) {
                    return Err(SandboxError::Clone(errno));
                }
                let step = program.step(index);
                Err(SandboxError::Step { index, step, errno })
            }
            Ok(other) => Err(unexpected(other)),
            Err(error) => Err(error),
        }
    }
}

fn unexpected(message: Message) -> SandboxError {
    let text = format!("an unexpected message: {message:?}");
    SandboxError::Conversation(io::Error::new(io::ErrorKind::InvalidData, text))
}

impl Running {
    /// The process id of the container's init, as the host sees it.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// A path inside the container as the host reaches it, sockets included, for as long as the
    /// container lives (proc(5), `/proc/PID/root`).
    pub fn reach(&self, inside: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        root.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// The way to the container's ports. It is of no use once the container is gone, and doesn't keep it.
    ///
    /// # Errors
    /// When there is no descriptor to be had.
    pub fn inlet(&self) -> io::Result<Inlet> {
        self.control.try_clone().map(Inlet::new)
    }

    /// Starts a program with the three descriptors as its standard input, output and error.
    ///
    /// # Errors
    /// When it can't be executed.
    pub fn spawn(
        &mut self,
        command: &Command,
        stdio: [&dyn AsFd; 3],
    ) -> Result<Slot, SandboxError> {
        let index = self
            .programs
            .iter()
            .position(Option::is_none)
            .ok_or(SandboxError::Slots(SLOTS))?;
        self.started += 1;
        let mut slot = Slot {
            index: index as i32,
            serial: self.started,
            pid: 0,
        };
        let image = command.image().map_err(SandboxError::Stdio)?;
        let stdio = stdio.map(AsFd::as_fd);
        let session = match command.is_foreground() {
            true => terminal::session(stdio),
            false => Session::Own,
        };
        let order = Message::Spawn {
            slot: slot.index,
            session,
        }
        .encode();
        let [input, output, error] = stdio.map(|fd| fd.as_raw_fd());
        let fds = [image.as_raw_fd(), input, output, error];
        let message = [IoSlice::new(&order)];
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = self.control.as_raw_fd();
        again(|| sendmsg::<()>(control, &message, &rights, MsgFlags::MSG_NOSIGNAL, None))
            .map_err(broken)?;
        let failed = |errno: i32, folder: Option<&Path>| SandboxError::Spawn {
            program: command.program().to_string_lossy().into_owned(),
            folder: folder.map(Path::to_owned),
            errno: Errno::from_raw(errno),
        };
        loop {
            match self.receive()? {
                Message::Started { slot: started, pid } if started == slot.index => {
                    slot.pid = pid;
                    self.programs[index] = Some(slot);
                    if session == Session::Foreground {
                        self.front = Some((slot, Lent::default()));
                    }
                    return Ok(slot);
                }
                Message::SpawnFailed { slot: it, errno } if it == slot.index => {
                    return Err(failed(errno, None));
                }
                Message::FolderFailed { slot: it, errno } if it == slot.index => {
                    return Err(failed(errno, command.folder()));
                }
                Message::Exited { slot, status } => self.note_exit(slot, status),
                Message::Stopped { slot, signal } => self.follow(slot, signal)?,
                other => return Err(unexpected(other)),
            }
        }
    }

    /// Sends a signal to a program and everything in its process group; to one that is known to have
    /// ended it does nothing.
    ///
    /// # Errors
    /// When the container is gone.
    pub fn signal(&mut self, slot: Slot, signal: i32) -> Result<(), SandboxError> {
        if !self.programs.contains(&Some(slot)) {
            return Ok(());
        }
        let order = Message::Signal {
            slot: slot.index,
            signal,
        }
        .encode();
        let control = self.control.as_raw_fd();
        again(|| send(control, &order, MsgFlags::MSG_NOSIGNAL))
            .map(drop)
            .map_err(broken)
    }

    /// Waits until something happens: a program ends, one of `watched` is readable, or the time is up.
    ///
    /// # Errors
    /// [`SandboxError::Gone`] when the whole container has ended.
    pub fn next(
        &mut self,
        deadline: Option<Instant>,
        watched: &[BorrowedFd<'_>],
    ) -> Result<Wake, SandboxError> {
        loop {
            if let Some((slot, exit)) = self.exits.pop_front() {
                return Ok(Wake::Exited(slot, exit));
            }
            let mut fds = vec![PollFd::new(self.control.as_fd(), PollFlags::POLLIN)];
            fds.extend(watched.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
            match poll(&mut fds, timeout(deadline)) {
                Ok(0) if deadline.is_some_and(|at| Instant::now() >= at) => {
                    return Ok(Wake::Deadline);
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(SandboxError::Conversation(errno.into())),
            }
            let ready: Vec<bool> = fds
                .iter()
                .map(|fd| fd.revents().is_some_and(|events| !events.is_empty()))
                .collect();
            if ready[0] {
                match self.receive()? {
                    Message::Exited { slot, status } => self.note_exit(slot, status),
                    Message::Stopped { slot, signal } => self.follow(slot, signal)?,
                    other => return Err(unexpected(other)),
                }
            } else if let Some(index) = ready[1..].iter().position(|ready| *ready) {
                return Ok(Wake::Readable(index));
            }
        }
    }

    /// Waits for one program. `None` when the deadline or the caller's `stop` descriptor came first;
    /// it still runs then.
    ///
    /// # Errors
    /// As [`Running::next`].
    pub fn wait_for(
        &mut self,
        slot: Slot,
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Exit>, SandboxError> {
        let mut others = Vec::new();
        let result = loop {
            match self.next(deadline, stop.as_slice()) {
                Ok(Wake::Exited(ended, exit)) if ended == slot => break Ok(Some(exit)),
                Ok(Wake::Exited(ended, exit)) => others.push((ended, exit)),
                Ok(Wake::Readable(_) | Wake::Deadline) => break Ok(None),
                Err(error) => break Err(error),
            }
        };
        self.exits.extend(others);
        result
    }

    /// Waits for one program to its end, or until `deadline`, or until `stop` is readable.
    ///
    /// # Errors
    /// As [`Running::next`]; [`SandboxError::Gone`] when the time was up first.
    pub fn wait(
        &mut self,
        slot: Slot,
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Exit, SandboxError> {
        self.wait_for(slot, deadline, stop)?
            .ok_or(SandboxError::Gone)
    }

    /// How a program that ended earlier did so, if it has and nobody was told yet.
    pub fn ended(&self, slot: Slot) -> Option<Exit> {
        self.exits
            .iter()
            .find(|(known, _)| *known == slot)
            .map(|(_, exit)| *exit)
    }

    /// Kills everything in the container and waits until the kernel has taken it apart.
    pub fn kill(mut self) {
        self.end();
    }

    fn note_exit(&mut self, index: i32, status: i32) {
        let slot = self.programs.get_mut(index as usize).and_then(Option::take);
        let Some(slot) = slot else { return };
        // As wait(2) has it: the signal in the lowest seven bits, the code above the lowest byte.
        let exit = match status & 0x7f {
            0 => Exit::Code(status >> 8),
            signal => Exit::Signal(signal),
        };
        self.exits.push_back((slot, exit));
    }

    /// Stops with the program in the foreground, and goes on with it; another may stand still.
    fn follow(&mut self, index: i32, signal: i32) -> Result<(), SandboxError> {
        match &mut self.front {
            Some((slot, lent)) if slot.index == index => {
                let slot = *slot;
                match lent.stopped(signal) {
                    true => self.signal(slot, Signal::SIGCONT as i32),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn receive(&mut self) -> Result<Message, SandboxError> {
        let mut bytes = [0; LENGTH];
        let control = self.control.as_raw_fd();
        match again(|| recv(control, &mut bytes, MsgFlags::empty())).map_err(broken)? {
            0 => Err(SandboxError::Gone),
            n => Message::decode(&bytes[..n])
                .ok_or_else(|| SandboxError::Conversation(io::ErrorKind::InvalidData.into())),
        }
    }

    fn end(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        // Whoever ignores SIGCHLD, or waits for all its children, may have reaped init when it ended of
        // itself: then the process id is no longer ours, and may be a stranger's.
        if waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) != Ok(WaitStatus::StillAlive) {
            return;
        }
        // The kernel ends every process of the PID namespace before init can be waited for.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = again(|| waitpid(self.pid, None));
    }
}

/// A system call, again for as long as a signal handler of the caller's interrupts it.
pub(super) fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

fn broken(errno: Errno) -> SandboxError {
    match errno {
        Errno::EPIPE | Errno::ECONNRESET => SandboxError::Gone,
        errno => SandboxError::Conversation(errno.into()),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up: a poll that comes back just before the deadline would spin.
    let left = left
        .saturating_add(Duration::from_micros(999))
        .as_millis()
        .min(i32::MAX as u128);
    PollTimeout::try_from(left as i32).unwrap_or(PollTimeout::MAX)
}
