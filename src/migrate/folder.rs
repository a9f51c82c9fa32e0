//! Listing a migrations folder.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{MigrateError, Tool};

/// A file below the folder.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// The path below the folder, with `/`.
    pub(super) name: String,
}

impl Entry {
    /// The last part of the name.
    pub(super) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The file's name without `.sql`, in any case.
    pub(super) fn sql_stem(&self) -> Option<&str> {
        let name = self.file_name();
        let at = name.len().checked_sub(4)?;
        let suffix = name.get(at..)?;
        suffix.eq_ignore_ascii_case(".sql").then(|| &name[..at])
    }
}

/// What one folder holds, hidden entries left out, sorted by name.
pub(super) struct Listing {
    pub(super) files: Vec<Entry>,
    pub(super) folders: Vec<Entry>,
}

/// Lists `dir`; names start with `prefix`. Symbolic links are followed.
pub(super) fn list(dir: &Path, prefix: &str) -> Result<Listing, MigrateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MigrateError::Read { path, source }
    };
    let mut listing = Listing {
        files: Vec::new(),
        folders: Vec::new(),
    };
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        let entry = entry.map_err(failed(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        let kind = fs::metadata(&path).map_err(failed(&path))?;
        let entry = Entry {
            path,
            name: format!("{prefix}{name}"),
        };
        if kind.is_dir() {
            listing.folders.push(entry);
        } else if kind.is_file() {
            listing.files.push(entry);
        }
    }
    listing.files.sort_by(|a, b| a.name.cmp(&b.name));
    listing.folders.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listing)
}

/// Every file of `dir` and of the folders below it, hidden ones left out.
pub(super) fn list_deep(dir: &Path) -> Result<Vec<Entry>, MigrateError> {
    let mut files = Vec::new();
    let mut open = vec![(dir.to_owned(), String::new())];
    let mut seen = Vec::new();
    while let Some((path, prefix)) = open.pop() {
        // A symbolic link to a folder above would lead round in circles.
        let real = path.canonicalize().map_err(|source| MigrateError::Read {
            path: path.clone(),
            source,
        })?;
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        let listing = list(&path, &prefix)?;
        files.extend(listing.files);
        open.extend(
            listing
                .folders
                .into_iter()
                .map(|f| (f.path, format!("{}/", f.name))),
        );
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The first 64 KiB of a file: where tools put their marks.
pub(super) fn head(path: &Path) -> Result<Vec<u8>, MigrateError> {
    let mut head = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(64 * 1024).read_to_end(&mut head))
        .map_err(|source| MigrateError::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(head)
}

/// All of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, MigrateError> {
    fs::read(path).map_err(|source| MigrateError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The first of `dir` and the folders above it, inside of the same repository and at most three
/// up, where `found` holds.
pub(super) fn find_above<T>(dir: &Path, found: impl Fn(&Path) -> Option<T>) -> Option<T> {
    for folder in dir.ancestors().take(4) {
        if let Some(value) = found(folder) {
            return Some(value);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// The `key = value` lines of a properties or TOML file; keys carry their TOML table.
pub(super) fn settings(file: &Path) -> Result<Vec<(String, String)>, MigrateError> {
    let bytes = read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut table = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            table = format!("{}.", name.trim());
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim().trim_matches(['"', '\'']), plain(value.trim()));
        found.push((format!("{table}{key}"), value.to_owned()));
    }
    Ok(found)
}

/// A value without the quotes of TOML, and the item of a list of one.
fn plain(value: &str) -> &str {
    let value = value
        .strip_prefix('[')
        .map_or(value, |v| v.trim_end_matches(']'))
        .trim();
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) if value.matches(quote).count() == 2 => {
            value[1..].split(quote).next().unwrap_or_default()
        }
        _ => value,
    }
}

/// Refuses two files of one version; `files` are versions and names, in order.
pub(super) fn each_version_once<'m, V: PartialEq + ToString>(
    tool: Tool,
    files: impl IntoIterator<Item = (V, &'m str)>,
) -> Result<(), MigrateError> {
    let mut last: Option<(V, &str)> = None;
    for (version, second) in files {
        match last {
            Some((before, first)) if before == version => {
                return Err(MigrateError::Duplicate {
                    tool,
                    version: version.to_string(),
                    first: first.to_owned(),
                    second: second.to_owned(),
                });
            }
            _ => last = Some((version, second)),
        }
    }
    Ok(())
}
