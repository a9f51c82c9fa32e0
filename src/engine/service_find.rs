//! Finds the program of a server without an adapter, and tells one build of it from another.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use super::EngineError;
use crate::digest::Digest;
use crate::spec::CommandLine;

/// Where servers are, which some distributions keep off an ordinary user's `PATH`.
const OF_SERVERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The caller's search path, and the folders of servers.
pub(super) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.extend(OF_SERVERS.map(PathBuf::from));
    env::join_paths(folders).unwrap_or(path)
}

/// The program that a command is, by its absolute path: for a line for the shell what it executes in its own place
/// at the end, else its first word, else the shell.
///
/// # Errors
/// [`EngineError::NotFound`] for a list whose program is nowhere.
pub(super) fn program_of(command: &CommandLine, folder: &Path) -> Result<PathBuf, EngineError> {
    match command {
        CommandLine::Argv(words) => {
            let name = words.first().map_or("", String::as_str);
            find(name, folder).ok_or_else(|| EngineError::NotFound {
                program: name.to_owned(),
                looked: match name.contains('/') {
                    true => vec![folder.join(name).display().to_string()],
                    false => vec!["PATH".to_owned(), OF_SERVERS.join(", ")],
                },
                remedy: "install it, or name it by its path in `command:`".to_owned(),
            })
        }
        CommandLine::Shell(line) => {
            let words: Vec<&str> = line.split_whitespace().collect();
            let last = words.iter().rposition(|word| *word == "exec");
            let words = &words[last.map_or(0, |at| at + 1)..];
            let first = words.iter().find(|word| !word.contains('='));
            let found = first.and_then(|name| find(name, folder));
            Ok(found.unwrap_or_else(|| PathBuf::from("/bin/sh")))
        }
    }
}

/// A line for the shell, which is replaced by the one program that the line is, where it is no more than that: signals
/// reach that, and how it ends is known.
pub(super) fn in_place_of_the_shell(line: &str, folder: &Path) -> String {
    let first = line.split_whitespace().next().unwrap_or_default();
    let more = line.contains(['\n', ';', '&', '|', '(', ')', '`']) || first.contains('=');
    match !more && find(first, folder).is_some() {
        true => format!("exec {line}"),
        false => line.to_owned(),
    }
}

fn find(name: &str, folder: &Path) -> Option<PathBuf> {
    let is_program = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file());
    if name.contains('/') {
        return Some(folder.join(name)).filter(|path| is_program(path));
    }
    let path = search_path();
    let candidates = env::split_paths(&path).map(|folder| folder.join(name));
    let mut candidates = candidates.filter(|path| path.is_absolute());
    candidates.find(|path| is_program(path))
}

/// A program as it is on disk.
type Stamp = (PathBuf, Option<SystemTime>, u64);

/// Programs that were read already: a process that sets up many services reads each once.
static READ: LazyLock<Mutex<HashMap<Stamp, Digest>>> = LazyLock::new(Mutex::default);

/// Its name with the beginning of the digest of its bytes: `nginx 4f0c9a1b2d3e`. Programs of any kind have no other
/// version that is asked for in one way, and two builds of one version differ.
///
/// # Errors
/// When it can't be read.
pub(super) fn version_of(program: &Path) -> Result<String, EngineError> {
    let failed = |source: io::Error| EngineError::file("read", program, source);
    let found = fs::metadata(program).map_err(failed)?;
    let stamp = (program.to_owned(), found.modified().ok(), found.len());
    // A panic of another thread's in between leaves it as it was.
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = if let Some(digest) = read.get(&stamp) {
        *digest
    } else {
        let file = File::open(program).map_err(failed)?;
        let (digest, _) = Digest::of_reader(file).map_err(failed)?;
        *read.entry(stamp).or_insert(digest)
    };
    let name = program.file_name().unwrap_or(OsStr::new(""));
    Ok(format!("{} {}", name.display(), digest.short()))
}
