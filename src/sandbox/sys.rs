//! The island of `unsafe`: the system calls that no safe crate offers in a form that
//! the child of a `clone` may use.
//!
//! Everything that runs after [`clone_process`] returned zero runs in a copy of a
//! possibly threaded process in which only this thread goes on: a lock that another
//! thread held stays locked for ever, malloc's among them. So nothing here, and
//! nothing that the child calls, allocates, locks or panics.

use std::convert::Infallible;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::{self, AccessFlags, Pid};
use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::UnshareFlags;

use super::image;
use super::message::Session;
use super::program::errno;

/// `fork` with namespace flags, by the system call itself: glibc's `fork` would take malloc's
/// lock and run handlers registered by code that knows nothing of us (clone(2), `pthread_atfork(3)`).
///
/// The child runs `child`, which never returns and keeps this module's promise: it doesn't
/// allocate, lock or panic. Returns the child's process id.
///
/// # Errors
/// The system call's: `EPERM` where user namespaces are denied, `ENOSPC` or `EUSERS` at a limit.
pub(super) fn clone_process(
    flags: CloneFlags,
    child: impl FnOnce() -> Infallible,
) -> Result<Pid, Errno> {
    // A handler of the parent's must not run in the child, where it would write to the parent's pipes.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let flags = c_long::from(flags.bits() | libc::SIGCHLD);
    let none: c_long = 0;
    // The stack comes first there, the flags everywhere else (clone(2)).
    let (first, second) = match cfg!(target_arch = "s390x") {
        true => (none, flags),
        false => (flags, none),
    };
    // SAFETY: no stack is given and CLONE_VM is not set, so the child gets a copy of this stack and
    // memory; the remaining arguments are zero in every architecture's order. There is no safe way:
    // std and nix offer no clone that copies the caller as fork does and takes namespace flags.
    let pid = unsafe { libc::syscall(libc::SYS_clone, first, second, none, none, none) };
    let pid = Errno::result(pid);
    if pid == Ok(0) {
        without_return(child);
    }
    // The mask was this thread's own a moment ago.
    let _ = mask.thread_set_mask();
    pid.map(|pid| Pid::from_raw(pid as c_int))
}

fn without_return(child: impl FnOnce() -> Infallible) -> Infallible {
    let _end = EndOnUnwind;
    child()
}

/// Ends the child of a clone should it panic all the same: unwound into the code that called
/// [`clone_process`], it would go on as a second copy of the parent.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        exit_now(101);
    }
}

/// Ends the process at once: no destructors, no `atexit` handlers of the parent's (\_exit(2)).
pub(super) fn exit_now(code: c_int) -> ! {
    // SAFETY: `_exit` takes any code and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Gives every signal its default action, by the system call itself: glibc's wrappers refuse the two
/// signals that it keeps for itself, which somebody may have ignored all the same (nptl(7)).
pub(super) fn default_signals() {
    // `struct kernel_sigaction` of every architecture in zeroes: SIG_DFL, no flags, an empty mask.
    let default = [0_u64; 8];
    // The size in bytes of the kernel's set of 64 signals.
    let size: c_long = 8;
    for signal in 1..=64 as c_long {
        let none = ptr::null::<u64>();
        // SAFETY: the structure is live and larger than what is read of it, the old action is not asked
        // for. SIGKILL and SIGSTOP answer EINVAL, which changes nothing.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, size) };
    }
}

/// Sends a signal, of whatever number, to a process, or a process group by its negative number
/// (kill(2)). nix knows no real-time signals.
pub(super) fn signal(target: i32, signal: c_int) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    Errno::result(unsafe { libc::kill(target, signal) }).map(drop)
}

/// What became of one child that has ended or was stopped, if there is one: its process id and wait
/// status (wait(2)). One that has ended is reaped.
/// nix has no word for the end by a real-time signal and would lose it.
pub(super) fn reap() -> Option<(i32, c_int)> {
    let mut status = 0;
    // SAFETY: the pointer is to a live local.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
    (pid > 0).then_some((pid, status))
}

/// Borrows a descriptor that the child knows by its number only.
pub(super) fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the child alone calls this, for descriptors that its table has and that it closes, if
    // at all, by `close_from`, after which it doesn't use them.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Makes `to` a copy of the descriptor `from` that does not survive `execve` (dup3(2)).
pub(super) fn move_to(from: RawFd, to: RawFd) -> Result<(), Errno> {
    if from == to {
        return Ok(());
    }
    // SAFETY: plain numbers, checked by the kernel; the child owns what `to` names.
    Errno::result(unsafe { libc::dup3(from, to, libc::O_CLOEXEC) }).map(drop)
}

/// Closes every descriptor from `first` on (`close_range(2)`, Linux 5.9).
pub(super) fn close_from(first: c_uint) -> Result<(), Errno> {
    // SAFETY: only the child calls this; it owns its whole descriptor table and uses none of these.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, 0) };
    Errno::result(done).map(drop)
}

/// Changes attributes of a mount, and of all below it when `recursive` (`mount_setattr(2)`, Linux 5.12).
///
/// # Errors
/// `EPERM` for an attribute that a more privileged namespace has locked.
pub(super) fn mount_attributes(
    target: &CStr,
    set: u64,
    clear: u64,
    recursive: bool,
) -> Result<(), Errno> {
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    set_mount(libc::AT_FDCWD, target, flags, (set, clear, 0))
}

/// Shows the files of a detached mount as `namespace` maps their owners (`MOUNT_ATTR_IDMAP`).
///
/// # Errors
/// `EINVAL` for a file system that knows no such maps.
pub(super) fn map_owners(tree: &OwnedFd, namespace: RawFd) -> Result<(), Errno> {
    let attributes = (libc::MOUNT_ATTR_IDMAP, 0, namespace as u64);
    set_mount(tree.as_raw_fd(), c"", libc::AT_EMPTY_PATH, attributes)
}

fn set_mount(
    at: RawFd,
    path: &CStr,
    flags: c_int,
    (attr_set, attr_clr, userns_fd): (u64, u64, u64),
) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set,
        attr_clr,
        propagation: 0,
        userns_fd,
    };
    // SAFETY: the path is NUL-terminated, the structure is live and its size is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(done).map(drop)
}

/// Brings the interface `lo` of this network namespace up (netdevice(7)).
pub(super) fn loopback_up() -> Result<(), Errno> {
    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    let fd = socket_with(family, kind, SocketFlags::CLOEXEC, None).map_err(errno)?;
    // SAFETY: `ifreq` is plain data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    request.ifr_name[0] = b'l' as c_char;
    request.ifr_name[1] = b'o' as c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`.
    let up = unsafe { Setter::<{ libc::SIOCSIFFLAGS as Opcode }, libc::ifreq>::new(request) };
    // SAFETY: as above, and the descriptor is a socket.
    unsafe { ioctl(&fd, up) }.map_err(errno)
}

/// The task that makes a network namespace beside init.
static NETWORK_MAKER: AtomicI32 = AtomicI32::new(0);
/// What came of it, once it has ended: a descriptor, or an error's number below zero.
static NETWORK: AtomicI32 = AtomicI32::new(-libc::ESRCH);
static mut NETWORK_STACK: Stack = [0; 4 * 1024];

/// Begins to make a network namespace, with its `lo` up, while init goes on: it takes half as long as all that
/// init does. Its end is awaited before [`network`] is asked.
///
/// # Errors
/// Where no task can be made.
pub(super) fn begin_network() -> Result<(), Errno> {
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::SIGCHLD;
    // One past the end, as stacks grow down.
    let top = (&raw mut NETWORK_STACK).wrapping_add(1);
    // SAFETY: init begins one network in its life, so nobody else runs on this stack. The task shares init's
    // memory while init runs on, `errno` and all: it touches nothing but its stack and an atomic, and makes
    // its system calls by rustix, which knows no `errno`. It ends with init, whose PID namespace it is in.
    let pid = unsafe { libc::clone(make_network, top.cast(), flags, ptr::null_mut()) };
    NETWORK_MAKER.store(Errno::result(pid)?, Ordering::Release);
    Ok(())
}

extern "C" fn make_network(_: *mut c_void) -> c_int {
    // SAFETY: the flag is not `FILES`, by which descriptors that others hold could change their meaning.
    let made = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.and_then(|()| {
        // Init does it again, and says why when it can't be done.
        let _ = loopback_up();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open(c"/proc/thread-self/ns/net", flags, Mode::empty())
    });
    let made = made.map_or_else(|error| -error.raw_os_error(), IntoRawFd::into_raw_fd);
    NETWORK.store(made, Ordering::Release);
    0
}

/// The task that [`begin_network`] started, and once that has ended the descriptor that it left, or its error's
/// number below zero.
pub(super) fn network() -> (Pid, RawFd) {
    let [pid, made] = [&NETWORK_MAKER, &NETWORK].map(|number| number.load(Ordering::Acquire));
    (Pid::from_raw(pid), made)
}

/// Where the kernel writes the descriptors that come with a message: one header, then up to four
/// numbers, which on every architecture follow it without a gap (cmsg(3)).
#[repr(C)]
struct Rights {
    header: libc::cmsghdr,
    fds: [RawFd; 4],
}

/// A message as it was received: its length, and its descriptors.
pub(super) type Received = (usize, [Option<OwnedFd>; 4]);

/// Receives one message and up to four descriptors with it (unix(7)). `Ok(None)` is the end.
///
/// # Errors
/// Those of recvmsg(2); `EMSGSIZE` for a message with more descriptors than were expected.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<Option<Received>, Errno> {
    // SAFETY: `Rights` is plain data, for which all zeroes is a value.
    let mut rights: Rights = unsafe { zeroed() };
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `msghdr` is plain data, for which all zeroes is a value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut rights).cast();
    header.msg_controllen = size_of::<Rights>() as _;
    let flags = libc::MSG_CMSG_CLOEXEC;
    // SAFETY: every pointer in the header is to a live local or to the caller's buffer, with its length.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let n = Errno::result(n)? as usize;
    // Zero where no descriptors came.
    let length = (rights.header.cmsg_len as usize).saturating_sub(size_of::<libc::cmsghdr>());
    let mut fds = [const { None }; 4];
    for (slot, fd) in fds
        .iter_mut()
        .zip(rights.fds)
        .take(length / size_of::<RawFd>())
    {
        // SAFETY: the kernel has just put it into this process's table for this message.
        *slot = Some(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    if header.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(Errno::EMSGSIZE);
    }
    Ok((n > 0).then_some((n, fds)))
}

/// A program image mapped into init's memory, its offsets turned into pointers.
pub(super) struct Image {
    words: &'static [usize],
}

/// The words at the head of an image; see `image.rs` for the layout.
pub(super) const IMAGE_HEAD: usize = 6;

impl Image {
    /// Maps the image in `file` and relocates it. The image comes from our own parent, which
    /// `image.rs` made; its offsets are checked against its length all the same.
    ///
    /// # Errors
    /// `EINVAL` for an image that isn't one, `ENOMEM` without memory.
    pub(super) fn map(file: &OwnedFd) -> Result<Self, Errno> {
        let count = nix::sys::stat::fstat(file)?.st_size as usize / size_of::<usize>();
        if count < IMAGE_HEAD {
            return Err(Errno::EINVAL);
        }
        let (length, fd) = (count * size_of::<usize>(), file.as_raw_fd());
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new private mapping of a file that nobody shrinks: the parent has closed it or
        // never touches it again.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, access, libc::MAP_PRIVATE, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: the mapping is as long as that, page-aligned, and until it is unmapped this value's own.
        let words = unsafe { std::slice::from_raw_parts_mut(base.cast::<usize>(), count) };
        let good = image::relocate(words, base as usize);
        // From here on it is unmapped with the value.
        let image = Self { words };
        good.map(|()| image)
    }

    /// The word at `index` of the head: counts of candidates, arguments, variables and folders.
    fn word(&self, index: usize) -> usize {
        self.words[index]
    }

    /// The pointers from `index` on; `relocate` has counted them.
    fn pointers(&self, index: usize) -> *const *const c_char {
        self.words[IMAGE_HEAD + index..].as_ptr().cast()
    }

    fn string(&self, index: usize) -> &CStr {
        // SAFETY: callers stay within the pointers that `relocate` has counted.
        let start = unsafe { *self.pointers(index) };
        // SAFETY: `relocate` made it point into the mapping, whose last byte is a NUL.
        unsafe { CStr::from_ptr(start) }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let base = self.words.as_ptr().cast_mut().cast();
        // SAFETY: the mapping is this value's own, and no pointer into it outlives a spawn.
        unsafe { libc::munmap(base, size_of_val(self.words)) };
    }
}

/// Why a program was not executed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NotStarted {
    /// Its working folder can't be entered.
    Folder(Errno),
    /// Anything else.
    Program(Errno),
}

struct Spawn<'a> {
    image: &'a Image,
    stdio: [&'a OwnedFd; 3],
    session: Session,
    failure: Option<NotStarted>,
}

/// A stack of 64 KiB, in units that have the alignment that the ABIs want.
type Stack = [u128; 4 * 1024];

/// The stack that a spawned program's first instructions run on.
static mut SPAWN_STACK: Stack = [0; 4 * 1024];

/// Starts the program of `image` as a child of init and returns its process id once it has
/// been executed.
pub(super) fn spawn(
    image: &Image,
    stdio: [&OwnedFd; 3],
    session: Session,
) -> Result<i32, NotStarted> {
    let mut spawn = Spawn {
        image,
        stdio,
        session,
        failure: None,
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // One past the end, as stacks grow down.
    let top = (&raw mut SPAWN_STACK).wrapping_add(1);
    let argument = (&raw mut spawn).cast::<c_void>();
    // SAFETY: only init spawns, it has one thread, and with CLONE_VFORK it sleeps until the child has
    // left this stack by execve or _exit: the static is never used twice at once, and `spawn`, on the
    // stack that CLONE_VM shares, lives until then.
    let pid = unsafe { libc::clone(run_spawned, top.cast(), flags, argument) };
    let pid = Errno::result(pid).map_err(NotStarted::Program)?;
    match spawn.failure {
        None => Ok(pid),
        Some(failure) => {
            // SAFETY: the child has ended by itself; its status isn't asked for.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            Err(failure)
        }
    }
}

extern "C" fn run_spawned(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` above passes a pointer to a live `Spawn` that nobody else uses meanwhile.
    let spawn = unsafe { &mut *argument.cast::<Spawn<'_>>() };
    spawn.failure = Some(execute(spawn));
    127
}

/// Turns this process into the program; comes back only with an error.
fn execute(spawn: &Spawn<'_>) -> NotStarted {
    let [input, output, error] = spawn.stdio;
    match spawn.session {
        Session::Own => drop(unistd::setsid()),
        Session::Callers => {}
        Session::Foreground => {
            let _ = unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
            // A process that is not yet in the foreground would be stopped for asking, unless the signal
            // is blocked (tcsetpgrp(3)). Something that is no terminal answers ENOTTY.
            let _ = SigSet::all().thread_block();
            let _ = unistd::tcsetpgrp(input, unistd::getpid());
        }
    }
    // Received descriptors are above 2, so that none of these steps on another.
    let stdio = unistd::dup2_stdin(input)
        .and_then(|()| unistd::dup2_stdout(output))
        .and_then(|()| unistd::dup2_stderr(error));
    if let Err(errno) = stdio {
        return NotStarted::Program(errno);
    }
    let image = spawn.image;
    let [candidates, arguments, variables, folders] = [0, 1, 2, 3].map(|n| image.word(n));
    if folders > 0
        && let Err(errno) = unistd::chdir(image.string(candidates + arguments + variables))
    {
        return NotStarted::Folder(errno);
    }
    let _ = SigSet::empty().thread_set_mask();
    let mut error = Errno::ENOENT;
    for candidate in 0..candidates {
        let path = image.string(candidate).as_ptr();
        let argv = image.pointers(candidates);
        let envp = image.pointers(candidates + arguments);
        // SAFETY: both arrays end with a null pointer, which `image.rs` counts among them.
        unsafe { libc::execve(path, argv, envp) };
        let now = Errno::last();
        // As execvp(3): a folder without the program is passed over, one that forbids it is remembered. One
        // that can't even be looked into is passed over too: root's PATH has folders of its own.
        let seen = || unistd::access(image.string(candidate), AccessFlags::F_OK).is_ok();
        match now {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES if candidates > 1 && !seen() => {}
            Errno::EACCES => error = now,
            _ => return NotStarted::Program(now),
        }
    }
    NotStarted::Program(error)
}
