//! Paths and patterns of the spec, turned into files.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::InputError;
use crate::migrate::natural_order;

/// What a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folders {
    /// Nothing: a pattern passes over it, and naming it is an error. Files with this ending are meant.
    Refused(&'static str),
    /// Every file below it.
    Walked,
}

/// The files that the paths and patterns name, in their order; those of one pattern in natural
/// order. A file that a pattern matches but that stood in the list already is not repeated, so that
/// `[first.sql, "*.sql"]` does what it seems to say.
pub(super) fn expand(
    folder: &Path,
    patterns: &[String],
    folders: Folders,
) -> (Vec<PathBuf>, Vec<InputError>) {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for written in patterns {
        match one(folder, written, folders) {
            Ok(Matches::Named(path)) => {
                seen.insert(path.clone());
                files.push(path);
            }
            Ok(Matches::Found(paths)) => {
                files.extend(paths.into_iter().filter(|path| seen.insert(path.clone())));
            }
            Err(error) => errors.push(error),
        }
    }
    (files, errors)
}

enum Matches {
    /// The text is a file's path.
    Named(PathBuf),
    /// The files that a pattern or a folder stands for.
    Found(Vec<PathBuf>),
}

fn one(folder: &Path, written: &str, folders: Folders) -> Result<Matches, InputError> {
    let path = normal(&folder.join(written));
    match fs::metadata(&path) {
        Ok(kind) if kind.is_dir() => {
            if let Folders::Refused(ending) = folders {
                return Err(InputError::Folder {
                    written: written.to_owned(),
                    ending,
                });
            }
            let mut files = Vec::new();
            walk(folder, &path, &mut Vec::new(), &mut files)?;
            if files.is_empty() {
                let written = format!("{}/**", written.trim_end_matches('/'));
                return Err(InputError::NoMatch {
                    written,
                    neighbours: Vec::new(),
                });
            }
            return Ok(Matches::Found(sorted(files)));
        }
        Ok(_) => return Ok(Matches::Named(path)),
        Err(_) if written.contains(['*', '?', '[']) => {}
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(InputError::Missing {
                written: written.to_owned(),
                neighbours: neighbours(folder, written),
            });
        }
        Err(source) => {
            return Err(InputError::Read {
                name: written.to_owned(),
                source,
            });
        }
    }
    let mut files = Vec::new();
    for path in matches(folder, written)? {
        if !path.is_dir() {
            files.push(path);
        } else if folders == Folders::Walked {
            walk(folder, &path, &mut Vec::new(), &mut files)?;
        }
    }
    if files.is_empty() {
        return Err(InputError::NoMatch {
            written: written.to_owned(),
            neighbours: neighbours(folder, written),
        });
    }
    files.sort();
    files.dedup();
    Ok(Matches::Found(sorted(files)))
}

fn sorted(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()));
    files
}

/// What a pattern matches, files and folders. A leading dot must be written out, as in a shell.
fn matches(folder: &Path, written: &str) -> Result<Vec<PathBuf>, InputError> {
    let pattern = if written.starts_with('/') {
        written.to_owned()
    } else {
        let written = written.trim_start_matches("./");
        format!(
            "{}/{written}",
            glob::Pattern::escape(&folder.to_string_lossy())
        )
    };
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let paths = glob::glob_with(&pattern, options).map_err(|error| InputError::Pattern {
        written: written.to_owned(),
        reason: error.msg,
        at: (error.pos + 1)
            .saturating_sub(pattern.chars().count() - written.chars().count())
            .max(1),
    })?;
    paths
        .map(|path| match path {
            Ok(path) => Ok(normal(&path)),
            Err(error) => Err(InputError::Read {
                name: error.path().to_string_lossy().into_owned(),
                source: error.into(),
            }),
        })
        .collect()
}

/// Adds every regular file below `path`. A `.git` folder is left out: it changes with every commit.
/// Symbolic links are followed, but not in circles.
fn walk(
    folder: &Path,
    path: &Path,
    above: &mut Vec<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> Result<(), InputError> {
    let failed = |source| InputError::Read {
        name: name_of(folder, path),
        source,
    };
    let real = path.canonicalize().map_err(failed)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        // A dangling link is no input: nothing can be read through it.
        let Ok(kind) = fs::metadata(&entry) else {
            continue;
        };
        if kind.is_file() {
            files.push(entry);
        } else if kind.is_dir() && !entry.ends_with(".git") {
            walk(folder, &entry, above, files)?;
        }
    }
    above.pop();
    Ok(())
}

/// Some of what the folder of a missing file holds.
fn neighbours(folder: &Path, written: &str) -> Vec<String> {
    let start = written
        .find(['*', '?', '['])
        .map_or(written, |at| &written[..at]);
    let parent = start.rfind('/').map_or("", |at| &start[..at]);
    let parent = if start.starts_with('/') {
        Path::new("/").join(parent)
    } else {
        folder.join(parent)
    };
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort_by(|a, b| natural_order(a, b));
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        names.push(format!("and {more} more"));
    }
    names
}

/// How many neighbours are shown.
const SHOWN: usize = 6;

/// The path without `.` and with `..` taken back where a part stands before it.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(normal.components().next_back(), Some(Component::Normal(_))) =>
            {
                normal.pop();
            }
            _ => normal.push(part),
        }
    }
    normal
}

/// The name under which a file goes into keys: below `folder` the relative path with `/`, so that
/// two checkouts agree; elsewhere the file's own name.
pub(super) fn name_of(folder: &Path, path: &Path) -> String {
    match path.strip_prefix(folder) {
        Ok(inside) if !inside.as_os_str().is_empty() => inside.to_string_lossy().into_owned(),
        _ => path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
    }
}
