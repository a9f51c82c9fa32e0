//! Output that is compared with a file.

use std::fs;
use std::path::Path;

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
