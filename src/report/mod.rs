//! What a run looks like: formats for people, for CI and for programs, all fed by the same events.
//!
//! ```text
//! Event ─▶ Reports ─┬▶ Progress | Plain   on standard error, chosen by `console`
//!                   ├▶ Junit              --report junit=PATH, written when the run is over
//!                   └▶ Json               --report json=PATH, written line by line
//! ```
//!
//! A report that can't be written is a problem of that report: [`Reports`] goes on with the others
//! and says at the end what went wrong. It never changes what the tests' results are.

mod choice;
mod fan_out;
mod json;
mod junit;
mod live;
mod output;
mod paint;
mod plain;
mod progress;
mod summary;
mod tally;
mod target;
mod teller;
mod words;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use choice::{Console, When, console};
pub use fan_out::Reports;
pub use json::Json;
pub use junit::Junit;
pub use plain::Plain;
pub use progress::Progress;

use crate::event::Event;

/// A format of report.
pub trait Report: Send {
    /// Takes the next event. Each event of a run comes once, in order, from one thread at a time;
    /// [`Event::RunFinished`] is the last.
    ///
    /// # Errors
    /// When the report can't be written. The report may be fed further events all the same.
    fn event(&mut self, event: &Event) -> io::Result<()>;
}

/// The kinds that [`to_file`] knows.
const KINDS: [&str; 2] = ["junit", "json"];

/// A report that can't be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// No format has this name.
    #[error("can't write a report of the unknown kind `{kind}`")]
    UnknownKind {
        /// The kind as the user named it.
        kind: String,
    },
    /// The file can't be written.
    #[error("can't write the report {name}")]
    Write {
        /// The report: its path, or `on the console`.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKind { .. } => Some(format!(
                "the kinds are {}, as in `--report junit=target/junit.xml`",
                KINDS.join(" and ")
            )),
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::IsADirectory => Some("name a file in that folder".to_owned()),
                io::ErrorKind::PermissionDenied => {
                    Some("name a path in a folder where you may write".to_owned())
                }
                _ => None,
            },
        }
    }
}

/// The report of the given kind (`junit` or `json`) in the file `path`, or on standard output when
/// the path is `-`. Folders that are missing are made.
///
/// That the path can be written is found out now and not when the run is over; a report of an earlier
/// run that is there is gone from now on, so that it can't pass for this run's.
///
/// ```
/// let error = cowherd::report::to_file("junitt", "out.xml".as_ref()).err().unwrap();
/// assert_eq!(error.to_string(), "can't write a report of the unknown kind `junitt`");
/// assert!(error.hint().unwrap().starts_with("the kinds are junit and json"));
/// ```
///
/// # Errors
/// When the kind is unknown, or the path can't be written.
pub fn to_file(kind: &str, path: &Path) -> Result<Box<dyn Report>, ReportError> {
    let wrong = |source| ReportError::Write {
        name: path.display().to_string(),
        source,
    };
    match kind {
        "junit" => Ok(Box::new(Junit::create(path).map_err(wrong)?)),
        "json" => Ok(Box::new(Json::create(path).map_err(wrong)?)),
        _ => Err(ReportError::UnknownKind {
            kind: kind.to_owned(),
        }),
    }
}

/// Makes the folder that `path` is to be in.
fn make_parent(path: &Path) -> io::Result<PathBuf> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&parent)?;
    Ok(parent)
}
