//! Why a store in a file can't be had.

use std::io;
use std::path::PathBuf;

use crate::disk::DiskError;
use crate::store::StoreError;

/// What keeps a store in a file from being made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoopStoreError {
    /// An ordinary user can't mount.
    #[error("can't mount a file system: only root may")]
    NotRoot {
        /// The store that was asked for.
        store: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// There is no such user.
    #[error("can't find the user `{0}`")]
    NoUser(String),
    /// A program isn't installed.
    #[error("can't find {program}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// A program failed.
    #[error("can't {verb} {}: {said}", image.display())]
    Failed {
        /// What it was for.
        verb: &'static str,
        /// The image.
        image: PathBuf,
        /// What it said.
        said: String,
    },
    /// The store has layers, which the mount would hide.
    #[error("can't mount a file system over {}: the store has layers in it", .0.display())]
    HasLayers(PathBuf),
    /// What stands at the image's place may not be what root has made.
    #[error("can't mount {}: it is no file that only root can write to", .0.display())]
    ImageOfOthers(PathBuf),
    /// The kernel refuses the file system.
    #[error("can't mount {}", image.display())]
    Mount {
        /// The image.
        image: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder can't be a store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl LoopStoreError {
    /// What to do about it, where that can be known.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotRoot { store, size } => format!(
                "root is needed this once, and the store is yours afterwards: `sudo env COWHERD_STORE={} \
                 \"$(command -v cowherd)\" store init --size {}`",
                store.display(),
                match size % (1 << 30) {
                    0 => format!("{}G", size >> 30),
                    _ => format!("{}M", size >> 20),
                }
            ),
            Self::NoUser(_) => "`--user` takes the name of a user of this machine".to_owned(),
            Self::Program { package, .. } => format!("install the package {package}"),
            Self::Failed { verb: "attach", .. } => {
                "in a container this is for its host to do: make the store there, and give it to the container as a \
                 volume"
                    .to_owned()
            }
            Self::HasLayers(store) => {
                let store = store.display();
                format!(
                    "move it away, make the new one, and copy it in as the user whose it is:\n  \
                     mv {store} {store}.old\n  \
                     cowherd store init …\n  \
                     cp -a {store}.old/. {store}/\n\
                     or remove {store}: what specs describe is built again"
                )
            }
            Self::ImageOfOthers(_) => {
                "name another file with `--image`, or move that one away".to_owned()
            }
            Self::Mount { source, .. } => match source.raw_os_error() {
                Some(code) if code == nix::errno::Errno::ENODEV as i32 => {
                    "this kernel has no XFS: load its module (`modprobe xfs`)".to_owned()
                }
                Some(code) if code == nix::errno::Errno::EINVAL as i32 => {
                    "is it an XFS? Name another file with `--image`, or move that one away".to_owned()
                }
                _ => return None,
            },
            Self::Store(error) => return error.hint(),
            Self::Disk(error) => return error.hint(),
            Self::Failed { .. } | Self::Interrupted => return None,
        };
        Some(text)
    }
}
