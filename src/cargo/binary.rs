//! What kind of program Cargo hands to a runner, and which tests it has.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program that Cargo built, as a runner is called with it.
#[derive(Debug, Clone)]
pub struct Binary {
    /// The words that execute it: a runner of the user's own with its arguments, if there is one, and the program.
    pub words: Vec<OsString>,
}

/// What kind of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A test binary with libtest's `main`.
    Libtest,
    /// Doc tests that rustdoc has put into one program. Its `main` is libtest's too, but reads no arguments.
    MergedDoctests,
    /// Anything else: a test with `harness = false`, one doc test, a program for `cargo run`.
    Other,
}

/// A test as its binary lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The full name.
    pub name: String,
    /// What libtest says of it instead of running it (`ignored`, `ignored, too slow`), where it is marked so.
    pub ignored: Option<String>,
    /// What stands behind the name of an ignored one: `should panic`.
    pub mode: Option<String>,
}

/// What is wrong with a binary.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BinaryError {
    /// It can't be read.
    #[error("can't read {}", file.display())]
    Unreadable {
        /// The program.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It can't be executed.
    #[error("can't execute {}", file.display())]
    NotExecuted {
        /// The program.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It doesn't list its tests.
    #[error("can't list the tests of {}: {ended}\n{printed}", file.display())]
    NoList {
        /// The program.
        file: PathBuf,
        /// How it ended.
        ended: String,
        /// What it printed to standard error.
        printed: String,
    },
}

/// A text of libtest's that no other program has a use for (library/test/src/time.rs).
const LIBTEST: &[u8] = b"RUST_TEST_TIME_DOCTEST";
/// The variable by which rustdoc tells a program of merged doc tests where it is itself
/// (src/librustdoc/doctest/runner.rs).
pub(super) const MERGED: &str = "RUSTDOC_DOCTEST_BIN_PATH";

impl Binary {
    /// The program's file.
    pub fn file(&self) -> &Path {
        self.words.last().map_or(Path::new(""), Path::new)
    }

    /// Looks into the file, which is not executed: a test without libtest may do anything, whatever its arguments.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn kind(&self) -> Result<Kind, BinaryError> {
        let unreadable = |source| BinaryError::Unreadable {
            file: self.file().to_owned(),
            source,
        };
        let mut file = File::open(self.file()).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        let has = |text: &[u8]| memchr::memmem::find(&bytes, text).is_some();
        Ok(match has(LIBTEST) {
            true if has(MERGED.as_bytes()) => Kind::MergedDoctests,
            true => Kind::Libtest,
            false => Kind::Other,
        })
    }

    /// Lists all tests, in libtest's order.
    ///
    /// # Errors
    /// When the binary doesn't do so.
    pub fn list(&self) -> Result<Vec<Listed>, BinaryError> {
        let all = names(&self.say(&["--list", "--format", "terse"])?);
        let ignored = names(&self.say(&["--list", "--format", "terse", "--ignored"])?);
        let mut ignored = ignored.into_iter().peekable();
        let listed = all.into_iter().map(|name| {
            let marked = ignored.next_if(|next| *next == name).is_some();
            Listed {
                name,
                ignored: marked.then(|| "ignored".to_owned()),
                mode: None,
            }
        });
        Ok(listed.collect())
    }

    /// Adds to the ignored ones among `tests` why they are.
    ///
    /// # Errors
    /// As [`Binary::list`].
    pub fn explain(&self, tests: &mut [Listed]) -> Result<(), BinaryError> {
        let mut ignored: Vec<&mut Listed> = tests
            .iter_mut()
            .filter(|test| test.ignored.is_some())
            .collect();
        // Names are long, and all arguments of a program have to fit into a few megabytes (execve(2)).
        for some in ignored.chunks_mut(1000) {
            let mut args = vec!["--exact", "--format", "pretty", "--test-threads", "1"];
            args.extend(some.iter().map(|test| test.name.as_str()));
            // Nothing is run: libtest names those that are marked, and no others are asked for.
            let text = self.say(&args)?;
            let mut lines = text.lines();
            for test in some {
                let start = format!("test {}", test.name);
                let Some(rest) = lines.find_map(|line| line.strip_prefix(&start)) else {
                    // A reason of several lines may hide the next one: the word is enough then.
                    return Ok(());
                };
                if let Some((mode, word)) = rest.split_once(" ... ")
                    && word.starts_with("ignored")
                {
                    test.mode = mode.strip_prefix(" - ").map(str::to_owned);
                    test.ignored = Some(word.to_owned());
                }
            }
        }
        Ok(())
    }

    /// What the binary prints when it is called with `args`.
    fn say(&self, args: &[&str]) -> Result<String, BinaryError> {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).args(args);
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .output()
            .map_err(|source| BinaryError::NotExecuted {
                file: self.file().to_owned(),
                source,
            })?;
        match status.success() {
            true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
            false => Err(BinaryError::NoList {
                file: self.file().to_owned(),
                ended: status.to_string(),
                printed: String::from_utf8_lossy(&stderr).trim_end().to_owned(),
            }),
        }
    }
}

/// The names in a list of libtest's: `NAME: test` or `NAME: benchmark` on each line.
fn names(list: &str) -> Vec<String> {
    let name = |line: &str| {
        let (name, kind) = line.rsplit_once(": ")?;
        ["test", "benchmark"]
            .contains(&kind)
            .then(|| name.to_owned())
    };
    list.lines().filter_map(name).collect()
}
