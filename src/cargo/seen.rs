//! What a test in a container has of its caller's: variables and folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::binary::Binary;
use crate::pool::client::POOL;
use crate::project::test_environment;
use crate::sandbox::Identity;

/// The caller's variables, less those that are for the runner alone.
pub(super) fn environment(identity: Identity) -> Vec<(OsString, OsString)> {
    let variables = test_environment(identity).into_iter();
    variables.filter_map(without_runner).collect()
}

/// The caller's variable as a test sees it: Cargo calls no runner of Cowherd's from inside a container.
fn without_runner((name, value): (OsString, OsString)) -> Option<(OsString, OsString)> {
    let is_runner = |name: &str| name.starts_with("CARGO_TARGET_") && name.ends_with("_RUNNER");
    if [POOL, super::CARGO, super::DOCTESTS]
        .map(OsString::from)
        .contains(&name)
    {
        return None;
    }
    if !name.to_str().is_some_and(is_runner) {
        return Some((name, value));
    }
    let words: Vec<&str> = value.to_str()?.split_whitespace().collect();
    let own = words.iter().position(|word| *word == super::RUNNER);
    match own {
        None => Some((name, value)),
        // The user's own follows with the number of its words.
        Some(at) => match &words[at + 1..] {
            ["--words", _, others @ ..] => Some((name, others.join(" ").into())),
            _ => None,
        },
    }
}

/// What a test sees of the host wherever it lies: its program, and the libraries that Cargo has it find.
pub(super) fn shown(binary: &Binary) -> Vec<PathBuf> {
    let mut shown: Vec<PathBuf> = binary
        .file()
        .parent()
        .map(Path::to_owned)
        .into_iter()
        .collect();
    let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    shown.extend(std::env::split_paths(&libraries).filter(|folder| folder.is_dir()));
    shown
}

/// Where a test writes beside the project's folder, as it does without Cowherd: Cargo's target folder
/// (`CARGO_TARGET_TMPDIR`, coverage) and the package, if the spec lies elsewhere.
pub(super) fn shared(package: &Path, binary: &Binary) -> Vec<PathBuf> {
    let mut shared = vec![package.to_owned()];
    shared.extend(target_folder(binary.file()).map(Path::to_owned));
    // The folder of coverage data may be the name of a pattern (`%p`), its parent isn't.
    if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
        shared.extend(Path::new(&profile).parent().map(Path::to_owned));
    }
    shared.retain(|folder| folder.is_absolute() && folder.is_dir());
    shared
}

/// The target folder that a program lies in: Cargo marks it.
fn target_folder(program: &Path) -> Option<&Path> {
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    program.ancestors().skip(1).find(marked)
}
