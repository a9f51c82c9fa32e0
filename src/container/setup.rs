//! What a container is given beside its state.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use super::{ContainerError, State};
use crate::disk;
use crate::engine::{Engine, Exec};
use crate::sandbox::cgroup::{Cgroups, Limits};
use crate::sandbox::{Command, Identity, Overlay, RUN, Upper};
use crate::store::{Draft, Scratch};

/// Where the writable layer of a container lies.
#[derive(Debug, Clone, Copy)]
pub enum Writable<'a> {
    /// In memory: gone with the container.
    Memory,
    /// In a scratch folder of the store: for large files on a file system that shares blocks, and for
    /// kernels whose tmpfs can't carry an overlay's writable layer.
    Scratch(&'a Scratch),
    /// In a draft: the container is there to make a layer.
    Draft(&'a Draft),
}

/// What a container is given beside its state.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Who the processes are.
    pub identity: Identity,
    /// The project's folder, and whether it is the host's own rather than a copy-on-write view.
    pub project: Option<(&'a Path, bool)>,
    /// Further folders of the host that must be visible, read-only.
    pub shown: &'a [PathBuf],
    /// Further folders of the host that stay as they are, to be read and written.
    pub shared: &'a [PathBuf],
    /// Where changes go.
    pub writable: Writable<'a>,
    /// Limits, and the cgroups to set them by.
    pub limits: Option<(&'a Cgroups, Limits)>,
    /// Which services are started.
    pub services: Services<'a>,
    /// Readable from the moment on that the container must end.
    pub stop: Option<BorrowedFd<'a>>,
}

/// Which services of a state a container starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services<'a> {
    /// All of them.
    All,
    /// Those of these names.
    Only(&'a [String]),
    /// None: the data folders are there, nobody serves them.
    None,
}

impl Services<'_> {
    /// Whether the service of this name is among them.
    pub fn include(self, service: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == service),
            Self::None => false,
        }
    }
}

/// Where the writable layers that are thrown away lie, when not in memory.
pub(super) fn scratch_folder(setup: &Setup<'_>) -> Result<Option<PathBuf>, ContainerError> {
    match setup.writable {
        Writable::Scratch(scratch) => Ok(Some(scratch.path().to_owned())),
        // What a build step writes outside the data folder needs a place too.
        Writable::Draft(draft) if !disk::memory_takes_user_xattrs() => {
            let folder = draft.path().join("scratch");
            std::fs::create_dir(&folder).map_err(ContainerError::Writable)?;
            Ok(Some(folder))
        }
        Writable::Memory | Writable::Draft(_) => Ok(None),
    }
}

/// The data folder of one service: the state's layers, topmost first, under one writable layer.
pub(super) fn overlay(
    state: &State,
    engine: &dyn Engine,
    setup: &Setup<'_>,
) -> Result<Overlay, ContainerError> {
    let place = engine.place();
    let name = place.service();
    let (uid, gid) = setup.identity.user();
    let own = |path: PathBuf| -> Result<PathBuf, ContainerError> {
        if setup.identity.is_root() {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid))
                .map_err(ContainerError::Writable)?;
        }
        Ok(path)
    };
    let relative =
        |path: PathBuf, root: &Path| path.strip_prefix(root).map(Path::to_owned).unwrap_or(path);
    let upper = match setup.writable {
        Writable::Memory | Writable::Scratch(_) => Upper::Scratch,
        Writable::Draft(draft) => Upper::Folder {
            path: draft.path().to_owned(),
            upper: relative(
                own(draft.files(name).map_err(ContainerError::Store)?)?,
                draft.path(),
            ),
            work: relative(
                own(draft.work(name).map_err(ContainerError::Store)?)?,
                draft.path(),
            ),
        },
    };
    let mut lower: Vec<PathBuf> = state
        .layers
        .iter()
        .filter_map(|layer| layer.lower(name).map(PathBuf::from))
        .collect();
    if lower.is_empty() {
        // overlayfs wants a lower folder; one that nothing is ever put into does.
        lower.push(Path::new(RUN).join("empty"));
    }
    Ok(Overlay {
        name: name.to_owned(),
        target: place.data(),
        from: state.layers_folder.clone(),
        lower,
        copied: match setup.writable {
            Writable::Memory if setup.services.include(name) => engine.always_written(),
            // There overlayfs shares blocks, or what is written is to be a layer.
            _ => Vec::new(),
        },
        upper,
        mode: 0o700,
    })
}

/// A command of an engine's as the sandbox takes it.
///
/// Where the command is this very program, it is the container's own view of it: the host's path may
/// be hidden, or closed to the container's user.
pub fn command_of(exec: &Exec) -> Command {
    let own = std::env::current_exe().is_ok_and(|own| own == exec.program);
    let mut command = match own {
        true => Command::new(Path::new(RUN).join("bin/cowherd")),
        false => Command::new(&exec.program),
    };
    command
        .args(&exec.args)
        .envs(base_environment())
        .envs(exec.environment.iter().map(|(k, v)| (k, v)));
    if let Some(folder) = &exec.folder {
        command.current_dir(folder);
    }
    command
}

/// The variables that services and build steps get: few, and the same everywhere, so that a state
/// doesn't depend on whose shell it was built or started from.
pub fn base_environment() -> [(&'static str, String); 4] {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    [
        ("PATH", path),
        ("HOME", "/tmp".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
    ]
}
