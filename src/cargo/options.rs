//! What is asked of a test binary: the command line of libtest, as far as it can be done test by test.

use std::collections::VecDeque;

/// What the arguments of a test binary ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Something that the binary says by itself, without running a test: `--list`, `--help`.
    Words,
    /// Something that only the binary as a whole can do: benchmarks, or what isn't known here, which is named.
    Whole(String),
    /// Tests to be run.
    Tests(Options),
}

/// Options of libtest (`BINARY --help`); unstable ones aren't among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Names, or parts of names, of the tests that are meant; all when empty.
    pub filters: Vec<String>,
    /// The same of those that are not.
    pub skip: Vec<String>,
    /// Whether both are whole names.
    pub exact: bool,
    /// What becomes of tests marked `#[ignore]`.
    pub ignored: Ignored,
    /// Whether what tests print is shown as it comes.
    pub nocapture: bool,
    /// Whether what successful tests print is shown at the end.
    pub show_output: bool,
    /// How many tests at once.
    pub threads: Option<usize>,
    /// How results are shown.
    pub format: Format,
    /// Whether in colour.
    pub color: Color,
}

/// What becomes of tests marked `#[ignore]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ignored {
    /// They are named and not run.
    #[default]
    Named,
    /// They are run like the others.
    Included,
    /// They alone are run.
    Only,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for each test.
    #[default]
    Pretty,
    /// A character for each test.
    Terse,
}

/// Whether results are shown in colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, when nothing else is printed there.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Asked {
    /// Reads the arguments of a test binary, without its name; `variable` looks a variable of the environment up.
    ///
    /// What isn't known here may mean anything, so it asks for the binary as a whole.
    ///
    /// ```
    /// use cowherd::cargo::{Asked, Options};
    ///
    /// let read = |args: &[&str]| Asked::read(args.iter().copied(), |_| None);
    /// let Asked::Tests(options) = read(&["orders::", "--test-threads=2"]) else { unreachable!() };
    /// assert_eq!((options.filters, options.threads), (vec!["orders::".to_owned()], Some(2)));
    /// assert_eq!(read(&["--list", "--format", "terse"]), Asked::Words);
    /// assert!(matches!(read(&["--bench"]), Asked::Whole(_)));
    /// ```
    pub fn read<'a>(
        args: impl IntoIterator<Item = &'a str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let mut options = Options {
            nocapture: variable("RUST_TEST_NOCAPTURE").is_some_and(|value| value != "0"),
            threads: variable("RUST_TEST_THREADS").and_then(|value| value.parse().ok()),
            ..Options::default()
        };
        match options.take_in(args.into_iter().collect()) {
            Ok(true) => Self::Words,
            Ok(false) => Self::Tests(options),
            Err(argument) => Self::Whole(argument),
        }
    }
}

impl Options {
    /// Whether only words are asked for; an error is what isn't understood.
    fn take_in(&mut self, mut args: VecDeque<&str>) -> Result<bool, String> {
        let mut words = false;
        let (mut include, mut only, mut quiet) = (false, false, false);
        let mut format = None;
        while let Some(arg) = args.pop_front() {
            let (name, joined) = match arg.split_once('=') {
                Some((name, value)) if arg.starts_with("--") => (name, Some(value)),
                _ => (arg, None),
            };
            let unknown = || format!("`{arg}`");
            let mut value = || joined.or_else(|| args.pop_front()).ok_or_else(unknown);
            match name {
                "--test-threads" => {
                    let threads = value()?.parse().ok().filter(|threads| *threads > 0);
                    self.threads = Some(threads.ok_or_else(unknown)?);
                }
                "--skip" => self.skip.push(value()?.to_owned()),
                "--format" => {
                    format = Some(match value()? {
                        "pretty" => Format::Pretty,
                        "terse" => Format::Terse,
                        other => return Err(format!("`--format {other}`")),
                    });
                }
                "--color" => {
                    self.color = match value()? {
                        "auto" => Color::Auto,
                        "always" => Color::Always,
                        "never" => Color::Never,
                        other => return Err(format!("`--color {other}`")),
                    }
                }
                _ if joined.is_some() => return Err(unknown()),
                "--list" | "--help" | "-h" => words = true,
                // They are measured one after the other.
                "--bench" => return Err(String::new()),
                // Nothing else is run without `--bench`.
                "--test" => {}
                "--include-ignored" => include = true,
                "--ignored" => only = true,
                "--exact" => self.exact = true,
                "--nocapture" | "--no-capture" => self.nocapture = true,
                "--show-output" => self.show_output = true,
                "--quiet" | "-q" => quiet = true,
                "--" => {
                    self.filters.extend(args.drain(..).map(str::to_owned));
                }
                filter if filter.len() < 2 || !filter.starts_with('-') => {
                    self.filters.push(filter.to_owned());
                }
                _ => return Err(unknown()),
            }
        }
        self.ignored = match (include, only) {
            (false, false) => Ignored::Named,
            (true, false) => Ignored::Included,
            (false, true) => Ignored::Only,
            (true, true) => return Err("`--ignored --include-ignored`".to_owned()),
        };
        self.format = match (format, quiet) {
            (Some(format), _) => format,
            (None, true) => Format::Terse,
            (None, false) => Format::Pretty,
        };
        Ok(words)
    }

    /// Whether a test of this name is meant, leaving aside whether it is marked `#[ignore]`.
    pub fn means(&self, name: &str) -> bool {
        let fits = |pattern: &String| match self.exact {
            true => name == pattern,
            false => name.contains(pattern.as_str()),
        };
        (self.filters.is_empty() || self.filters.iter().any(fits)) && !self.skip.iter().any(fits)
    }
}
