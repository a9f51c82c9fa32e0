//! The container that this process is in itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Error;

/// The container of `cowherd run` or `cowherd cargo test` around this process.
#[derive(Debug)]
pub(super) struct Inside {
    snapshot: String,
    url: String,
    file: Option<PathBuf>,
    taken: AtomicBool,
}

impl Inside {
    /// What the variables of a container say (`COWHERD_SNAPSHOT`, `DATABASE_URL`, `SQLITE_FILE`).
    pub(super) fn of_environment() -> Option<Self> {
        Some(Self {
            snapshot: std::env::var("COWHERD_SNAPSHOT").ok()?,
            url: std::env::var("DATABASE_URL").ok()?,
            file: std::env::var_os("SQLITE_FILE").map(PathBuf::from),
            taken: AtomicBool::new(false),
        })
    }

    /// The container's own snapshot, which is the only one to be asked for.
    pub(super) fn one_name(&self, asked: Option<&str>) -> Result<String, Error> {
        match asked {
            Some(asked) if asked != self.snapshot => Err(self.refuse(asked)),
            _ => Ok(self.snapshot.clone()),
        }
    }

    fn refuse(&self, snapshot: &str) -> Error {
        Error::Inside {
            snapshot: snapshot.to_owned(),
            own: self.snapshot.clone(),
        }
    }

    /// The address and the file of the container, for the first who asks.
    pub(super) fn take(&self) -> Result<(String, Option<PathBuf>), Error> {
        match self.taken.swap(true, Ordering::Relaxed) {
            false => Ok((self.url.clone(), self.file.clone())),
            true => Err(self.refuse(&self.snapshot)),
        }
    }

    /// The container's SQLite file.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.file.clone()
    }
}
