//! A store in a file of its own: an XFS on a loop device, which shares blocks on any Linux.
//!
//! Root is needed once; what is mounted belongs to the user who works with it. What is under way has no name: the
//! image is a file without one until it is formatted, the loop device goes with its last user, and the mount is in
//! no tree until it is whole. So a kill in the middle leaves nothing that the kernel doesn't take back, but for empty
//! folders and, between its name and its mount, the image, which the next call mounts.

mod device;
mod error;
mod owner;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::disk::{self, DiskError, Unnamed};
use crate::store::StoreError;

pub use device::image_of;
pub use error::LoopStoreError;
pub use owner::Owner;

/// The smallest XFS that mkfs.xfs makes, in bytes (mkfs.xfs(8), from xfsprogs 5.19 on).
pub const SMALLEST: u64 = 300 << 20;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The store's folder, which becomes the mount point.
    pub store: PathBuf,
    /// The file that holds the file system.
    pub image: PathBuf,
    /// The size of the file system in bytes; the file takes what is used of it.
    pub size: u64,
    /// Who will use it.
    pub owner: Owner,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// The image was made and is mounted.
    New,
    /// The image was there, as after a reboot, and is mounted.
    Mounted,
    /// The store's folder is on a file system that shares blocks: nothing was done.
    Already,
}

/// The image's usual place: beside the store, so that it lies on the file system that was chosen for the store.
pub fn image_beside(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(".xfs");
    store.with_file_name(name)
}

/// Makes the store, or mounts it again. `stopped` is asked between the steps. Where one fails, all that was done is
/// undone.
///
/// # Errors
/// A caller who isn't root, a program that isn't installed, a store with layers in it, an image that others could
/// have written, and whatever the system refuses.
pub fn make(wish: &Wish, stopped: &dyn Fn() -> bool) -> Result<Made, LoopStoreError> {
    if !disk::is_root() {
        return Err(LoopStoreError::NotRoot {
            store: wish.store.clone(),
            size: wish.size,
        });
    }
    let mut made = Vec::new();
    let result = steps(wish, stopped, &mut made);
    if result.is_err() {
        for path in made.iter().rev() {
            // What somebody has put into a folder meanwhile keeps it.
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
    result
}

fn steps(
    wish: &Wish,
    stopped: &dyn Fn() -> bool,
    made: &mut Vec<PathBuf>,
) -> Result<Made, LoopStoreError> {
    let go_on = || match stopped() {
        true => Err(LoopStoreError::Interrupted),
        false => Ok(()),
    };
    let store = &wish.store;
    create_folders(store, &wish.owner, made)?;
    if disk::can_reflink(store)? {
        return Ok(Made::Already);
    }
    check_vacant(store)?;
    let there = fs::symlink_metadata(&wish.image).ok();
    match &there {
        Some(image) if image.is_file() && image.uid() == 0 && image.mode() & 0o022 == 0 => {}
        Some(_) => return Err(LoopStoreError::ImageOfOthers(wish.image.clone())),
        None => {
            let image = format(wish)?;
            go_on()?;
            made.push(wish.image.clone());
            image.name(&wish.image)?;
        }
    }
    go_on()?;
    let mount = device::attach(&wish.image)?.mount()?;
    mount.give(&wish.owner)?;
    go_on()?;
    mount.show(store)?;
    Ok(match there {
        Some(_) => Made::Mounted,
        None => Made::New,
    })
}

/// Makes a folder and those above it that are not there, all for the user.
fn create_folders(
    folder: &Path,
    owner: &Owner,
    made: &mut Vec<PathBuf>,
) -> Result<(), LoopStoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders(parent, owner, made)?;
    }
    let failed = |source| DiskError {
        verb: "create",
        path: folder.to_owned(),
        source,
    };
    fs::create_dir(folder).map_err(failed)?;
    made.push(folder.to_owned());
    chown(folder, Some(owner.uid), Some(owner.gid)).map_err(failed)?;
    Ok(())
}

/// A mount hides what is below it.
fn check_vacant(store: &Path) -> Result<(), LoopStoreError> {
    let entries = |folder: &Path| -> Result<Vec<_>, LoopStoreError> {
        let failed = |source| DiskError {
            verb: "list",
            path: folder.to_owned(),
            source,
        };
        let entries = fs::read_dir(folder).map_err(failed)?;
        let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name()));
        names.collect()
    };
    let found = entries(store)?;
    if found.is_empty() {
        return Ok(());
    }
    if !found.iter().any(|name| name == "format") {
        let path = store.to_owned();
        return Err(StoreError::NotAStore { path }.into());
    }
    let layers = store.join("layers");
    if layers.is_dir() && !entries(&layers)?.is_empty() {
        return Err(LoopStoreError::HasLayers(store.to_owned()));
    }
    Ok(())
}

/// An image without a name, which nobody but root can read: who could write to it could give the kernel a file system
/// of their making.
fn format(wish: &Wish) -> Result<Unnamed, LoopStoreError> {
    let on_image = |verb| {
        move |source| DiskError {
            verb,
            path: wish.image.clone(),
            source,
        }
    };
    let image = Unnamed::new(wish.image.parent().unwrap_or(Path::new("/")))?;
    let file = image.file();
    file.set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.set_len(wish.size))
        .map_err(on_image("create"))?;
    device::format(file, &wish.image)?;
    Ok(image)
}

/// The line of fstab(5) that mounts the store at boot. Without the image the machine boots all the same (`nofail`).
///
/// ```
/// use std::path::Path;
/// let line = cowherd::loop_store::fstab_line(Path::new("/srv/my store.xfs"), Path::new("/srv/my store"));
/// assert_eq!(line, "/srv/my\\040store.xfs /srv/my\\040store xfs loop,nosuid,nodev,nofail 0 0");
/// ```
pub fn fstab_line(image: &Path, store: &Path) -> String {
    let word = |path: &Path| {
        let mut word = String::new();
        for c in path.to_string_lossy().chars() {
            match c {
                ' ' | '\t' | '\n' | '\\' | '#' => word += &format!("\\{:03o}", u32::from(c)),
                c => word.push(c),
            }
        }
        word
    };
    let (image, store) = (word(image), word(store));
    format!("{image} {store} xfs loop,nosuid,nodev,nofail 0 0")
}

/// Whether a table of file systems mounts something at the store's place.
pub fn is_in_fstab(table: &str, image: &Path, store: &Path) -> bool {
    let line = fstab_line(image, store);
    let place = line.split(' ').nth(1);
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.any(|line| line.split_whitespace().nth(1) == place)
}

/// Whether nobody but root can exchange what stands at `path`, or at a folder above it.
pub fn is_for_root_alone(path: &Path) -> bool {
    let mut folders = path.ancestors().skip(1);
    folders.all(|folder| {
        fs::metadata(folder).is_ok_and(|it| {
            let open = it.mode() & 0o022 != 0 && it.mode() & 0o1000 == 0;
            it.uid() == 0 && !open
        })
    })
}
