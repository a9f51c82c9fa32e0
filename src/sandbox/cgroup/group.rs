//! One container's group: made with its limits, entered, read, removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::hierarchy::Version;
use super::place::Place;
use super::settings::{self, Need, Setting};
use super::{CgroupError, Limits, PREFIX, Resource};

/// How long [`Group::remove`] waits for the kernel to empty a group whose processes are dead.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long dropping a group waits.
const DROP_PATIENCE: Duration = Duration::from_millis(100);

/// The group of one container: a folder in each hierarchy that its limits need. Dropping it removes it as well as it can
/// in a tenth of a second; [`Group::remove`] waits longer and tells.
#[derive(Debug)]
pub struct Group {
    folders: Vec<Folder>,
    joins: Vec<File>,
}

#[derive(Debug)]
struct Folder {
    version: Version,
    path: PathBuf,
    memory: bool,
}

impl Group {
    pub(super) fn create(
        places: &[Place],
        name: &str,
        limits: &Limits,
    ) -> Result<Self, CgroupError> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 200 || !name.chars().all(known) {
            return Err(CgroupError::Name {
                name: name.to_owned(),
            });
        }
        let mut group = Self {
            folders: Vec::new(),
            joins: Vec::new(),
        };
        for place in places {
            let limits = limits.only(|resource| place.resources.contains(&resource));
            if limits.is_empty() {
                continue;
            }
            let settings = settings::settings(place.version, &limits)?;
            let path = place.parent.join(format!("{PREFIX}{name}"));
            fs::create_dir(&path).map_err(|source| CgroupError::Create {
                path: path.clone(),
                source,
            })?;
            let memory = limits.limits(Resource::Memory);
            group.folders.push(Folder {
                version: place.version,
                path: path.clone(),
                memory,
            });
            group.joins.push(open_and_lock(&path)?);
            for setting in &settings {
                set(&path, setting)?;
            }
        }
        Ok(group)
    }

    /// The open `cgroup.procs` files of the group, close-on-exec. A cloned child enters the group by writing `0` to each
    /// of them before anything else; the kernel checks the rights of the process that opened them, so it works in a new
    /// user namespace too (on kernels before 5.16, only before the child changes its ids). While this process has them
    /// open they hold a lock that keeps other processes' sweeps away.
    pub fn join_files(&self) -> &[File] {
        &self.joins
    }

    /// Moves a running process into the group, with all its threads. What it has started before stays where it is.
    ///
    /// # Errors
    ///
    /// The process is gone, is not ours, or runs with a real-time policy that its new group has no share for.
    pub fn admit(&self, pid: u32) -> Result<(), CgroupError> {
        for (folder, mut join) in self.folders.iter().zip(&self.joins) {
            join.write_all(pid.to_string().as_bytes())
                .map_err(|source| CgroupError::Join {
                    pid,
                    path: folder.path.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// The folders of the group, one for each hierarchy.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|folder| folder.path.as_path())
    }

    /// How many processes the kernel has killed because the group was at its memory limit; 0 without one. On v2 the
    /// processes that die along with the first (`memory.oom.group`) are counted too.
    pub fn out_of_memory(&self) -> u64 {
        self.read_memory(settings::kills_file)
            .map_or(0, |text| settings::kills(&text))
    }

    /// The most memory that the group has used at once, in bytes. `None` without a memory limit, or on a v2 kernel before
    /// 5.19.
    pub fn memory_peak(&self) -> Option<u64> {
        self.read_memory(settings::peak_file)?.trim().parse().ok()
    }

    fn read_memory(&self, file: impl Fn(Version) -> &'static str) -> Option<String> {
        let folder = self.folders.iter().find(|folder| folder.memory)?;
        fs::read_to_string(folder.path.join(file(folder.version))).ok()
    }

    /// Removes the group once its processes are dead. The kernel may need a moment to empty it, so this retries for up to
    /// two seconds.
    ///
    /// # Errors
    ///
    /// A process is still in it. What could not be removed is left for [`Cgroups::sweep`](super::Cgroups::sweep).
    pub fn remove(mut self) -> Result<(), CgroupError> {
        self.remove_within(PATIENCE)
    }

    /// Tries every folder, and tells of the first that stays.
    fn remove_within(&mut self, patience: Duration) -> Result<(), CgroupError> {
        let deadline = Instant::now() + patience;
        let mut result = Ok(());
        for folder in self.folders.drain(..) {
            if let Err(source) = remove_folder(&folder.path, deadline) {
                let error = CgroupError::Remove {
                    path: folder.path,
                    source,
                };
                result = result.and(Err(error));
            }
        }
        result
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Err(error) = self.remove_within(DROP_PATIENCE) {
            tracing::debug!(%error, "a cgroup stays for the next sweep");
        }
    }
}

/// Opens `cgroup.procs` to enter by. Its lock marks the group as held, as a sweep must not take a group between its
/// making and the first process in it.
fn open_and_lock(group: &Path) -> Result<File, CgroupError> {
    let path = group.join("cgroup.procs");
    let open = || {
        let procs = OpenOptions::new().write(true).open(&path)?;
        procs.lock()?;
        Ok(procs)
    };
    open().map_err(|source| CgroupError::Open {
        path: path.clone(),
        source,
    })
}

/// Writes one limit. The file is opened without creating it: the kernel makes the files of a group.
fn set(group: &Path, setting: &Setting) -> Result<(), CgroupError> {
    let path = group.join(setting.file);
    let written = OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(setting.value.as_bytes()));
    match written {
        Err(error)
            if setting.need == Need::IfPresent && error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        Err(error)
            if setting.need == Need::UnlessTighterAbove
                && error.kind() == io::ErrorKind::InvalidInput =>
        {
            Ok(())
        }
        other => other.map_err(|source| CgroupError::Limit {
            path,
            value: setting.value.clone(),
            source,
        }),
    }
}

/// Removes the folder of a group, again and again while the kernel calls it busy.
fn remove_folder(path: &Path, deadline: Instant) -> io::Result<()> {
    let mut pause = Duration::from_micros(100);
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline =>
            {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
