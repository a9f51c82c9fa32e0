//! Steps as the description of a sandbox asks for them, every string ready.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::mount::MsFlags;

use super::describe::{RUN, SCRATCH};
use super::open_files;
use super::overlay::{Overlay, Upper};
use super::program::{Op, READ_ONLY};

pub(super) fn text(path: &Path) -> io::Result<CString> {
    string(path.as_os_str())
}

fn string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a NUL byte in {}", text.display()),
        )
    })
}

/// A list of steps under construction.
pub(super) struct Ops(pub(super) Vec<Op>);

impl Ops {
    pub(super) fn push(&mut self, op: Op) {
        self.0.push(op);
    }

    /// What the container's programs would have had from whoever started this process.
    pub(super) fn defaults(&mut self) {
        self.push(Op::Defaults);
        if let Some(soft) = open_files::before() {
            self.push(Op::OpenFiles { soft });
        }
    }

    pub(super) fn write(&mut self, path: &str, text: String) -> io::Result<()> {
        self.push(Op::Write {
            path: string(OsStr::new(path))?,
            bytes: text.into_bytes(),
        });
        Ok(())
    }

    /// A map of one user and one group to themselves (`user_namespaces(7)`).
    pub(super) fn identity_map(&mut self, uid: u32, gid: u32) -> io::Result<()> {
        self.write("/proc/self/setgroups", "deny".to_owned())?;
        self.write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        self.write("/proc/self/gid_map", format!("{gid} {gid} 1"))
    }

    pub(super) fn change_folder(&mut self, path: &Path) -> io::Result<()> {
        self.push(Op::ChangeFolder { path: text(path)? });
        Ok(())
    }

    pub(super) fn folder(
        &mut self,
        path: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> io::Result<()> {
        self.push(Op::MakeFolder {
            path: text(path)?,
            mode,
            owner,
        });
        Ok(())
    }

    /// The folders from `start` on that lead to `path`, and itself.
    pub(super) fn way(
        &mut self,
        start: &Path,
        path: &Path,
        owner: Option<(u32, u32)>,
    ) -> io::Result<()> {
        let mut way = start.to_owned();
        for part in path.strip_prefix(start).unwrap_or(path).components() {
            way.push(part);
            self.folder(&way, 0o755, owner)?;
        }
        Ok(())
    }

    pub(super) fn mount(
        &mut self,
        kind: &str,
        target: &Path,
        flags: MsFlags,
        data: Option<Vec<u8>>,
    ) -> io::Result<()> {
        let name = string(OsStr::new(kind))?;
        self.push(Op::Mount {
            source: Some(name.clone()),
            target: text(target)?,
            kind: Some(name),
            flags: flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            data: data
                .map(|data| string(OsStr::from_bytes(&data)))
                .transpose()?,
        });
        Ok(())
    }

    pub(super) fn bind(&mut self, source: &Path, target: &Path, flags: MsFlags) -> io::Result<()> {
        self.push(Op::Mount {
            source: Some(text(source)?),
            target: text(target)?,
            kind: None,
            flags: flags | MsFlags::MS_BIND,
            data: None,
        });
        Ok(())
    }

    /// The folder `source` at `target`, its owners mapped.
    pub(super) fn mapped(&mut self, source: &Path, target: &Path) -> io::Result<()> {
        self.push(Op::Mapped {
            source: text(source)?,
            target: text(target)?,
        });
        Ok(())
    }

    /// Makes a mount writable that was bound from a read-only one.
    pub(super) fn writable(&mut self, target: &Path) -> io::Result<()> {
        self.push(Op::Attributes {
            target: text(target)?,
            set: 0,
            clear: READ_ONLY,
            recursive: false,
        });
        Ok(())
    }

    pub(super) fn bind_file(&mut self, source: &Path, target: &Path) -> io::Result<()> {
        self.push(Op::MakeFile {
            path: text(target)?,
        });
        self.bind(source, target, MsFlags::empty())
    }

    pub(super) fn overlay(
        &mut self,
        overlay: &Overlay,
        owner: Option<(u32, u32)>,
    ) -> io::Result<()> {
        let scratch = Path::new(SCRATCH).join(&overlay.name);
        self.folder(&scratch, 0o700, owner)?;
        if let Upper::Folder { path, .. } = &overlay.upper {
            self.bind(path, &scratch, MsFlags::empty())?;
            self.writable(&scratch)?;
        }
        let (upper, work) = (overlay.changes(), overlay.work());
        self.folder(&upper, overlay.mode, owner)?;
        self.folder(&work, 0o700, owner)?;
        self.folder(&overlay.target, 0o700, owner)?;
        self.change_folder(&overlay.from)?;
        for (source, target) in overlay.copies() {
            self.push(Op::CopyData {
                source: text(&source)?,
                target: text(&target)?,
                owner,
            });
        }
        // `volatile` drops every sync: a container's changes are thrown away, and a draft is synced once
        // as a whole when it is sealed.
        let mut options = b"userxattr,volatile,upperdir=".to_vec();
        options.extend(escaped(&upper));
        options.extend_from_slice(b",workdir=");
        options.extend(escaped(&work));
        for (index, layer) in overlay.lower.iter().enumerate() {
            options.extend_from_slice(if index == 0 { b",lowerdir=" } else { b":" });
            options.extend(escaped(layer));
        }
        if options.len() > 4095 {
            let message = format!(
                "{} layers don't fit in one page of mount options",
                overlay.lower.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.mount("overlay", &overlay.target, MsFlags::empty(), Some(options))
    }

    /// A small `/dev`: built aside, since its files are bound from the host's, then moved into place.
    pub(super) fn devices(&mut self, shared_bytes: u64) -> io::Result<()> {
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

/// A path as an option of overlayfs, which divides options at commas and layers at colons.
fn escaped(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'\\' | b',' | b':') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text
}
