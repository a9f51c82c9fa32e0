//! The description of a sandbox, and its compilation to a [`Program`].

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use nix::sched::CloneFlags;

use super::cgroup::Group;
use super::error::SandboxError;
use super::identity::Identity;
use super::idmap;
use super::init::CONTROL;
use super::mounted;
use super::ops::{Ops, text};
use super::overlay::{Overlay, Upper};
use super::owners::{first_closed_ancestor, owner_of};
use super::program::{MAP, NO_SUID, Op, Program, READ_ONLY};
use super::tmpfs;

/// The private folder of every container: sockets, data directories, Cowherd's own programs.
pub const RUN: &str = "/run/cowherd";
/// Where the writable layers lie that need no disk.
pub const SCRATCH: &str = "/run/cowherd/scratch";

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
    scratch: Option<PathBuf>,
    project: Option<(PathBuf, bool)>,
    shown: Vec<PathBuf>,
    shared: Vec<PathBuf>,
    programs: Vec<(PathBuf, String)>,
    folders: Vec<PathBuf>,
    also_at: Vec<(PathBuf, PathBuf)>,
    low_ports: bool,
    large_files: bool,
    temporary_bytes: u64,
    group_fds: Vec<std::os::fd::RawFd>,
}

impl Sandbox {
    /// A sandbox with the host's files read-only and nothing writable but `/tmp`, `/run` and `/dev/shm`.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            overlays: Vec::new(),
            scratch: None,
            project: None,
            shown: Vec::new(),
            shared: Vec::new(),
            programs: Vec::new(),
            folders: Vec::new(),
            also_at: Vec::new(),
            low_ports: false,
            large_files: false,
            temporary_bytes: 1 << 30,
            group_fds: Vec::new(),
        }
    }

    /// Adds an overlay mount.
    pub fn overlay(&mut self, overlay: Overlay) -> &mut Self {
        self.overlays.push(overlay);
        self
    }

    /// Puts the container's scratch folder on disk: writable layers that name no folder of their own go
    /// there. For kernels whose tmpfs can't carry them, and for large files on a file system that
    /// shares blocks.
    pub fn scratch(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.scratch = Some(folder.into());
        self
    }

    /// Says that large files will be copied up to the scratch folder in memory, which is quicker then. What is written
    /// to holes of files takes up to 2 MiB each time.
    pub fn large_files(&mut self) -> &mut Self {
        self.large_files = true;
        self
    }

    /// Shows the folder at its own path: the host's own when `host`, else a copy-on-write view, in which
    /// further file systems mounted below the folder are read-only.
    pub fn project(&mut self, folder: impl Into<PathBuf>, host: bool) -> &mut Self {
        self.project = Some((folder.into(), host));
        self
    }

    /// Keeps a folder of the host visible, read-only, where a private mount would hide it or where the
    /// container's user could not pass.
    pub fn show(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.shown.push(folder.into());
        self
    }

    /// Leaves a further folder of the host, outside the project's, as it is: to be read and written by whoever
    /// may.
    pub fn share(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.shared.push(folder.into());
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

    /// Shows a folder of the container at a second place, which the host must have unless it is in a folder that
    /// every container has for itself.
    pub fn also_at(&mut self, folder: impl Into<PathBuf>, target: impl Into<PathBuf>) -> &mut Self {
        self.also_at.push((folder.into(), target.into()));
        self
    }

    /// Lets programs listen on ports below 1024 (ip(7), `ip_unprivileged_port_start`).
    pub fn low_ports(&mut self) -> &mut Self {
        self.low_ports = true;
        self
    }

    /// Bounds `/tmp`, in bytes; 1 GiB where nothing is said. `/dev/shm` has the same bound.
    pub fn temporary_bytes(&mut self, bytes: u64) -> &mut Self {
        self.temporary_bytes = bytes;
        self
    }

    /// Puts the container in a cgroup, which must outlive the start.
    pub fn group(&mut self, group: &Group) -> &mut Self {
        self.group_fds = group.join_files().iter().map(AsRawFd::as_raw_fd).collect();
        self
    }

    /// Compiles the description; `control` is the child's end of the control socket.
    ///
    /// # Errors
    /// A path with a NUL byte in it, an overlay whose options exceed a page, or a project that can't be
    /// shown as it was asked for.
    pub(super) fn compile(&self, control: impl AsFd) -> Result<Program, SandboxError> {
        let mut ops = Ops(Vec::new());
        let (uid, gid) = self.identity.user();
        for fd in &self.group_fds {
            ops.push(Op::JoinGroup { fd: *fd });
        }
        ops.push(Op::TakeControl {
            fd: control.as_fd().as_raw_fd(),
        });
        let owners = self.map_of_owners();
        let map = match owners {
            Some(map) => idmap::namespace(map)?,
            None => None,
        };
        if let Some(fd) = map {
            ops.push(Op::TakeMap { fd });
        }
        ops.push(Op::CloseOthers {
            from: if map.is_some() { MAP } else { CONTROL } + 1,
        });
        ops.defaults();
        let mut namespaces = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS;
        if !self.identity.is_root() {
            namespaces |= CloneFlags::CLONE_NEWUSER;
            ops.identity_map(uid, gid)?;
        }
        ops.push(Op::BeginNetwork);
        self.mounts(&mut ops, owners.filter(|_| map.is_some()))?;
        if map.is_some() {
            ops.push(Op::CloseMap);
        }
        ops.push(Op::EnterNetwork);
        ops.push(Op::LoopbackUp);
        if self.low_ports {
            ops.write(
                "/proc/sys/net/ipv4/ip_unprivileged_port_start",
                "0".to_owned(),
            )?;
        }
        ops.push(Op::HostName {
            name: c"cowherd".to_owned(),
        });
        ops.change_folder(Path::new("/"))?;
        if self.identity.is_root() {
            if !self.identity.has_user_namespace() {
                ops.push(Op::CutBoundingSet);
            }
            ops.push(Op::BecomeUser { uid, gid });
            ops.push(Op::Dumpable);
            if self.identity.has_user_namespace() {
                ops.push(Op::NewUserNamespace);
                ops.identity_map(uid, gid)?;
            }
        }
        ops.push(Op::NoNewPrivileges);
        if self.identity.has_user_namespace() {
            // A user namespace begins with all capabilities within it.
            ops.push(Op::CutBoundingSet);
        }
        ops.push(Op::DropCapabilities);
        Ok(Program {
            namespaces,
            ops: ops.0,
        })
    }

    fn mounts(&self, ops: &mut Ops, map: Option<idmap::Map>) -> Result<(), SandboxError> {
        let (uid, gid) = self.identity.user();
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
            Some(tmpfs::options((uid, gid), self.large_files)),
        )?;
        ops.folder(Path::new(RUN), 0o755, owner)?;
        ops.folder(Path::new(SCRATCH), 0o700, owner)?;
        if let Some(scratch) = &self.scratch {
            ops.bind(scratch, Path::new(SCRATCH), MsFlags::empty())?;
            ops.writable(Path::new(SCRATCH))?;
        }
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
        // Outer folders before those inside them.
        let mut shown: Vec<(&Path, View)> = Vec::new();
        let inside = |folder: &Path, others: &[(&Path, View)]| {
            let project = self.project.iter().map(|(project, _)| project.as_path());
            let mut others = others.iter().map(|(other, _)| *other).chain(project);
            others.any(|other| folder.starts_with(other))
        };
        let mut shared: Vec<&Path> = self.shared.iter().map(PathBuf::as_path).collect();
        shared.sort_by_key(|folder| folder.components().count());
        for folder in shared {
            if !inside(folder, &shown) {
                shown.push((folder, View::Host));
            }
        }
        for folder in &self.shown {
            if !inside(folder, &shown) && self.way_to(folder).is_some() {
                shown.push((folder, View::ReadOnly));
            }
        }
        shown.sort_by_key(|(folder, _)| folder.components().count());
        shown.dedup();
        if let Some((folder, host)) = &self.project {
            shown.push((folder, if *host { View::Host } else { View::Copy }));
        }
        let staged = |index: usize| Path::new(RUN).join(format!("shown-{index}"));
        for (index, (folder, view)) in shown.iter().enumerate() {
            let mapped = map.is_some_and(|(owner, _)| owner_of(folder) == Some(owner));
            self.stage(ops, folder, (*view, mapped), &staged(index))?;
        }
        ops.devices(self.temporary_bytes)?;
        let size = format!("mode=1777,size={}", self.temporary_bytes).into_bytes();
        ops.mount("tmpfs", Path::new("/tmp"), MsFlags::empty(), Some(size))?;
        if Path::new("/var/tmp").is_dir() {
            ops.bind(Path::new("/tmp"), Path::new("/var/tmp"), MsFlags::empty())?;
        }
        let mut opened = Vec::new();
        for (index, (folder, _)) in shown.iter().enumerate() {
            self.place(ops, folder, &staged(index), &mut opened)?;
        }
        for (folder, target) in &self.also_at {
            if let Some(start) = private_above(target) {
                ops.way(start, target, owner)?;
            }
            ops.bind(folder, target, MsFlags::empty())?;
        }
        Ok(())
    }

    /// Sets `folder` up aside, where the private mounts to come don't hide it yet.
    fn stage(
        &self,
        ops: &mut Ops,
        folder: &Path,
        (view, mapped): (View, bool),
        staged: &Path,
    ) -> Result<(), SandboxError> {
        ops.folder(staged, 0o755, Some(self.identity.user()))?;
        match view {
            View::ReadOnly => ops.bind(folder, staged, MsFlags::MS_REC)?,
            View::Host => {
                match mapped {
                    true => ops.mapped(folder, staged)?,
                    false => ops.bind(folder, staged, MsFlags::MS_REC)?,
                }
                ops.writable(staged)?;
                for mount in mounted::below(folder)? {
                    let target = staged.join(&mount.inside);
                    if mapped {
                        ops.bind(&folder.join(&mount.inside), &target, MsFlags::empty())?;
                    }
                    // What the host itself may not write to stays so.
                    if !mount.read_only {
                        ops.writable(&target)?;
                    }
                }
            }
            View::Copy => {
                let mounts = mounted::below(folder)?;
                // In a user namespace a mount can't be separated from those inside it (mount_namespaces(7)),
                // which is what overlayfs does to its layers.
                if let (false, Some(mount)) = (self.identity.is_root(), mounts.first()) {
                    return Err(SandboxError::MountedInside {
                        folder: folder.to_owned(),
                        inside: mount.inside.clone(),
                    });
                }
                let mut overlay = project_overlay(folder, staged);
                if mapped {
                    overlay.from = Path::new(RUN).join("mapped");
                    ops.folder(&overlay.from, 0o755, Some(self.identity.user()))?;
                    ops.mapped(folder, &overlay.from)?;
                }
                ops.overlay(&overlay, Some(self.identity.user()))?;
                // An overlay ends where another file system begins: those are shown as they are.
                for mount in mounts {
                    let (source, target) = (folder.join(&mount.inside), staged.join(&mount.inside));
                    ops.bind(&source, &target, MsFlags::empty())?;
                }
            }
        }
        Ok(())
    }

    /// Whose files of the project are shown as whose, where root runs tests as another user: they are theirs to
    /// change then, as they are an ordinary user's.
    fn map_of_owners(&self) -> Option<idmap::Map> {
        let (folder, _) = self.project.as_ref()?;
        // One that isn't there is said to be missing when it is mounted.
        let owner = owner_of(folder)?;
        let user = self.identity.user();
        (self.identity.is_root() && owner != user).then_some((owner, user))
    }

    /// Moves a staged folder to its own path, making the way to it where a private mount hides it
    /// or where the container's user may not pass. `opened` are the closed folders met before.
    fn place(
        &self,
        ops: &mut Ops,
        folder: &Path,
        staged: &Path,
        opened: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        let owner = Some(self.identity.user());
        if let Some(start) = self.way_to(folder) {
            if !is_private(&start) && !opened.contains(&start) {
                let data = Some(b"mode=755".to_vec());
                ops.mount("tmpfs", &start, MsFlags::empty(), data)?;
                opened.push(start.clone());
            }
            ops.way(&start, folder, owner)?;
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

    /// The folder from which on the way to `folder` has to be made anew: one that is private to every
    /// container, or, for root, one that the container's user may not pass.
    fn way_to(&self, folder: &Path) -> Option<PathBuf> {
        let (uid, gid) = self.identity.user();
        match private_above(folder) {
            Some(top) => Some(top.to_owned()),
            None if self.identity.is_root() => first_closed_ancestor(folder, uid, gid),
            None => None,
        }
    }
}

/// The folders that every container has for itself.
const PRIVATE: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/dev"];

/// The private folder that `folder` is in, or is.
fn private_above(folder: &Path) -> Option<&'static Path> {
    let mut private = PRIVATE.map(Path::new).into_iter();
    private.find(|top| folder.starts_with(top))
}

fn is_private(folder: &Path) -> bool {
    PRIVATE.iter().any(|top| folder == Path::new(top))
}

/// How a folder of the host is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Copy-on-write.
    Copy,
    /// The host's own.
    Host,
    /// The host's own, read-only.
    ReadOnly,
}

fn project_overlay(folder: &Path, target: &Path) -> Overlay {
    Overlay {
        name: "project".to_owned(),
        target: target.to_owned(),
        from: folder.to_owned(),
        lower: vec![PathBuf::from(".")],
        copied: Vec::new(),
        upper: Upper::Scratch,
        mode: 0o755,
    }
}
