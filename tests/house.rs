//! The house rules, read from the source tree: layering, the islands of `unsafe`, one room for each
//! foreign crate, the size of files, the top-level entries.
//!
//! Each rule is a function from sources to complaints; a second test shows for each that it can complain.

mod code;
mod rules;

use std::fs;
use std::path::Path;

use code::Source;
use rules::{foreign_crates, layering, strangers, too_long, unfinished, unsafe_islands};

/// Every module of the library with its rank: it imports only modules of lower rank.
const RANKS: &[(&str, u8)] = &[
    ("cause", 0),
    ("digest", 0),
    ("disk", 0),
    ("units", 0),
    ("spec", 1),
    ("sandbox", 1),
    ("migrate", 1),
    ("package", 2),
    ("plan", 2),
    ("store", 2),
    ("engine", 2),
    ("event", 3),
    ("carry", 3),
    ("container", 3),
    ("loop_store", 3),
    ("builder", 4),
    ("capacity", 4),
    ("difference", 4),
    ("pool", 5),
    ("schedule", 6),
    ("report", 6),
    ("init", 7),
    ("project", 7),
    ("doctor", 7),
    ("attended", 7),
    ("front", 8),
    ("serve", 9),
    ("cargo", 8),
    ("lib", 7),
];

/// The parts of the program, which sees the library from outside.
const PROGRAM: &[&str] = &["main", "cli"];

/// The only files in which the word `unsafe` may stand.
const UNSAFE: &[&str] = &["sandbox/sys.rs", "engine/sqlite_mapped.rs"];

/// Where each dependency may be named, as paths below `src`: `plan` is `plan.rs` and all of `plan/`,
/// `engine/sqlite*` whatever starts so, and `*` everything.
const ROOMS: &[(&str, &[&str])] = &[
    ("anstream", &["report", "cli", "main.rs"]),
    ("anyhow", &["cli", "main.rs"]),
    ("clap", &["cli", "main.rs"]),
    ("clap_complete", &["cli", "main.rs"]),
    ("clap_mangen", &["cli", "main.rs"]),
    ("cowherd_macros", &["lib.rs"]),
    ("crc32fast", &["migrate/checksum.rs"]),
    ("diesel_2", &["front/fixture/diesel.rs", "lib.rs"]),
    ("futures", &["schedule", "front/asynchronous.rs"]),
    ("glob", &["plan"]),
    ("indicatif", &["report/progress.rs"]),
    ("memchr", &["cargo/binary.rs"]),
    ("libc", &["sandbox/sys.rs", "engine/sqlite_mapped.rs"]),
    (
        "nix",
        &[
            "attended.rs",
            "sandbox",
            "disk",
            "cargo",
            "container",
            "doctor",
            "loop_store",
            "pool",
            "schedule",
            "serve",
        ],
    ),
    ("postgres", &["engine", "front", "lib.rs"]),
    ("quick_junit", &["report/junit.rs"]),
    ("reflink_copy", &["disk"]),
    (
        "rusqlite",
        &[
            "engine/sqlite*",
            "store/history/database.rs",
            "front/fixture/sqlite.rs",
            "lib.rs",
        ],
    ),
    (
        "rustix",
        &[
            "disk/xattr.rs",
            "loop_store/device.rs",
            "pool/wire.rs",
            "report/progress.rs",
            "sandbox",
            "schedule/relatives.rs",
        ],
    ),
    ("saphyr_parser", &["spec/yaml.rs"]),
    ("serde", &["*"]),
    (
        "serde_json",
        &[
            "carry/image.rs",
            "store",
            "report/json.rs",
            "cli",
            "pool/wire.rs",
        ],
    ),
    ("sha2", &["digest.rs"]),
    ("siphasher", &["migrate/checksum.rs"]),
    ("sqlx_0_8", &["front/fixture/sqlx.rs", "lib.rs"]),
    ("sqlx_0_9", &["front/fixture/sqlx.rs", "lib.rs"]),
    ("strsim", &["spec/problem.rs"]),
    ("tar", &["carry/tape.rs"]),
    ("thiserror", &["*"]),
    ("tokio", &["schedule", "front/fixture", "front/testing"]),
    (
        "tokio_postgres",
        &["front/fixture/tokio_postgres.rs", "lib.rs"],
    ),
    ("toml", &["package.rs", "cargo/config.rs"]),
    ("tracing", &["*"]),
    ("tracing_subscriber", &["cli", "main.rs"]),
    ("zstd", &["carry/squeeze.rs"]),
];

/// What may stand beside `src`, besides `LICENSE…`, dot-files and the ignored `target`.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "src",
    "fixtures",
    "tests",
    "examples",
    "ci",
];

/// A file is split beyond this many lines, and ought to be thought about beyond the second number.
const LONGEST: usize = 500;
const LONG: usize = 350;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder of the project, but for the macro crate, whose layering is its own.
fn sources(folder: &str) -> Vec<Source> {
    fn visit(base: &Path, folder: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).expect("a folder of the project is readable") {
            let path = entry.expect("a folder of the project is readable").path();
            let name = path
                .strip_prefix(base)
                .expect("below the base")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                visit(base, &path, found);
            } else if path.extension().is_some_and(|e| e == "rs") && !name.starts_with("macros/") {
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                found.push(Source::new(&name, &text));
            }
        }
    }
    let base = root().join(folder);
    let mut found = Vec::new();
    visit(&base, &base, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[track_caller]
fn assert_none(rule: &str, complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{rule}\n  {}",
        complaints.join("\n  ")
    );
}

#[test]
fn a_module_imports_only_lower_ranks() {
    assert_none(
        "layering (RANKS in tests/house.rs)",
        &layering(&sources("src")),
    );
}

#[test]
fn an_import_of_an_equal_or_a_higher_rank_is_found() {
    let complaints = |path: &str, code: &str| layering(&[Source::new(path, code)]).len();
    assert_eq!(
        complaints(
            "plan.rs",
            "use crate::spec::Spec; use crate::{digest::Digest, units};"
        ),
        0
    );
    assert_eq!(
        complaints("plan.rs", "use crate::plan::Step; use super::spec::Spec;"),
        0
    );
    assert_eq!(
        complaints(
            "plan.rs",
            "use crate::{\n spec::{Spec, store},\n store::{self}, engine };"
        ),
        2
    );
    assert_eq!(complaints("plan.rs", "fn f() { super::pool::take() }"), 1);
    assert_eq!(complaints("engine/mod.rs", "use super::builder;"), 1);
    assert_eq!(
        complaints(
            "engine/sqlite.rs",
            "use super::Engine; use super::super::builder;"
        ),
        1
    );
    assert_eq!(
        complaints(
            "engine/sqlite.rs",
            "// crate::pool\nconst A: &str = \"crate::pool::x\";"
        ),
        0
    );
    assert_eq!(complaints("engine/sqlite.rs", "use crate::Herd;"), 1);
    assert_eq!(
        complaints("lib.rs", "pub use crate::pool::Pool; use crate::Herd;"),
        0
    );
    assert_eq!(
        complaints("cli/run.rs", "use crate::cli::exit; use cowherd::schedule;"),
        0
    );
    assert_eq!(complaints("cli/run.rs", "use crate::schedule;"), 1);
    assert_eq!(complaints("attic.rs", ""), 1);
}

#[test]
fn each_foreign_crate_has_its_room() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is readable");
    assert_none(
        "foreign crates (ROOMS in tests/house.rs)",
        &foreign_crates(&manifest, &sources("src")),
    );
}

#[test]
fn a_foreign_crate_outside_its_room_or_unused_or_unknown_is_found() {
    let all: String = ROOMS
        .iter()
        .map(|(name, _)| format!("{name} = \"1\"\n"))
        .collect();
    let manifest =
        format!("[package]\n\n[dependencies]\n{all}\n[dev-dependencies]\nother = \"1\"\n");
    let complaints = |manifest: &str, path: &str, code: &str| {
        let elsewhere = ["serde", "thiserror", "tracing"]
            .map(|name| format!("use {name}::X;"))
            .concat();
        foreign_crates(
            manifest,
            &[
                Source::new(path, code),
                Source::new("lib.rs", &(elsewhere + "use postgres; use rusqlite;")),
            ],
        )
    };
    assert_eq!(
        complaints(&manifest, "plan/files.rs", "use glob::Pattern;"),
        [""; 0]
    );
    assert_eq!(
        complaints(&manifest, "plan.rs", "use crate::glob::Pattern;").len(),
        1,
        "plan.rs stands without glob"
    );
    assert_eq!(
        complaints(&manifest, "planner.rs", "\nfn f() { glob::glob(\"*\") }").len(),
        1
    );
    assert_eq!(
        complaints(&manifest.replace("glob =", "globset ="), "units.rs", "").len(),
        2
    );
    assert_eq!(
        complaints(
            &manifest,
            "engine/sqlite_file.rs",
            "use rusqlite::Connection;"
        ),
        [""; 0]
    );
}

#[test]
fn unsafe_stands_on_its_islands_only() {
    assert_none(
        "unsafe (UNSAFE in tests/house.rs)",
        &unsafe_islands(&sources("src")),
    );
    assert_none("unsafe", &unsafe_islands(&sources("tests")));
}

#[test]
fn an_unsafe_block_elsewhere_is_found_but_not_the_word_in_a_text() {
    let complaints = |path: &str, code: &str| unsafe_islands(&[Source::new(path, code)]);
    assert_eq!(
        complaints("disk.rs", "fn f<'a>() {\n let c = '\"'; unsafe { g() } }").len(),
        1
    );
    assert_eq!(
        complaints(
            "disk.rs",
            "/* unsafe /* */ unsafe */ const A: &str = r#\"\" unsafe\"#; // unsafe"
        ),
        [""; 0]
    );
    assert_eq!(
        complaints(
            "disk.rs",
            "fn unsafe_less() { let c = '\\''; }\n// it's unsafe\n"
        ),
        [""; 0]
    );
    assert_eq!(complaints("sandbox/sys.rs", "unsafe { g() }"), [""; 0]);
}

#[test]
fn nothing_is_left_unfinished_or_ignored() {
    assert_none("unfinished", &unfinished(&sources("src")));
    assert_none("unfinished", &unfinished(&sources("tests")));
    let found = unfinished(&[Source::new(
        "plan.rs",
        "#[ignore]\nfn f() { todo!() }\nfn ignore() {}",
    )]);
    assert_eq!(found.len(), 2);
}

#[test]
fn no_file_is_too_long() {
    assert_none("files of src", &too_long(&sources("src")));
    assert_none("files of tests", &too_long(&sources("tests")));
    assert_eq!(
        too_long(&[Source::new("plan.rs", &"\n".repeat(LONGEST + 1))]).len(),
        1
    );
    assert_eq!(
        too_long(&[Source::new("plan.rs", &"\n".repeat(LONGEST))]).len(),
        0
    );
}

#[test]
fn the_top_level_is_fixed() {
    let entries = fs::read_dir(root()).expect("the project's folder is readable");
    let names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("the project's folder is readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_none(
        "top level (TOP_LEVEL in tests/house.rs)",
        &strangers(&names.iter().map(String::as_str).collect::<Vec<_>>()),
    );
    assert_eq!(strangers(&["src", "LICENSE-MIT", ".ci", "docs"]).len(), 1);
}
