//! What the host has mounted below a folder, from `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A mount that lies below the folder that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    /// Where it lies, relative to the folder.
    pub(super) inside: PathBuf,
    /// Whether it may not be written to.
    pub(super) read_only: bool,
}

/// The mounts strictly below `folder`, outer ones first, each place once.
pub(super) fn below(folder: &Path) -> io::Result<Vec<Mounted>> {
    /// The table is asked for with every container, and changes hardly ever.
    static TABLE: Mutex<Option<Table>> = Mutex::new(None);
    let mut known = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let table = match &mut *known {
        Some(table) => table,
        none => none.insert(Table::open()?),
    };
    let mut mounts: Vec<Mounted> = Vec::new();
    for line in table.text()?.split(|byte| *byte == b'\n') {
        let Some(mounted) = parse(line, folder) else {
            continue;
        };
        // A later mount on the same place covers the earlier one.
        mounts.retain(|known| known.inside != mounted.inside);
        mounts.push(mounted);
    }
    // What lies below another mount's cover, or was removed since, can't be reached.
    mounts.retain(|mounted| folder.join(&mounted.inside).symlink_metadata().is_ok());
    mounts.sort_by_key(|mounted| mounted.inside.components().count());
    Ok(mounts)
}

/// The table of mounts as it was read last.
struct Table {
    file: File,
    text: Vec<u8>,
    whole: bool,
}

impl Table {
    fn open() -> io::Result<Self> {
        let file = File::open("/proc/self/mountinfo")?;
        Ok(Self {
            file,
            text: Vec::new(),
            whole: false,
        })
    }

    /// The table as it is: the kernel marks the file when something is mounted or unmounted, until it is polled.
    fn text(&mut self) -> io::Result<&[u8]> {
        let mut watched = [PollFd::new(self.file.as_fd(), PollFlags::POLLPRI)];
        let changed = poll(&mut watched, PollTimeout::ZERO)? > 0;
        if changed || !self.whole {
            // Half a table isn't kept for the next one who asks.
            self.whole = false;
            self.text.clear();
            self.file.rewind()?;
            self.file.read_to_end(&mut self.text)?;
            self.whole = true;
        }
        Ok(&self.text)
    }
}

/// One line: `36 35 98:0 /root /mount/point rw,noatime …`.
fn parse(line: &[u8], folder: &Path) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ').skip(4);
    let (place, options) = (fields.next()?, fields.next()?);
    let place = PathBuf::from(OsString::from_vec(unescaped(place)));
    let inside = place.strip_prefix(folder).ok()?;
    if inside.as_os_str().is_empty() {
        return None;
    }
    Some(Mounted {
        inside: inside.to_owned(),
        read_only: options.split(|byte| *byte == b',').any(|o| o == b"ro"),
    })
}

/// A field with its octal escapes (`\040` for a blank) undone.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = match rest {
            [b'\\', digits @ ..] => digits.get(..3).and_then(|digits| {
                let text = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(text, 8).ok()
            }),
            _ => None,
        };
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &rest[4..] } else { tail };
    }
    bytes
}
