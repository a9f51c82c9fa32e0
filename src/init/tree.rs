//! The files of a project, as far as they matter for its database.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How deep folders are searched: `src/main/resources/db/migration` has its files at the sixth level.
const DEPTH: usize = 6;

/// How many entries are looked at; a project has its migrations near the top.
const ENTRIES: usize = 20_000;

/// How much of a file is read, in bytes.
const READ: u64 = 64 << 10;

/// Folders of other people's files, and of what tools made.
const FOREIGN: [&str; 12] = [
    "node_modules",
    "target",
    "vendor",
    "venv",
    "env",
    "dist",
    "build",
    "out",
    "tmp",
    "coverage",
    "site-packages",
    "__pycache__",
];

/// The files below a folder.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// Paths with `/`, those nearer to the top first, else by name.
    files: Vec<String>,
}

impl Tree {
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![(root.to_owned(), String::new())];
        let mut left = ENTRIES;
        for depth in 0..DEPTH {
            let mut next = Vec::new();
            for (folder, prefix) in folders {
                let entries = match fs::read_dir(&folder) {
                    Err(error) if depth == 0 => return Err(error),
                    // Somebody else's folder is none of this project's.
                    Err(_) => continue,
                    Ok(entries) => entries,
                };
                let mut names: Vec<(String, bool)> = entries
                    .flatten()
                    .take(left)
                    .filter_map(|entry| {
                        let kind = entry.file_type().ok()?;
                        let name = entry.file_name().into_string().ok()?;
                        (kind.is_dir() || entry.path().is_file()).then_some((name, kind.is_dir()))
                    })
                    .collect();
                left -= names.len();
                names.sort();
                for (name, is_folder) in names {
                    let path = format!("{prefix}{name}");
                    match is_folder {
                        false => files.push(path),
                        true if name.starts_with('.') || FOREIGN.contains(&name.as_str()) => {}
                        true => next.push((folder.join(&name), path + "/")),
                    }
                }
            }
            folders = next;
        }
        Ok(Self {
            root: root.to_owned(),
            files,
        })
    }

    /// A path below the root as the file system takes it.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Every file.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> + Clone {
        self.files.iter().map(String::as_str)
    }

    /// Whether there is a file of this path.
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.iter().any(|known| known == file)
    }

    /// The first of these files that is there.
    pub(super) fn first_of<'a>(&self, files: &[&'a str]) -> Option<&'a str> {
        files.iter().copied().find(|file| self.has(file))
    }

    /// The beginning of a file's text; nothing when it can't be read.
    pub(super) fn text(&self, file: &str) -> String {
        if !self.has(file) {
            return String::new();
        }
        let mut bytes = Vec::new();
        // A file that can't be read says nothing.
        let _ =
            File::open(self.path(file)).and_then(|file| file.take(READ).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The folders that hold files, the nearest to the top first; the root itself is the empty text.
    pub(super) fn folders(&self) -> Vec<&str> {
        let mut folders: Vec<&str> = Vec::new();
        for file in self.files() {
            let (mut folder, _) = split(file);
            // A folder that holds only folders is one as well.
            while !folders.contains(&folder) {
                folders.push(folder);
                folder = split(folder).0;
            }
        }
        folders.sort_by_key(|folder| (folder.matches('/').count(), folder.len().min(1)));
        folders
    }

    /// The names of the files directly in a folder.
    pub(super) fn names_in<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        self.files()
            .map(split)
            .filter(move |(parent, _)| *parent == folder)
            .map(|(_, name)| name)
    }
}

/// A path's folder, empty for the top, and its last name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether a path ends in `.ENDING`.
pub(super) fn has_ending(path: &str, ending: &str) -> bool {
    let found = path.rsplit_once('.').map(|(_, ending)| ending);
    found == Some(ending)
}
