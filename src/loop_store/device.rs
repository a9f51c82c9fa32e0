//! Formatting an image, and the way from it to a mount: loop devices by losetup(8), mounts as fsmount(2) has them.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::{major, minor};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::{LoopStoreError, Owner};
use crate::disk::DiskError;

/// A program, and the package that has it in every distribution.
type Program = (&'static str, &'static str);

const MKFS: Program = ("mkfs.xfs", "xfsprogs");
const LOSETUP: Program = ("losetup", "util-linux (on Debian and Ubuntu: mount)");
/// The major number of loop devices (kernel, `admin-guide/devices.txt`).
const LOOP: u64 = 7;

/// Makes an XFS whose files can share blocks in the open file that will be `image`.
pub(super) fn format(file: &File, image: &Path) -> Result<(), LoopStoreError> {
    let open = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let args = ["-q", "-m", "reflink=1", "-L", "cowherd", &open];
    run(MKFS, &args.map(OsStr::new), "format", image).map(drop)
}

/// A loop device that nobody uses yet but this process; without users the kernel detaches it.
pub(super) struct Device {
    path: PathBuf,
    _open: File,
    image: PathBuf,
}

/// Attaches the image to a free loop device, or finds the one that it is attached to.
pub(super) fn attach(image: &Path) -> Result<Device, LoopStoreError> {
    let find = ["--find", "--show", "--nooverlap"].map(OsStr::new);
    let args = [&find[..], &[image.as_os_str()]].concat();
    let path = PathBuf::from(run(LOSETUP, &args, "attach", image)?.trim());
    let open = File::open(&path);
    // While it is open this only marks the device to be detached with its last user.
    let marked = run(
        LOSETUP,
        &[OsStr::new("--detach"), path.as_os_str()],
        "attach",
        image,
    );
    let open = open.map_err(|source| DiskError {
        verb: "open",
        path: path.clone(),
        source,
    })?;
    marked?;
    Ok(Device {
        path,
        _open: open,
        image: image.to_owned(),
    })
}

impl Device {
    /// Mounts what is on the device, at no place yet. Programs with special rights have no business in a store.
    pub(super) fn mount(self) -> Result<Detached, LoopStoreError> {
        let mounted = || -> rustix::io::Result<OwnedFd> {
            let system = fsopen("xfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_set_string(&system, "source", &self.path)?;
            fsconfig_create(&system)?;
            let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
            fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        };
        match mounted() {
            Ok(mount) => Ok(Detached {
                mount,
                image: self.image,
            }),
            Err(errno) => Err(LoopStoreError::Mount {
                image: self.image,
                source: errno.into(),
            }),
        }
    }
}

/// A mount that is nowhere: it is gone with its descriptor.
pub(super) struct Detached {
    mount: OwnedFd,
    image: PathBuf,
}

impl Detached {
    /// Makes the root folder the user's, unless somebody has put something into it: then it was given before.
    pub(super) fn give(&self, owner: &Owner) -> Result<(), LoopStoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let give = || -> io::Result<()> {
            let root = File::from(openat(&self.mount, ".", flags, Mode::empty())?);
            let inside = format!("/proc/self/fd/{}", root.as_raw_fd());
            if fs::read_dir(inside)?.next().is_some() {
                return Ok(());
            }
            fchown(&root, Some(owner.uid), Some(owner.gid))?;
            // Users' services must get through a store of root's.
            let mode = if owner.uid == 0 { 0o755 } else { 0o700 };
            root.set_permissions(Permissions::from_mode(mode))
        };
        give().map_err(|source| LoopStoreError::Mount {
            image: self.image.clone(),
            source,
        })
    }

    /// Puts it in its place.
    pub(super) fn show(self, place: &Path) -> Result<(), LoopStoreError> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        let moved = move_mount(&self.mount, "", CWD, place, flags);
        moved.map_err(|errno| LoopStoreError::Mount {
            image: self.image,
            source: errno.into(),
        })
    }
}

/// The file whose file system `path` is on, where that is one on a loop device.
pub fn image_of(path: &Path) -> Option<PathBuf> {
    let device = fs::metadata(path).ok()?.dev();
    if major(device) != LOOP {
        return None;
    }
    let file = format!("/sys/dev/block/{LOOP}:{}/loop/backing_file", minor(device));
    let backing = fs::read_to_string(file).ok()?;
    Some(PathBuf::from(backing.trim_end_matches('\n')))
}

/// Runs a program to its end, away from the terminal's Ctrl-C: what it does is short, and is undone when it is done.
fn run(
    (name, package): Program,
    args: &[&OsStr],
    verb: &'static str,
    image: &Path,
) -> Result<String, LoopStoreError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let program = folders.find_map(|folder| Some(folder.join(name)).filter(|it| it.is_file()));
    let missing = LoopStoreError::Program {
        program: name,
        package,
    };
    let mut command = Command::new(program.ok_or(missing)?);
    command.args(args).env("LC_ALL", "C").process_group(0);
    let failed = |said: String| LoopStoreError::Failed {
        verb,
        image: image.to_owned(),
        said,
    };
    let ended = command.stdin(Stdio::null()).output();
    let ended = ended.map_err(|error| failed(format!("{name}: {error}")))?;
    match ended.status.success() {
        true => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
        false => Err(failed(
            String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
        )),
    }
}
