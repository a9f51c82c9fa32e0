//! Output that is compared with a file.

use std::fs;
use std::path::Path;

use super::Project;

/// Asserts that a text is that of the file `fixtures/golden/NAME`; with the variable `UPDATE` set, writes
/// the file instead.
#[track_caller]
pub(crate) fn golden(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/golden")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, text).expect("the file can be written");
        return;
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(known, text, "{name} differs (UPDATE=1 rewrites it)");
}

/// As [`golden`], for what a run prints: times, sizes and the project's folder aside.
#[track_caller]
pub(crate) fn assert_looks(name: &str, project: &Project, text: &str) {
    let folder = project.folder();
    golden(
        name,
        &unmeasured(&text.replace(folder.to_str().expect("text"), "FOLDER")),
    );
}

/// The text with `#` for each time and size, and without the list of the slowest tests, whose order is
/// a matter of time.
fn unmeasured(text: &str) -> String {
    let mut lines = String::new();
    let mut slowest = false;
    for line in text.lines() {
        slowest = line.starts_with(" slowest ") || (slowest && line.starts_with("         "));
        if slowest {
            continue;
        }
        let mut rest = line;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(at);
            let digits = from
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(from.len());
            let (number, after) = from.split_at(digits);
            let unit = ["ms", "s", " B", " KiB", " MiB", " GiB"]
                .into_iter()
                .find(|unit| {
                    let next = after.strip_prefix(unit);
                    next.is_some_and(|next| !next.starts_with(char::is_alphanumeric))
                });
            match unit {
                Some(unit) if !before.ends_with(char::is_alphabetic) => {
                    lines += before.trim_end_matches('<').trim_end_matches("  ");
                    lines.push('#');
                    rest = &after[unit.len()..];
                }
                _ => {
                    lines += before;
                    lines += number;
                    rest = after;
                }
            }
        }
        lines += rest;
        lines.push('\n');
    }
    lines
}
