//! `postgres` over an overlay in another program's sandbox: bubblewrap, or crun as container engines call it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::Context as _;
use cowherd::container::State;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bare::{Bare, Invocation};
use crate::fixture::Fixture;

/// A program that makes sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    Bwrap,
    Crun,
}

impl Runtime {
    pub(crate) const ALL: [Self; 2] = [Self::Bwrap, Self::Crun];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bwrap => "bwrap",
            Self::Crun => "crun",
        }
    }

    /// Why it can't be measured here, where it can't.
    pub(crate) fn missing(self, fixture: &Fixture) -> Option<String> {
        let name = self.name();
        let folders = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&folders).any(|folder| folder.join(name).is_file()) {
            return Some(format!(
                "not measured: {name} over an overlay: there is no {name}"
            ));
        }
        // Its overlay would be mounted ahead by a program of ours, or not at all.
        let root = fixture.project.on().identity.is_root();
        (!root).then(|| format!("not measured: {name} over an overlay: only as root"))
    }
}

/// Does something in which mounts can be made that nobody else sees, and that are gone afterwards, however it ends.
pub(crate) fn with_own_mounts<T: Send>(
    fixture: &Fixture,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let root = fixture.project.on().identity.is_root();
    let work = || {
        if root {
            // A thread has mounts of its own when it asks for them, and so have its children (unshare(2)).
            unshare(CloneFlags::CLONE_NEWNS)?;
            let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
            // crun starts nothing where both versions of cgroups are mounted, though it is to make no group.
            let _ = umount2("/sys/fs/cgroup/unified", MntFlags::MNT_DETACH);
        }
        work()
    };
    thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| anyhow::bail!("a thread panicked"))
}

/// Where such servers are started.
pub(crate) struct Boxes<'a> {
    fixture: &'a Fixture,
    state: &'a State,
    /// The data folder that all of them are over.
    pristine: &'a Path,
    /// What they write.
    scratch: TempDir,
    next: AtomicU32,
}

/// A running one.
pub(crate) struct Boxed {
    pub(crate) server: Option<Bare>,
    folder: PathBuf,
    mounted: bool,
}

impl<'a> Boxes<'a> {
    pub(crate) fn new(
        fixture: &'a Fixture,
        state: &'a State,
        pristine: &'a Path,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            fixture,
            state,
            pristine,
            scratch: fixture.peers_folder(state)?,
            next: AtomicU32::new(0),
        })
    }

    /// Starts a server over a fresh overlay, and waits until it says that it takes connections.
    pub(crate) fn start(&self, runtime: Runtime) -> anyhow::Result<Boxed> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.scratch.path().join(number.to_string());
        let data = folder.join("data");
        for part in ["upper", "work", "data"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let upper = folder.join("upper");
        let (uid, gid) = self.fixture.project.on().identity.user();
        chown(&upper, Some(uid), Some(gid))?;
        fs::set_permissions(&upper, Permissions::from_mode(0o700))?;
        let invocation = Invocation::new(self.fixture, self.state, &data, &[])?;
        let options = format!(
            "lowerdir={},upperdir={},workdir={},volatile",
            self.pristine.display(),
            upper.display(),
            folder.join("work").display()
        );
        let command = match runtime {
            Runtime::Bwrap => {
                let none = MsFlags::empty();
                mount(
                    Some("overlay"),
                    &data,
                    Some("overlay"),
                    none,
                    Some(&*options),
                )?;
                bwrap(&invocation, &data)
            }
            Runtime::Crun => {
                let bundle = configuration(&invocation, &data, &options);
                fs::create_dir(folder.join("root"))?;
                fs::write(folder.join("config.json"), bundle.to_string())?;
                let mut command = Command::new("crun");
                command.arg("--root").arg(self.scratch.path().join("crun"));
                // Groups would take it as long as all the rest.
                command.args(["--cgroup-manager=disabled", "run", "--bundle"]);
                command.arg(&folder).arg(format!("cowherd-bench-{number}"));
                command
            }
        };
        let mut boxed = Boxed {
            server: None,
            folder,
            mounted: runtime == Runtime::Bwrap,
        };
        boxed.server = Some(invocation.launch(command, runtime == Runtime::Bwrap)?);
        Ok(boxed)
    }
}

impl Boxed {
    pub(crate) fn server(&self) -> anyhow::Result<&Bare> {
        self.server.as_ref().context("a running server")
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        drop(self.server.take());
        if self.mounted {
            // Mounts are the thread's own: none is left in the end.
            let _ = umount2(&self.folder.join("data"), MntFlags::MNT_DETACH);
        }
        let _ = cowherd::disk::remove_tree(&self.folder);
    }
}

/// Everything of the host to be read, the data folder and that of the sockets to be written.
fn bwrap(invocation: &Invocation, data: &Path) -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"]);
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
    for folder in [data, &invocation.sockets] {
        command.arg("--bind").arg(folder).arg(folder);
    }
    command
        .arg("--")
        .arg(&invocation.program)
        .args(&invocation.args);
    command
}

/// The same for crun, which mounts the overlay itself (OCI runtime specification, `config.md`).
fn configuration(invocation: &Invocation, data: &Path, overlay: &str) -> Value {
    let mount = |target: &Path, kind: &str, options: Vec<&str>| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let bind = |folder: &Path, options: &[&str]| {
        let options: Vec<_> = ["rbind"].iter().chain(options).collect();
        json!({ "destination": folder, "type": "bind", "source": folder, "options": options })
    };
    let mut mounts: Vec<Value> = ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64"]
        .map(Path::new)
        .into_iter()
        .filter(|folder| folder.is_dir())
        .map(|folder| bind(folder, &["ro"]))
        .collect();
    mounts.push(mount("/proc".as_ref(), "proc", vec![]));
    mounts.push(mount("/dev".as_ref(), "tmpfs", vec!["nosuid", "mode=755"]));
    mounts.push(mount("/dev/shm".as_ref(), "tmpfs", vec!["mode=1777"]));
    mounts.push(mount("/tmp".as_ref(), "tmpfs", vec!["mode=1777"]));
    mounts.push(bind(&invocation.sockets, &[]));
    mounts.push(mount(data, "overlay", overlay.split(',').collect()));
    let namespaces = ["pid", "ipc", "uts", "mount", "network"];
    let (uid, gid) = invocation.user.unwrap_or_default();
    let environment = invocation.environment.iter();
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": uid, "gid": gid },
            "args": std::iter::once(invocation.program.as_path().to_string_lossy())
                .chain(invocation.args.iter().map(Into::into))
                .collect::<Vec<_>>(),
            "env": environment.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": { "path": "root" },
        "mounts": mounts,
        "linux": { "namespaces": namespaces.map(|kind| json!({ "type": kind })) },
    })
}
