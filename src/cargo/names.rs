//! How Cargo names what has to do with runners.

use std::ffi::OsStr;
use std::path::Path;

/// The variable that names the runner for a target: `CARGO_TARGET_<TRIPLE>_RUNNER`.
pub fn runner_variable(triple: &str) -> String {
    let name: String = triple
        .chars()
        .map(|c| match c {
            '-' | '.' => '_',
            c => c.to_ascii_uppercase(),
        })
        .collect();
    format!("CARGO_TARGET_{name}_RUNNER")
}

/// Whether a path of a program is one that Cargo gives to tests, benchmarks and doc tests, and not one of a program
/// for `cargo run`: only those have Cargo's hash in their name, or rustdoc's name.
pub fn is_test(program: &Path) -> bool {
    let hash = |name: &str| {
        let hash = name.rsplit_once('-').map_or("", |(_, hash)| hash);
        hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let name = program.file_stem().and_then(OsStr::to_str).unwrap_or("");
    name == "rust_out" || hash(name)
}
