//! What a carried layer may have in it: the same for who writes and for who reads.

use std::path::{Component, Path};

/// Before a name: the entry of that name was removed (OCI image specification, "Whiteouts").
pub(super) const WHITEOUT: &str = ".wh.";

/// In a folder: it hides what lower layers have in it.
pub(super) const OPAQUE: &str = ".wh..wh..opq";

/// The mode bits that an entry may have: permissions, and the sticky bit.
pub(super) const MODE: u32 = 0o1777;

/// How deep a path may lead.
const DEPTH: usize = 128;

/// Whether a path is a plain way down.
pub(super) fn is_plain(path: &Path) -> bool {
    // `components` passes over some of what is looked for here.
    let bytes = super::tape::bytes(path);
    let mut parts = bytes.split(|byte| *byte == b'/');
    let plain =
        |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    parts.all(plain) && path.components().count() <= DEPTH
}

/// Whether the link at `path`, from the folder that has all services, may lead out of its service's folder: by an
/// absolute target, or by more `..` than it lies deep. A `..` behind a name is one too many: the name may be that of
/// another link. So what is there leads from one place within to another, link by link.
pub(super) fn leads_out(path: &Path, target: &Path) -> bool {
    // The service's own folder and the link's name are no way up.
    let Some(mut depth) = path.components().count().checked_sub(2) else {
        return true;
    };
    let mut down = false;
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => down = true,
            Component::ParentDir if depth > 0 && !down => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    target.as_os_str().is_empty()
}
