//! The island of `unsafe`: the system calls that no safe crate offers in a form that
//! the child of a `clone` may use.
//!
//! Everything that runs after [`clone_process`] returned zero runs in a copy of a
//! possibly threaded process in which only this thread goes on: a lock that another
//! thread held stays locked for ever, malloc's among them. So nothing here, and
//! nothing that the child calls, allocates, locks or panics.

use std::convert::Infallible;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

/// `fork` with namespace flags, by the system call itself: glibc's `fork` would take malloc's
/// lock and run handlers registered by code that knows nothing of us (clone(2), pthread_atfork(3)).
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
    let mask = block_signals();
    let flags = c_long::from(flags.bits() | libc::SIGCHLD);
    let none: c_long = 0;
    // SAFETY: no stack is given and CLONE_VM is not set, so the child gets a copy of this stack and
    // memory; the remaining arguments are zero in every architecture's order. There is no safe way:
    // std and nix offer no clone that copies the caller as fork does and takes namespace flags.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    let pid = Errno::result(pid);
    if pid == Ok(0) {
        child();
    }
    restore_signals(&mask);
    pid.map(|pid| Pid::from_raw(pid as c_int))
}

/// Ends the process at once: no destructors, no `atexit` handlers of the parent's (\_exit(2)).
pub(super) fn exit_now(code: c_int) -> ! {
    // SAFETY: `_exit` takes any code and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Blocks every signal for this thread and returns the earlier mask.
fn block_signals() -> libc::sigset_t {
    // SAFETY: a zeroed `sigset_t` is a valid value; `sigfillset` then fills it.
    let mut all: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: as above; it is overwritten by the next but one call.
    let mut before: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: the pointer is to a live local.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: both pointers are to live locals.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    before
}

/// Sets this thread's signal mask.
fn restore_signals(mask: &libc::sigset_t) {
    // SAFETY: the mask is a valid reference, and the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}

/// Gives every signal its default action and leaves only `SIGCHLD` blocked.
///
/// A Rust program ignores `SIGPIPE`, and a runtime has handlers that write to its own pipes:
/// neither may reach the container.
pub(super) fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is a valid disposition; SIGKILL, SIGSTOP and the two signals that libc
        // keeps for itself answer EINVAL, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a zeroed set is a valid, empty one on Linux.
    let mut children: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: the pointer is to a live local, the signal's number is valid.
    unsafe { libc::sigaddset(&raw mut children, libc::SIGCHLD) };
    restore_signals(&children);
}

/// A descriptor that is readable when a child has changed its state; `SIGCHLD` must be blocked.
///
/// # Errors
/// `EMFILE` and the like (signalfd(2)).
pub(super) fn child_signal() -> Result<RawFd, Errno> {
    // SAFETY: a zeroed set is a valid, empty one on Linux.
    let mut children: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: the pointer is to a live local, the signal's number is valid.
    unsafe { libc::sigaddset(&raw mut children, libc::SIGCHLD) };
    // SAFETY: -1 asks for a new descriptor; the set is a live local.
    let fd = unsafe {
        libc::signalfd(
            -1,
            &raw const children,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        )
    };
    Errno::result(fd)
}

/// Empties a descriptor made by [`child_signal`].
pub(super) fn drain(fd: RawFd) {
    let mut buffer = [0_u8; 1024];
    loop {
        // SAFETY: the buffer is live and its length is passed.
        let n = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
        if n <= 0 {
            return;
        }
    }
}

/// Makes `to` a copy of the descriptor `from` that survives `execve` (dup2(2)).
///
/// # Errors
/// `EBADF` when `from` isn't open.
pub(super) fn duplicate_to(from: RawFd, to: RawFd) -> Result<(), Errno> {
    if from == to {
        // SAFETY: F_SETFD takes an integer; the descriptor's number is checked by the kernel.
        return Errno::result(unsafe { libc::fcntl(from, libc::F_SETFD, 0) }).map(drop);
    }
    // SAFETY: plain numbers, checked by the kernel; the caller owns what `to` names.
    Errno::result(unsafe { libc::dup2(from, to) }).map(drop)
}

/// Keeps a descriptor from surviving `execve`.
///
/// # Errors
/// `EBADF` when it isn't open.
pub(super) fn close_on_exec(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: F_SETFD takes an integer; the descriptor's number is checked by the kernel.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Gives this process the name that `ps` shows (PR_SET_NAME, prctl(2)).
pub(super) fn name_process(name: &CStr) {
    // SAFETY: the name is NUL-terminated; the kernel copies at most 16 bytes of it.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Closes every descriptor from `first` on (close_range(2), Linux 5.9).
///
/// # Errors
/// `ENOSYS` on an older kernel.
pub(super) fn close_from(first: c_uint) -> Result<(), Errno> {
    // SAFETY: only the child calls this; it owns its whole descriptor table and uses none of these.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, 0) };
    Errno::result(done).map(drop)
}

/// Closes one descriptor that this process knows by its number only.
pub(super) fn close_raw(fd: RawFd) {
    // SAFETY: only init calls this, on descriptors that it received and owns.
    unsafe { libc::close(fd) };
}

/// Writes all of `bytes` to the file `path` in one call, as the files of `/proc` want it.
///
/// # Errors
/// Those of open(2) and write(2).
pub(super) fn write_file(path: &CStr, bytes: &[u8]) -> Result<(), Errno> {
    let fd = open(path, libc::O_WRONLY | libc::O_CLOEXEC)?;
    let written = write_fd(fd, bytes);
    close_raw(fd);
    written
}

/// Writes all of `bytes` to a descriptor in one call.
///
/// # Errors
/// Those of write(2).
pub(super) fn write_fd(fd: RawFd, bytes: &[u8]) -> Result<(), Errno> {
    // SAFETY: the slice is live and its length is passed.
    Errno::result(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }).map(drop)
}

/// Opens `/dev/null`, to survive `execve`.
///
/// # Errors
/// Those of open(2).
pub(super) fn open_null() -> Result<RawFd, Errno> {
    open(c"/dev/null", libc::O_RDWR)
}

/// Creates an empty file if there is none.
///
/// # Errors
/// Those of open(2).
pub(super) fn make_file(path: &CStr) -> Result<(), Errno> {
    open(path, libc::O_CREAT | libc::O_CLOEXEC).map(close_raw)
}

/// Opens a file without allocating; mode 0666 for one that is created.
fn open(path: &CStr, flags: c_int) -> Result<RawFd, Errno> {
    // SAFETY: the path is NUL-terminated; the mode is passed as the variadic argument's type asks.
    Errno::result(unsafe { libc::open(path.as_ptr(), flags, 0o666 as c_uint) })
}

/// Changes attributes of a mount, and of all below it when `recursive` (mount_setattr(2), Linux 5.12).
///
/// # Errors
/// `EPERM` for an attribute that a more privileged namespace has locked.
pub(super) fn mount_attributes(
    target: &CStr,
    set: u64,
    clear: u64,
    recursive: bool,
) -> Result<(), Errno> {
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let attributes = MountAttr {
        set,
        clear,
        propagation: 0,
        user_namespace: 0,
    };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is NUL-terminated, the structure is live and has the layout of
    // `struct mount_attr`, whose size is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            target.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(done).map(drop)
}

/// Brings the interface `lo` of this network namespace up (netdevice(7)).
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` in the namespace.
pub(super) fn loopback_up() -> Result<(), Errno> {
    // SAFETY: plain constants.
    let fd = Errno::result(unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)
    })?;
    // SAFETY: `ifreq` is plain data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    request.ifr_name[0] = b'l' as c_char;
    request.ifr_name[1] = b'o' as c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which is live and filled in.
    let done =
        Errno::result(unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw const request) });
    close_raw(fd);
    done.map(drop)
}

/// Empties the capability sets of this thread: bounding, ambient, then the others (capabilities(7)).
///
/// # Errors
/// `EPERM` from capset(2); a bounding set that can't be cut is left, as no new privileges are to be had.
pub(super) fn drop_capabilities() -> Result<(), Errno> {
    for capability in 0..64 as c_long {
        // SAFETY: PR_CAPBSET_DROP takes an integer and answers EINVAL past the last capability.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    // SAFETY: PR_CAP_AMBIENT_CLEAR_ALL takes no pointer.
    unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    // `struct __user_cap_header_struct` of version 3, this thread; then two empty data records.
    let header: [u32; 2] = [0x2008_0522, 0];
    let empty: [u32; 6] = [0; 6];
    // SAFETY: both arrays are live and have the layout that version 3 asks for (capset(2)).
    let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), empty.as_ptr()) };
    Errno::result(done).map(drop)
}

/// Gives up all groups and becomes `uid` and `gid` for good, by the system calls themselves:
/// glibc's wrappers would signal threads that this process no longer has (setresuid(2), nptl(7)).
///
/// # Errors
/// `EPERM` without the privilege.
pub(super) fn become_user(uid: u32, gid: u32) -> Result<(), Errno> {
    // SAFETY: a length of zero means that the pointer isn't read.
    Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, 0, ptr::null::<u32>()) })?;
    // SAFETY: plain numbers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: plain numbers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// Gives up gaining privileges by `execve` for good (PR_SET_NO_NEW_PRIVS, prctl(2)).
///
/// # Errors
/// None on a kernel of this decade.
pub(super) fn no_new_privileges() -> Result<(), Errno> {
    let (on, none): (c_long, c_long) = (1, 0);
    // SAFETY: the option takes an integer and three zeroes.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, none, none, none) }).map(drop)
}

/// Keeps `/proc/self` this user's own after a change of user (PR_SET_DUMPABLE, prctl(2)).
///
/// # Errors
/// None.
pub(super) fn stay_dumpable() -> Result<(), Errno> {
    let on: c_long = 1;
    // SAFETY: the option takes an integer.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, on) }).map(drop)
}

/// Receives one message and up to four descriptors with it (unix(7)). `Ok(None)` is the end.
///
/// # Errors
/// Those of recvmsg(2); `EMSGSIZE` for a message with more descriptors than were expected.
pub(super) fn receive(
    socket: RawFd,
    buffer: &mut [u8],
    fds: &mut [RawFd; 4],
) -> Result<Option<usize>, Errno> {
    // Room for four descriptors, aligned as `cmsghdr` wants it.
    let mut control = [0_u64; 8];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `msghdr` is plain data, for which all zeroes is a value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<[u64; 8]>() as _;
    // SAFETY: every pointer in the header is to a live local or to the caller's buffer, with its length.
    let n = unsafe { libc::recvmsg(socket, &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let n = Errno::result(n)?;
    if header.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(Errno::EMSGSIZE);
    }
    *fds = [-1; 4];
    // SAFETY: the kernel has filled in the header, which is live.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    if !first.is_null() {
        // SAFETY: the macro gave a pointer into `control`, where the kernel wrote a whole header.
        let data = unsafe { libc::CMSG_DATA(first) };
        // SAFETY: as above.
        let length = unsafe { (*first).cmsg_len } as usize;
        let count = length.saturating_sub(data as usize - first as usize) / size_of::<RawFd>();
        for (index, slot) in fds.iter_mut().enumerate().take(count) {
            // SAFETY: `index` is below the number of descriptors that the kernel says it wrote.
            *slot = unsafe { ptr::read_unaligned(data.cast::<RawFd>().add(index)) };
        }
    }
    Ok((n > 0).then_some(n as usize))
}

/// A file in memory with `bytes` in it, to hand a program to init whatever its size (memfd_create(2)).
///
/// # Errors
/// Those of memfd_create(2) and write(2).
pub(super) fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: the name is NUL-terminated.
    let fd = unsafe { libc::memfd_create(c"cowherd-program".as_ptr(), libc::MFD_CLOEXEC) };
    let fd = Errno::result(fd)?;
    // SAFETY: the descriptor was just made and belongs to nobody else.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut file = std::fs::File::from(file);
    io::Write::write_all(&mut file, bytes)?;
    Ok(file.into())
}

/// A program image mapped into init's memory, its offsets turned into pointers.
pub(super) struct Image {
    base: *mut u8,
    length: usize,
}

/// The words at the head of an image; see `image.rs` for the layout.
pub(super) const IMAGE_HEAD: usize = 6;

impl Image {
    /// Maps the image in `fd` and relocates it. The image comes from our own parent, which
    /// `image.rs` made; its offsets are checked against its length all the same.
    ///
    /// # Errors
    /// `EINVAL` for an image that isn't one, `ENOMEM` without memory.
    pub(super) fn map(fd: RawFd) -> Result<Self, Errno> {
        // SAFETY: `stat` is plain data, for which all zeroes is a value.
        let mut status: libc::stat = unsafe { zeroed() };
        // SAFETY: the structure is live.
        Errno::result(unsafe { libc::fstat(fd, &raw mut status) })?;
        let length = status.st_size as usize;
        if length < IMAGE_HEAD * 8 {
            return Err(Errno::EINVAL);
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new private mapping of a file that nobody shrinks: the parent has closed it or
        // never touches it again.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, access, libc::MAP_PRIVATE, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let image = Self {
            base: base.cast(),
            length,
        };
        let pointers = (0..4).try_fold(0_usize, |sum, n| sum.checked_add(image.word(n)));
        let pointers = pointers.ok_or(Errno::EINVAL)?;
        if pointers.saturating_add(IMAGE_HEAD).saturating_mul(8) > length {
            return Err(Errno::EINVAL);
        }
        // The last byte ends the last string, so every string inside ends inside.
        // SAFETY: the index is the mapping's last.
        if unsafe { *image.base.add(length - 1) } != 0 {
            return Err(Errno::EINVAL);
        }
        for index in IMAGE_HEAD..IMAGE_HEAD + pointers {
            let offset = image.word(index);
            if offset >= length {
                return Err(Errno::EINVAL);
            }
            if offset != 0 {
                // SAFETY: the offset was checked; the word lies in the mapping, which is writable.
                unsafe { *image.base.cast::<*mut u8>().add(index) = image.base.add(offset) };
            }
        }
        Ok(image)
    }

    /// The word at `index`: counts of candidates, arguments, variables and folders, then flags.
    pub(super) fn word(&self, index: usize) -> usize {
        debug_assert!((index + 1) * 8 <= self.length, "a word of the head");
        // SAFETY: callers stay below the head's length or the count that `map` has checked.
        unsafe { *self.base.cast::<usize>().add(index) }
    }

    fn pointer(&self, index: usize) -> *const *const c_char {
        // SAFETY: callers stay within the pointers that `map` has checked.
        unsafe { self.base.cast::<*const c_char>().add(IMAGE_HEAD + index) }.cast_const()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no pointer into it outlives a spawn.
        unsafe { libc::munmap(self.base.cast(), self.length) };
    }
}

/// How a spawned program stands towards the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// A session of its own: no terminal, its own process group.
    Own,
    /// Its own process group in the caller's session, in the foreground of the terminal on
    /// descriptor 0 when there is one.
    Foreground,
}

struct Spawn<'a> {
    image: &'a Image,
    stdio: [RawFd; 3],
    session: Session,
    error: c_int,
}

/// A stack of 64 KiB, in units that have the alignment that the ABIs want.
type Stack = [u128; 4 * 1024];

/// The stack that a spawned program's first instructions run on.
static mut SPAWN_STACK: Stack = [0; 4 * 1024];

/// Starts the program of `image` as a child of init and returns its process id once it has
/// been executed.
///
/// # Errors
/// The first error on the way to `execve`, or its own.
pub(super) fn spawn(image: &Image, stdio: [RawFd; 3], session: Session) -> Result<Pid, Errno> {
    let mut spawn = Spawn {
        image,
        stdio,
        session,
        error: 0,
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: only init spawns, it has one thread, and with CLONE_VFORK it sleeps until the child
    // has left this stack by execve or _exit: the static is never used twice at once. The pointer
    // is one past the end, as stacks grow down.
    let top = unsafe { (&raw mut SPAWN_STACK).add(1) };
    let argument = (&raw mut spawn).cast::<c_void>();
    // SAFETY: as above; `spawn` lives on init's stack, which CLONE_VM shares, until the child is done.
    let pid = unsafe { libc::clone(run_spawned, top.cast(), flags, argument) };
    let pid = Errno::result(pid)?;
    match spawn.error {
        0 => Ok(Pid::from_raw(pid)),
        error => {
            // SAFETY: the child has ended by itself; its status isn't asked for.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            Err(Errno::from_raw(error))
        }
    }
}

extern "C" fn run_spawned(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` above passes a pointer to a live `Spawn` that nobody else uses meanwhile.
    let spawn = unsafe { &mut *argument.cast::<Spawn<'_>>() };
    spawn.error = execute(spawn) as c_int;
    127
}

/// Turns this process into the program; comes back only with an error.
fn execute(spawn: &Spawn<'_>) -> Errno {
    match spawn.session {
        // SAFETY: setsid takes nothing.
        Session::Own => drop(unsafe { libc::setsid() }),
        Session::Foreground => {
            // SAFETY: zeroes name this process.
            unsafe { libc::setpgid(0, 0) };
            // SAFETY: SIG_IGN is a valid disposition; it is put back below. A process that is not
            // yet in the foreground would be stopped by tcsetpgrp otherwise (tcsetpgrp(3)).
            unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
            // SAFETY: takes nothing.
            let own = unsafe { libc::getpid() };
            // SAFETY: plain numbers; on something that is no terminal it answers ENOTTY.
            unsafe { libc::tcsetpgrp(spawn.stdio[0], own) };
            // SAFETY: SIG_DFL is a valid disposition.
            unsafe { libc::signal(libc::SIGTTOU, libc::SIG_DFL) };
        }
    }
    // Received descriptors are above 2, so that none of these steps on another.
    for (target, fd) in spawn.stdio.iter().enumerate() {
        if let Err(error) = duplicate_to(*fd, target as RawFd) {
            return error;
        }
    }
    let image = spawn.image;
    let [candidates, arguments, variables, folders] = [0, 1, 2, 3].map(|n| image.word(n));
    if folders > 0 {
        // SAFETY: the index is of the first folder, a NUL-terminated string in the mapping.
        let folder = unsafe { *image.pointer(candidates + arguments + variables) };
        // SAFETY: as above.
        if unsafe { libc::chdir(folder) } != 0 {
            return Errno::last();
        }
    }
    // SAFETY: a zeroed set is a valid, empty one on Linux.
    let none: libc::sigset_t = unsafe { zeroed() };
    restore_signals(&none);
    let mut error = Errno::ENOENT;
    for candidate in 0..candidates {
        // SAFETY: the candidates are the first pointers, checked by `map`.
        let path = unsafe { *image.pointer(candidate) };
        let argv = image.pointer(candidates);
        let envp = image.pointer(candidates + arguments);
        // SAFETY: both arrays end with a null pointer, which `image.rs` counts among them.
        unsafe { libc::execve(path, argv, envp) };
        let now = Errno::last();
        // As execvp(3): a folder without the program is passed over, one that forbids it is remembered.
        match now {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => error = now,
            _ => return now,
        }
    }
    error
}

/// Puts this process back in the foreground of the terminal on its standard input, after a program in
/// a container had it; does nothing where there is no terminal (tcsetpgrp(3)).
pub fn take_terminal_back() {
    // SAFETY: SIG_IGN is a valid disposition. A process in the background is stopped by tcsetpgrp
    // otherwise, and the one call that wants the signal ignored is the next.
    let before = unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
    // SAFETY: takes nothing.
    let own = unsafe { libc::getpgrp() };
    // SAFETY: plain numbers; on something that is no terminal it answers ENOTTY.
    unsafe { libc::tcsetpgrp(0, own) };
    // SAFETY: the disposition that `signal` gave back.
    unsafe { libc::signal(libc::SIGTTOU, before) };
}

/// Borrows descriptor `fd` for as long as init lives: its control socket and signal descriptor.
pub(super) fn borrow_for_life(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: only called by init on the two descriptors that it never closes.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// The number of a descriptor, for the list of ops.
pub(super) fn number(fd: &impl AsRawFd) -> RawFd {
    fd.as_raw_fd()
}
