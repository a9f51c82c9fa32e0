//! The description of a sandbox, and its compilation to a [`Program`].

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::mount::MsFlags;
use nix::sched::CloneFlags;

use super::cgroup::Group;
use super::identity::Identity;
use super::program::{NO_SUID, Op, Program, READ_ONLY};
use super::sys;

/// The private folder of every container: sockets, data directories, Cowherd's own programs.
pub const RUN: &str = "/run/cowherd";
/// Where the writable layers lie that need no disk.
pub const SCRATCH: &str = "/run/cowherd/scratch";

/// Where an overlay's changes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upper {
    /// The container's own tmpfs: gone with it.
    Memory,
    /// Folders on disk, on one file system.
    Folder {
        /// The folder that holds both.
        path: PathBuf,
        /// Where the changes go, relative to `path`.
        upper: PathBuf,
        /// What overlayfs needs beside it, relative to `path`.
        work: PathBuf,
    },
}

/// An overlay mount: read-only layers below, one writable layer on top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Its name, for the writable layer: letters, digits, `-` and `_`.
    pub name: String,
    /// Where it appears.
    pub target: PathBuf,
    /// The folder that `lower` starts from: short relative names keep the options within one page.
    pub from: PathBuf,
    /// The layers, topmost first.
    pub lower: Vec<PathBuf>,
    /// Where the changes go.
    pub upper: Upper,
    /// The mode of the merged root, which overlayfs takes from the upper folder.
    pub mode: u32,
}

impl Overlay {
    /// Where the changes lie inside the container.
    pub fn changes(&self) -> PathBuf {
        let scratch = Path::new(SCRATCH).join(&self.name);
        match &self.upper {
            Upper::Memory => scratch.join("upper"),
            Upper::Folder { upper, .. } => scratch.join(upper),
        }
    }

    fn work(&self) -> PathBuf {
        let scratch = Path::new(SCRATCH).join(&self.name);
        match &self.upper {
            Upper::Memory => scratch.join("work"),
            Upper::Folder { work, .. } => scratch.join(work),
        }
    }
}

/// What a container sees and may do: an inert description, as `std::process::Command` is.
///
/// ```no_run
/// use cowherd::sandbox::{Command, Identity, Sandbox};
///
/// let mut container = Sandbox::new(Identity::of_caller()?).start()?;
/// let null = || std::fs::File::open("/dev/null").unwrap();
/// let slot = container.spawn(&Command::new("true"), [&null(), &null(), &null()])?;
/// assert!(container.wait(slot, None, None)?.success());
/// # Ok::<(), cowherd::sandbox::SandboxError>(())
/// ```
#[derive(Debug)]
pub struct Sandbox {
    identity: Identity,
    overlays: Vec<Overlay>,
    project: Option<(PathBuf, bool)>,
    programs: Vec<(PathBuf, String)>,
    folders: Vec<PathBuf>,
    temporary_bytes: u64,
    group_fds: Vec<std::os::fd::RawFd>,
}

impl Sandbox {
    /// A sandbox with the host's files read-only and nothing writable but `/tmp`, `/run` and `/dev/shm`.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            overlays: Vec::new(),
            project: None,
            programs: Vec::new(),
            folders: Vec::new(),
            temporary_bytes: 1 << 30,
            group_fds: Vec::new(),
        }
    }

    /// Adds an overlay mount.
    pub fn overlay(&mut self, overlay: Overlay) -> &mut Self {
        self.overlays.push(overlay);
        self
    }

    /// Shows the folder at its own path: the host's own when `host`, else a copy-on-write view.
    pub fn project(&mut self, folder: impl Into<PathBuf>, host: bool) -> &mut Self {
        self.project = Some((folder.into(), host));
        self
    }

    /// Shows the program `path` as `/run/cowherd/bin/NAME`, wherever it lies on the host.
    pub fn program(&mut self, path: impl Into<PathBuf>, name: &str) -> &mut Self {
        self.programs.push((path.into(), name.to_owned()));
        self
    }

    /// Adds an empty folder below [`RUN`], owned by the container's user.
    pub fn folder(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.folders.push(path.into());
        self
    }

    /// Bounds `/tmp`, in bytes; 1 GiB where nothing is said. `/dev/shm` has the same bound.
    pub fn temporary_bytes(&mut self, bytes: u64) -> &mut Self {
        self.temporary_bytes = bytes;
        self
    }

    /// Puts the container in a cgroup, which must outlive the start.
    pub fn group(&mut self, group: &Group) -> &mut Self {
        self.group_fds = group
            .join_files()
            .iter()
            .map(|file| sys::number(file))
            .collect();
        self
    }

    /// Compiles the description; `control` is the child's end of the control socket.
    ///
    /// # Errors
    /// A path with a NUL byte in it, or an overlay whose options exceed a page.
    pub(super) fn compile(&self, control: impl AsFd) -> io::Result<Program> {
        let mut ops = Ops(Vec::new());
        let (uid, gid) = self.identity.user();
        for fd in &self.group_fds {
            ops.push(Op::JoinGroup { fd: *fd });
        }
        ops.push(Op::TakeControl {
            fd: sys::number(&control.as_fd()),
        });
        ops.push(Op::DefaultSignals);
        let mut namespaces = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS;
        if !self.identity.is_root() {
            namespaces |= CloneFlags::CLONE_NEWUSER;
            ops.identity_map(uid, gid)?;
        }
        self.mounts(&mut ops, uid, gid)?;
        ops.push(Op::LoopbackUp);
        ops.push(Op::HostName {
            name: c"cowherd".to_owned(),
        });
        ops.change_folder(Path::new("/"))?;
        if self.identity.is_root() {
            ops.push(Op::BecomeUser { uid, gid });
            ops.push(Op::Dumpable);
            if self.identity.has_user_namespace() {
                ops.push(Op::NewUserNamespace);
                ops.identity_map(uid, gid)?;
            }
        }
        ops.push(Op::NoNewPrivileges);
        ops.push(Op::DropCapabilities);
        Ok(Program {
            namespaces,
            ops: ops.0,
        })
    }

    fn mounts(&self, ops: &mut Ops, uid: u32, gid: u32) -> io::Result<()> {
        let owner = Some((uid, gid));
        ops.push(Op::Mount {
            source: None,
            target: c"/".to_owned(),
            kind: None,
            flags: MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            data: None,
        });
        ops.push(Op::Attributes {
            target: c"/".to_owned(),
            set: READ_ONLY | NO_SUID,
            clear: 0,
            recursive: true,
        });
        ops.mount("proc", Path::new("/proc"), MsFlags::MS_NOEXEC, None)?;
        ops.mount(
            "tmpfs",
            Path::new("/run"),
            MsFlags::empty(),
            Some(format!("mode=755,uid={uid},gid={gid}")),
        )?;
        ops.folder(Path::new(RUN), 0o755, owner)?;
        ops.folder(Path::new(SCRATCH), 0o700, owner)?;
        ops.folder(&Path::new(RUN).join("empty"), 0o500, owner)?;
        for folder in &self.folders {
            ops.folder(folder, 0o700, owner)?;
        }
        for overlay in &self.overlays {
            ops.overlay(overlay, owner)?;
        }
        for (index, (path, name)) in self.programs.iter().enumerate() {
            let bin = Path::new(RUN).join("bin");
            if index == 0 {
                ops.folder(&bin, 0o755, owner)?;
            }
            ops.bind_file(path, &bin.join(name))?;
        }
        let staged = Path::new(RUN).join("project");
        if let Some((folder, host)) = &self.project {
            ops.folder(&staged, 0o755, owner)?;
            if *host {
                ops.bind(folder, &staged, MsFlags::MS_REC)?;
                ops.push(Op::Attributes {
                    target: text(&staged)?,
                    set: 0,
                    clear: READ_ONLY,
                    recursive: true,
                });
            } else {
                ops.overlay(&project_overlay(folder, &staged), owner)?;
            }
        }
        ops.devices(self.temporary_bytes)?;
        let size = format!("mode=1777,size={}", self.temporary_bytes);
        ops.mount("tmpfs", Path::new("/tmp"), MsFlags::empty(), Some(size))?;
        if Path::new("/var/tmp").is_dir() {
            ops.bind(Path::new("/tmp"), Path::new("/var/tmp"), MsFlags::empty())?;
        }
        if let Some((folder, _)) = &self.project {
            self.place_project(ops, folder, &staged)?;
        }
        Ok(())
    }

    /// Moves the staged project to its own path, making the way to it where a private mount hides it
    /// or where the container's user may not pass.
    fn place_project(&self, ops: &mut Ops, folder: &Path, staged: &Path) -> io::Result<()> {
        let (uid, gid) = self.identity.user();
        let hidden = ["/tmp", "/var/tmp", "/run", "/dev"]
            .map(Path::new)
            .into_iter()
            .find(|top| folder.starts_with(top));
        let start = match (hidden, self.identity.is_root()) {
            (Some(top), _) => Some(top.to_owned()),
            (None, true) => first_closed_ancestor(folder, uid, gid)?,
            (None, false) => None,
        };
        if let Some(start) = start {
            if hidden.is_none() {
                ops.mount(
                    "tmpfs",
                    &start,
                    MsFlags::empty(),
                    Some("mode=755".to_owned()),
                )?;
            }
            let mut path = start.clone();
            for part in folder.strip_prefix(&start).unwrap_or(folder).components() {
                path.push(part);
                ops.folder(&path, 0o755, Some((uid, gid)))?;
            }
        }
        ops.push(Op::Mount {
            source: Some(text(staged)?),
            target: text(folder)?,
            kind: None,
            flags: MsFlags::MS_MOVE,
            data: None,
        });
        Ok(())
    }
}

fn project_overlay(folder: &Path, target: &Path) -> Overlay {
    Overlay {
        name: "project".to_owned(),
        target: target.to_owned(),
        from: folder.to_owned(),
        lower: vec![PathBuf::from(".")],
        upper: Upper::Memory,
        mode: 0o755,
    }
}

/// The first folder on the way to `folder` that the user `uid` may not pass, by its mode bits.
fn first_closed_ancestor(folder: &Path, uid: u32, gid: u32) -> io::Result<Option<PathBuf>> {
    let mut path = PathBuf::new();
    for part in folder.parent().unwrap_or(folder).components() {
        path.push(part);
        if part == Component::RootDir {
            continue;
        }
        let status = fs::metadata(&path)?;
        let pass = match status.mode() {
            mode if status.uid() == uid => mode & 0o100,
            mode if status.gid() == gid => mode & 0o010,
            mode => mode & 0o001,
        };
        if pass == 0 {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn text(path: &Path) -> io::Result<CString> {
    string(path.as_os_str())
}

fn string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a NUL byte in {text:?}"),
        )
    })
}

struct Ops(Vec<Op>);

impl Ops {
    fn push(&mut self, op: Op) {
        self.0.push(op);
    }

    fn write(&mut self, path: &str, text: String) -> io::Result<()> {
        self.push(Op::Write {
            path: string(OsStr::new(path))?,
            bytes: text.into_bytes(),
        });
        Ok(())
    }

    /// A map of one user and one group to themselves (user_namespaces(7)).
    fn identity_map(&mut self, uid: u32, gid: u32) -> io::Result<()> {
        self.write("/proc/self/setgroups", "deny".to_owned())?;
        self.write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        self.write("/proc/self/gid_map", format!("{gid} {gid} 1"))
    }

    fn change_folder(&mut self, path: &Path) -> io::Result<()> {
        self.push(Op::ChangeFolder { path: text(path)? });
        Ok(())
    }

    fn folder(&mut self, path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
        self.push(Op::MakeFolder {
            path: text(path)?,
            mode,
            owner,
        });
        Ok(())
    }

    fn mount(
        &mut self,
        kind: &str,
        target: &Path,
        flags: MsFlags,
        data: Option<String>,
    ) -> io::Result<()> {
        let name = string(OsStr::new(kind))?;
        self.push(Op::Mount {
            source: Some(name.clone()),
            target: text(target)?,
            kind: Some(name),
            flags: flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            data: data.map(|data| string(OsStr::new(&data))).transpose()?,
        });
        Ok(())
    }

    fn bind(&mut self, source: &Path, target: &Path, flags: MsFlags) -> io::Result<()> {
        self.push(Op::Mount {
            source: Some(text(source)?),
            target: text(target)?,
            kind: None,
            flags: flags | MsFlags::MS_BIND,
            data: None,
        });
        Ok(())
    }

    fn bind_file(&mut self, source: &Path, target: &Path) -> io::Result<()> {
        self.push(Op::MakeFile {
            path: text(target)?,
        });
        self.bind(source, target, MsFlags::empty())
    }

    fn overlay(&mut self, overlay: &Overlay, owner: Option<(u32, u32)>) -> io::Result<()> {
        let scratch = Path::new(SCRATCH).join(&overlay.name);
        self.folder(&scratch, 0o700, owner)?;
        if let Upper::Folder { path, .. } = &overlay.upper {
            self.bind(path, &scratch, MsFlags::empty())?;
            self.push(Op::Attributes {
                target: text(&scratch)?,
                set: 0,
                clear: READ_ONLY,
                recursive: false,
            });
        }
        let (upper, work) = (overlay.changes(), overlay.work());
        self.folder(&upper, overlay.mode, owner)?;
        self.folder(&work, 0o700, owner)?;
        self.folder(&overlay.target, 0o700, owner)?;
        self.change_folder(&overlay.from)?;
        // `volatile` drops every sync: a container's changes are thrown away, and a draft is synced once
        // as a whole when it is sealed.
        let mut options = b"userxattr,volatile,upperdir=".to_vec();
        options.extend_from_slice(upper.as_os_str().as_bytes());
        options.extend_from_slice(b",workdir=");
        options.extend_from_slice(work.as_os_str().as_bytes());
        for (index, layer) in overlay.lower.iter().enumerate() {
            options.extend_from_slice(if index == 0 { b",lowerdir=" } else { b":" });
            options.extend_from_slice(layer.as_os_str().as_bytes());
        }
        if options.len() > 4095 {
            let message = format!(
                "{} layers don't fit in one page of mount options",
                overlay.lower.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.mount(
            "overlay",
            &overlay.target,
            MsFlags::empty(),
            Some(String::from_utf8_lossy(&options).into_owned()),
        )
    }

    /// A small `/dev`: built aside, since its files are bound from the host's, then moved into place.
    fn devices(&mut self, shared_bytes: u64) -> io::Result<()> {
        let stage = Path::new(RUN).join("dev");
        self.folder(&stage, 0o755, None)?;
        let data = format!("mode=755,size={shared_bytes}");
        self.push(Op::Mount {
            source: Some(c"tmpfs".to_owned()),
            target: text(&stage)?,
            kind: Some(c"tmpfs".to_owned()),
            flags: MsFlags::MS_NOSUID,
            data: Some(string(OsStr::new(&data))?),
        });
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let device = Path::new("/dev").join(name);
            if device.exists() {
                self.bind_file(&device, &stage.join(name))?;
            }
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            self.push(Op::Link {
                target: string(OsStr::new(target))?,
                path: text(&stage.join(name))?,
            });
        }
        self.folder(&stage.join("shm"), 0o1777, None)?;
        let terminals = stage.join("pts");
        self.folder(&terminals, 0o755, None)?;
        self.push(Op::Mount {
            source: Some(c"devpts".to_owned()),
            target: text(&terminals)?,
            kind: Some(c"devpts".to_owned()),
            flags: MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            data: Some(c"newinstance,ptmxmode=0666,mode=620".to_owned()),
        });
        self.push(Op::Mount {
            source: Some(text(&stage)?),
            target: c"/dev".to_owned(),
            kind: None,
            flags: MsFlags::MS_MOVE,
            data: None,
        });
        Ok(())
    }
}
