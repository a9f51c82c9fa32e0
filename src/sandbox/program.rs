//! A sandbox compiled: a list of steps whose every string is ready, for a child that may not allocate.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::waitpid;
use nix::unistd;

use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::init::CONTROL;
use super::{extents, open_files, rights, sys};

/// `MOUNT_ATTR_RDONLY` of `mount_setattr(2)`.
pub(super) const READ_ONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID` of `mount_setattr(2)`.
pub(super) const NO_SUID: u64 = 0x2;

/// What the child is to do, in order.
#[derive(Debug)]
pub struct Program {
    pub(super) namespaces: CloneFlags,
    pub(super) ops: Vec<Op>,
}

impl Program {
    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The step `index` in words: *mount overlay on /run/cowherd/db/data*.
    pub fn step(&self, index: usize) -> String {
        self.ops
            .get(index)
            .map_or_else(|| "set up the container".to_owned(), Op::to_string)
    }

    /// Puts a step that always fails with `ENOENT` in the place of step `index`, so that a loop over
    /// all of them can show that a failure at any point leaves nothing behind.
    pub fn fail_at(&mut self, index: usize) {
        // The control socket has to be taken all the same, or nobody hears of the failure.
        if let Some(op) = self.ops.get_mut(index) {
            *op = Op::ChangeFolder {
                path: c"/nonexistent/cowherd".to_owned(),
            };
        }
    }

    /// Leaves step `index` out, so that a host which refuses it can be asked about the steps after
    /// it too. What such a container lacks is for the caller to know. One whose network is the host's there
    /// isn't.
    pub fn skip(&mut self, index: usize) {
        if let Some(op) = self.ops.get_mut(index)
            && !op.takes_control()
            && !op.creates_namespaces()
        {
            *op = Op::Defaults;
        }
    }
}

/// One step of the child.
#[derive(Debug)]
pub(super) enum Op {
    /// Enters a cgroup through its open `cgroup.procs`.
    JoinGroup { fd: RawFd },
    /// Takes the control socket to its place.
    TakeControl { fd: RawFd },
    /// Takes the namespace of a map of owners to its place.
    TakeMap { fd: RawFd },
    /// Closes every other descriptor; `/dev/null` is the standard input, output and error.
    CloseOthers { from: RawFd },
    /// Gives every signal its default action, and new files the usual mode.
    Defaults,
    /// Goes back to a limit on open files.
    OpenFiles { soft: u64 },
    /// Writes a file of `/proc`.
    Write { path: CString, bytes: Vec<u8> },
    /// mount(2).
    Mount {
        source: Option<CString>,
        target: CString,
        kind: Option<CString>,
        flags: MsFlags,
        data: Option<CString>,
    },
    /// `mount_setattr(2)`.
    Attributes {
        target: CString,
        set: u64,
        clear: u64,
        recursive: bool,
    },
    /// The folder `source` at `target`, its owner's files shown as the map says, where its file system
    /// can do that.
    Mapped { source: CString, target: CString },
    /// The descriptor of the map of owners is needed no more.
    CloseMap,
    /// A folder, if there is none.
    MakeFolder {
        path: CString,
        mode: u32,
        owner: Option<(u32, u32)>,
    },
    /// An empty file, as a place to mount a file on.
    MakeFile { path: CString },
    /// A file without its holes.
    CopyData {
        source: CString,
        target: CString,
        owner: Option<(u32, u32)>,
    },
    /// A symbolic link.
    Link { target: CString, path: CString },
    /// The working folder.
    ChangeFolder { path: CString },
    /// A network namespace, made beside the steps that follow.
    BeginNetwork,
    /// The network namespace that was begun.
    EnterNetwork,
    /// The interface `lo`.
    LoopbackUp,
    /// The host name.
    HostName { name: CString },
    /// No capability to be had from a file, ever.
    CutBoundingSet,
    /// Another user, for good.
    BecomeUser { uid: u32, gid: u32 },
    /// A user namespace of its own, entered after the mounts were made.
    NewUserNamespace,
    /// No new privileges (`PR_SET_NO_NEW_PRIVS`).
    NoNewPrivileges,
    /// Readable `/proc/self` although the user has changed (`PR_SET_DUMPABLE`).
    Dumpable,
    /// No capabilities.
    DropCapabilities,
}

impl Op {
    /// Does the step.
    pub(super) fn perform(&self) -> Result<(), Errno> {
        match self {
            Self::JoinGroup { fd } => unistd::write(sys::borrow(*fd), b"0").map(drop),
            // No program of the container may speak for its init, so it doesn't survive an execve.
            Self::TakeControl { fd } => sys::move_to(*fd, CONTROL),
            Self::TakeMap { fd } => sys::move_to(*fd, MAP),
            Self::CloseOthers { from } => close_others(*from),
            Self::Defaults => defaults(),
            Self::OpenFiles { soft } => open_files::give_back(*soft),
            Self::Write { path, bytes } => {
                let file = open(
                    path.as_c_str(),
                    OFlag::O_WRONLY | OFlag::O_CLOEXEC,
                    Mode::empty(),
                )?;
                // The files of /proc want it in one call.
                unistd::write(file, bytes).map(drop)
            }
            Self::Mount {
                source,
                target,
                kind,
                flags,
                data,
            } => mount(
                source.as_deref(),
                target.as_c_str(),
                kind.as_deref(),
                *flags,
                data.as_deref(),
            ),
            Self::Attributes {
                target,
                set,
                clear,
                recursive,
            } => sys::mount_attributes(target, *set, *clear, *recursive),
            Self::Mapped { source, target } => mapped(source, target),
            Self::CloseMap => unistd::close(MAP),
            Self::MakeFolder { path, mode, owner } => make_folder(path, *mode, *owner),
            Self::MakeFile { path } => {
                let flags = OFlag::O_CREAT | OFlag::O_CLOEXEC;
                open(path.as_c_str(), flags, Mode::from_bits_truncate(0o644)).map(drop)
            }
            Self::CopyData {
                source,
                target,
                owner,
            } => extents::copy(source, target, *owner),
            Self::Link { target, path } => {
                unistd::symlinkat(target.as_c_str(), nix::fcntl::AT_FDCWD, path.as_c_str())
            }
            Self::ChangeFolder { path } => unistd::chdir(path.as_c_str()),
            Self::BeginNetwork => sys::begin_network(),
            Self::EnterNetwork => enter_network(),
            Self::LoopbackUp => sys::loopback_up(),
            Self::HostName { name } => unistd::sethostname(OsStr::from_bytes(name.as_bytes())),
            Self::CutBoundingSet => {
                rights::cut_bounding_set();
                Ok(())
            }
            Self::BecomeUser { uid, gid } => rights::become_user(*uid, *gid),
            Self::NewUserNamespace => nix::sched::unshare(CloneFlags::CLONE_NEWUSER),
            Self::NoNewPrivileges => prctl::set_no_new_privs(),
            Self::Dumpable => prctl::set_dumpable(true),
            Self::DropCapabilities => rights::drop_capabilities(),
        }
    }

    /// Whether it stands for a flag of `clone`.
    pub(super) fn creates_namespaces(&self) -> bool {
        matches!(self, Self::BeginNetwork | Self::EnterNetwork)
    }

    pub(super) fn takes_control(&self) -> bool {
        matches!(self, Self::TakeControl { .. })
    }
}

/// Where the namespace of a map of owners is until the mounts are made.
pub(super) const MAP: RawFd = CONTROL + 1;

fn mapped(source: &CStr, target: &CStr) -> Result<(), Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, source, flags).map_err(errno)?;
    match sys::map_owners(&tree, MAP) {
        // Its files are then shown as they are: readable, where their modes allow it.
        Ok(()) | Err(Errno::EINVAL | Errno::EPERM) => {}
        Err(errno) => return Err(errno),
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&tree, c"", CWD, target, flags).map_err(errno)
}

pub(super) fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

fn enter_network() -> Result<(), Errno> {
    let (maker, _) = sys::network();
    if maker.as_raw() == 0 {
        return Err(Errno::ESRCH);
    }
    waitpid(maker, None)?;
    let (_, made) = sys::network();
    if made < 0 {
        return Err(Errno::from_raw(-made));
    }
    setns(sys::borrow(made), CloneFlags::CLONE_NEWNET)?;
    unistd::close(made)
}

fn close_others(from: RawFd) -> Result<(), Errno> {
    // First, as there may be no room for another one.
    sys::close_from(from as u32)?;
    let null = open(c"/dev/null", OFlag::O_RDWR, Mode::empty())?;
    unistd::dup2_stdin(&null)?;
    unistd::dup2_stdout(&null)?;
    unistd::dup2_stderr(&null)?;
    if null.as_raw_fd() < CONTROL {
        // It is one of the three itself, as the parent had closed them.
        std::mem::forget(null);
    }
    Ok(())
}

/// What a program inherits for good or ill: a Rust program ignores `SIGPIPE`, a runtime has handlers
/// that write to its own pipes, and whoever started us may have ignored or blocked anything. The mode
/// of new files is part of the layers that are built, so it is everywhere the same.
fn defaults() -> Result<(), Errno> {
    sys::default_signals();
    umask(Mode::from_bits_truncate(0o022));
    children().thread_set_mask()
}

/// What init reads from a descriptor rather than being interrupted by.
pub(super) fn children() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    set
}

fn make_folder(path: &CStr, mode: u32, owner: Option<(u32, u32)>) -> Result<(), Errno> {
    match unistd::mkdir(path, Mode::from_bits_truncate(mode)) {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    if let Some((uid, gid)) = owner {
        unistd::chown(path, Some(uid.into()), Some(gid.into()))?;
    }
    // mkdir(2) applied the umask.
    nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        path,
        Mode::from_bits_truncate(mode),
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    )
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |path: &CStr| path.to_string_lossy().into_owned();
        match self {
            Self::JoinGroup { .. } => write!(f, "enter the container's cgroup"),
            Self::TakeControl { .. } => write!(f, "take the control socket"),
            Self::TakeMap { .. } => write!(f, "take the map of owners"),
            Self::Mapped { source, .. } => write!(f, "mount {} for the tests' user", text(source)),
            Self::CloseMap => write!(f, "close the map of owners"),
            Self::CloseOthers { .. } => write!(f, "close inherited descriptors"),
            Self::Defaults => write!(f, "reset signals and the file mode mask"),
            Self::OpenFiles { soft } => write!(f, "limit open files to {soft}"),
            Self::Write { path, .. } => write!(f, "write {}", text(path)),
            Self::Mount {
                source,
                target,
                kind,
                flags,
                ..
            } => {
                let target = text(target);
                let source = source.as_deref().map(text).unwrap_or_default();
                match kind {
                    Some(kind) => write!(f, "mount {} on {target}", text(kind)),
                    None if flags.contains(MsFlags::MS_MOVE) => {
                        write!(f, "move the mount {source} to {target}")
                    }
                    None if flags.contains(MsFlags::MS_BIND) => {
                        write!(f, "mount {source} on {target}")
                    }
                    None => write!(f, "make the mounts below {target} private"),
                }
            }
            Self::Attributes { target, set, .. } if *set & READ_ONLY != 0 => {
                write!(f, "make {} read-only", text(target))
            }
            Self::Attributes { target, .. } => write!(f, "make {} writable", text(target)),
            Self::MakeFolder { path, .. } => write!(f, "create the folder {}", text(path)),
            Self::MakeFile { path } => write!(f, "create the file {}", text(path)),
            Self::CopyData { source, target, .. } => {
                write!(f, "copy {} to {}", text(source), text(target))
            }
            Self::Link { path, .. } => write!(f, "create the link {}", text(path)),
            Self::ChangeFolder { path } => write!(f, "enter {}", text(path)),
            Self::BeginNetwork => write!(f, "begin a network namespace"),
            Self::EnterNetwork => write!(f, "create a network namespace"),
            Self::LoopbackUp => write!(f, "bring up the loopback interface"),
            Self::HostName { .. } => write!(f, "set the host name"),
            Self::CutBoundingSet => write!(f, "empty the bounding set of capabilities"),
            Self::BecomeUser { uid, gid } => write!(f, "become user {uid}, group {gid}"),
            Self::NewUserNamespace => write!(f, "create a user namespace"),
            Self::NoNewPrivileges => write!(f, "give up new privileges"),
            Self::Dumpable => write!(f, "keep /proc/self readable"),
            Self::DropCapabilities => write!(f, "drop all capabilities"),
        }
    }
}
