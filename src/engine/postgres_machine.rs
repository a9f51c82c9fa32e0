//! What of a machine the files of PostgreSQL depend on.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::disk;

/// The ICU library as the server is linked to it; its number is that of ICU's version.
const ICU: &[u8] = b"libicui18n.so.";

/// Byte order and alignment; the size of a page; and what sorts text: an index that was built by one collation is
/// wrong under another. PostgreSQL names the collation by the version of the C library and of ICU (documentation,
/// "ALTER COLLATION").
pub(super) fn machine(postgres: &Path) -> Vec<(String, String)> {
    let facts = [
        ("architecture", std::env::consts::ARCH.to_owned()),
        ("page size", disk::page_size().to_string()),
        ("collation", format!("{}, {}", c_library(), icu(postgres))),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// `glibc 2.36`. A C library of another kind has no version, nor any collation but that of bytes.
fn c_library() -> String {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let version = output.ok().filter(|output| output.status.success());
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok());
    version.map_or_else(
        || "another C library".to_owned(),
        |text| text.trim().to_owned(),
    )
}

/// `ICU 72`.
fn icu(postgres: &Path) -> String {
    // What `PATH` has may be a link, or a script that starts the program; then nothing is known, on either machine.
    let program = fs::read(postgres).unwrap_or_default();
    let at = program.windows(ICU.len()).position(|window| window == ICU);
    let digits = at.map(|at| {
        let behind = program[at + ICU.len()..].iter();
        behind.take_while(|byte| byte.is_ascii_digit())
    });
    match digits {
        Some(digits) => format!(
            "ICU {}",
            digits.map(|digit| char::from(*digit)).collect::<String>()
        ),
        None => "no ICU".to_owned(),
    }
}
