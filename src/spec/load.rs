//! From a folder to a checked spec.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::problem::{Faults, Place, SpecError};
use super::source::Source;
use super::{Spec, check, read, yaml};

/// The file's names, the preferred one first.
const NAMES: [&str; 2] = ["cowherd.yaml", "cowherd.yml"];

/// The largest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Finds `cowherd.yaml`, or else `cowherd.yml`, in the folder `start` or in the nearest folder above it.
/// The path is absolute.
///
/// # Errors
/// There is none: the hint says how to write one.
pub fn find(start: &Path) -> Result<PathBuf, SpecError> {
    let absolute = std::path::absolute(start).map_err(|source| SpecError::Unreadable {
        file: start.to_owned(),
        source,
    })?;
    absolute
        .ancestors()
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|file| file.is_file())
        .ok_or(SpecError::NotFound { start: absolute })
}

/// Reads and checks a file; variables are those of this process. Problems name the file as it is seen from
/// the current folder. The spec's own paths are absolute.
///
/// # Errors
/// The file can't be read, is larger than 1 MiB, or is wrong; then with every problem in it.
pub fn load(path: &Path) -> Result<Spec, SpecError> {
    let unreadable = |source: io::Error| SpecError::Unreadable {
        file: path.to_owned(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > LIMIT {
        return Err(SpecError::TooLarge {
            file: path.to_owned(),
            size,
            limit: LIMIT,
        });
    }
    let mut bytes = Vec::new();
    // A pipe has no size beforehand.
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let shown = match seen_from_here(&absolute) {
        shown if shown.is_absolute() => path,
        shown => shown,
    };
    parse_shown(&absolute, shown, &bytes, &|name| std::env::var(name).ok())
}

/// The path as it is seen from the current folder: relative when it lies below.
pub fn seen_from_here(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok())
        .unwrap_or(path)
}

/// Reads and checks the bytes of `file`, which isn't opened. `variable` gives the values for `${NAME}`.
///
/// ```
/// use std::path::Path;
///
/// let text = b"version: 1\nsnapshots: { shop: { engine: postgres } }\n";
/// let spec = cowherd::spec::parse(Path::new("cowherd.yaml"), text, &|_| None).unwrap();
/// assert_eq!(spec.snapshots[0].services[0].name, "db");
///
/// let text = b"version: 1\nsnapshot: {}\n";
/// let error = cowherd::spec::parse(Path::new("cowherd.yaml"), text, &|_| None).unwrap_err();
/// assert!(error.to_string().contains("cowherd.yaml:2:1: unknown key `snapshot`; did you mean `snapshots`?"));
/// ```
///
/// # Errors
/// There are more than 1 MiB, or something is wrong; then with every problem.
pub fn parse(
    file: &Path,
    bytes: &[u8],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Spec, SpecError> {
    parse_shown(file, file, bytes, variable)
}

/// Parses `file`, which problems call `shown`.
fn parse_shown(
    file: &Path,
    shown: &Path,
    bytes: &[u8],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Spec, SpecError> {
    let size = bytes.len() as u64;
    if size > LIMIT {
        return Err(SpecError::TooLarge {
            file: shown.to_owned(),
            size,
            limit: LIMIT,
        });
    }
    let mut faults = Faults::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let source = Source::new(String::from_utf8_lossy(bytes).into_owned());
            let byte = error.valid_up_to();
            let place = Place {
                position: source.position(byte),
                length: 1,
            };
            let encoding = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "; it looks like UTF-16: save it as UTF-8",
                _ => "; save the file as UTF-8",
            };
            let value = bytes[byte];
            faults.add(
                place,
                format!("the byte 0x{value:02x} isn't UTF-8{encoding}"),
            );
            return Err(faults.into_error(shown, &source));
        }
    };
    let source = Source::new(text.to_owned());
    let root = match yaml::tree(&source, &mut faults) {
        Ok(root) => root,
        Err((place, message)) => {
            faults.add(place, message);
            return Err(faults.into_error(shown, &source));
        }
    };
    let draft = read::read(root.as_ref(), &source, variable, &mut faults);
    let checked = check::check(draft, &mut faults);
    if !faults.is_empty() {
        return Err(faults.into_error(shown, &source));
    }
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let checked = checked.in_folder(&folder);
    Ok(Spec {
        file: file.to_owned(),
        folder,
        snapshots: checked.snapshots,
        tests: checked.tests,
        packages: checked.packages,
        scratch: checked.scratch,
    })
}
