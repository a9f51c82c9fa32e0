//! Where a report that is written in one piece goes: the whole report is there, or none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use super::make_parent;

/// The place of a report.
#[derive(Debug)]
pub(super) enum Target {
    /// `-`.
    Stdout,
    /// Something that is no regular file, such as `/dev/stdout` or a FIFO: it can't be replaced.
    Stream(PathBuf),
    /// A file, replaced by rename.
    Whole {
        path: PathBuf,
        /// The new file until it is complete, in the same folder.
        new: PathBuf,
    },
}

impl Target {
    /// Makes the parent folders, proves that a file can be written there, and removes an older
    /// report: when this run is killed, the older one must not pass for its result.
    pub(super) fn prepare(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        make_parent(path)?;
        // A link stays a link; the file that it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let older = match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(meta) if !meta.is_file() => return Ok(Self::Stream(path)),
            found => found.is_ok(),
        };
        let Some(name) = path.file_name() else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.new", process::id()));
        let new = make_parent(&path)?.join(hidden);
        File::create(&new)?;
        fs::remove_file(&new)?;
        if older {
            fs::remove_file(&path)?;
        }
        Ok(Self::Whole { path, new })
    }

    /// Writes the whole report.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::Stream(path) => File::options().write(true).open(path)?.write_all(bytes),
            Self::Whole { path, new } => {
                // The folder may be gone: a test run may well clean `target`.
                make_parent(path)?;
                let written = File::create(new)
                    .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
                    .and_then(|()| fs::rename(new, path));
                if written.is_err() {
                    let _ = fs::remove_file(new);
                }
                written
            }
        }
    }
}
