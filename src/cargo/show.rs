//! Results as libtest shows them (library/test/src/formatters).

use std::io::{self, Write};
use std::time::Duration;

use super::binary::Listed;
use super::options::{Format, Options};

/// Shows the results of one binary, and counts them.
pub(super) struct Show<'w> {
    out: &'w mut dyn Write,
    format: Format,
    color: bool,
    successes: bool,
    total: usize,
    shown: usize,
    /// How many characters stand in the line of a terse report.
    column: usize,
    passed: Vec<(String, Vec<u8>)>,
    failed: Vec<(String, Vec<u8>)>,
    ignored: usize,
}

/// How many characters a line of a terse report has.
const TERSE_COLUMNS: usize = 88;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";

/// One test's result.
pub(super) struct Result<'r> {
    pub(super) name: &'r str,
    /// What stands behind the name.
    pub(super) mode: Option<&'r str>,
    pub(super) passed: bool,
    /// The word of libtest, if it came to one.
    pub(super) word: Option<&'r str>,
    pub(super) output: Vec<u8>,
}

impl<'w> Show<'w> {
    /// Nothing is shown yet.
    pub(super) fn new(out: &'w mut dyn Write, options: &Options, color: bool) -> Self {
        Self {
            out,
            format: options.format,
            color,
            successes: options.show_output,
            total: 0,
            shown: 0,
            column: 0,
            passed: Vec::new(),
            failed: Vec::new(),
            ignored: 0,
        }
    }

    pub(super) fn begin(&mut self, total: usize) -> io::Result<()> {
        self.total = total;
        let tests = if total == 1 { "test" } else { "tests" };
        write!(self.out, "\nrunning {total} {tests}\n")?;
        self.out.flush()
    }

    /// What a test prints past libtest's capture; with one test at a time its name is among it.
    pub(super) fn printed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }

    /// Shows one result; `named` when its name is shown already.
    pub(super) fn result(&mut self, result: Result<'_>, named: bool) -> io::Result<()> {
        let Result {
            name,
            mode,
            passed,
            word,
            output,
        } = result;
        match (self.format, passed) {
            (Format::Pretty, _) => {
                if !named {
                    self.name(name, mode)?;
                }
                let (color, plain) = if passed {
                    (GREEN, "ok")
                } else {
                    (RED, "FAILED")
                };
                self.colored(color, word.unwrap_or(plain))?;
                self.out.write_all(b"\n")?;
                self.shown += 1;
            }
            (Format::Terse, true) => self.character(GREEN, ".")?,
            (Format::Terse, false) => {
                if self.column > 0 {
                    self.progress()?;
                }
                self.shown += 1;
                write!(self.out, "{name} --- ")?;
                self.colored(RED, "FAILED")?;
                self.out.write_all(b"\n")?;
            }
        }
        self.out.flush()?;
        let kept = if passed {
            &mut self.passed
        } else {
            &mut self.failed
        };
        let output = if passed && !self.successes {
            Vec::new()
        } else {
            output
        };
        kept.push((name.to_owned(), output));
        Ok(())
    }

    /// Shows that a test is not run.
    pub(super) fn ignored(&mut self, test: &Listed) -> io::Result<()> {
        self.ignored += 1;
        match self.format {
            Format::Pretty => {
                self.name(&test.name, test.mode.as_deref())?;
                self.colored(YELLOW, test.ignored.as_deref().unwrap_or("ignored"))?;
                self.out.write_all(b"\n")?;
                self.shown += 1;
            }
            Format::Terse => self.character(YELLOW, "i")?,
        }
        self.out.flush()
    }

    pub(super) fn runs_long(&mut self, name: &str, than: Duration) -> io::Result<()> {
        let seconds = than.as_secs();
        writeln!(
            self.out,
            "test {name} has been running for over {seconds} seconds"
        )?;
        self.out.flush()
    }

    /// Shows what the failed ones printed, and the result of all; whether it is a good one.
    pub(super) fn end(mut self, filtered: usize, took: Duration) -> io::Result<bool> {
        if self.successes {
            let passed = std::mem::take(&mut self.passed);
            self.outputs("successes", &passed)?;
            self.passed = passed;
        }
        let failed = std::mem::take(&mut self.failed);
        if !failed.is_empty() {
            self.outputs("failures", &failed)?;
        }
        write!(self.out, "\ntest result: ")?;
        match failed.is_empty() {
            true => self.colored(GREEN, "ok")?,
            false => self.colored(RED, "FAILED")?,
        }
        write!(
            self.out,
            ". {} passed; {} failed; {} ignored; 0 measured; {filtered} filtered out; finished in {:.2}s\n\n",
            self.passed.len(),
            failed.len(),
            self.ignored,
            took.as_secs_f64(),
        )?;
        self.out.flush()?;
        Ok(failed.is_empty())
    }

    fn outputs(&mut self, what: &str, tests: &[(String, Vec<u8>)]) -> io::Result<()> {
        write!(self.out, "\n{what}:\n")?;
        let mut first = true;
        for (name, output) in tests.iter().filter(|(_, output)| !output.is_empty()) {
            if std::mem::take(&mut first) {
                self.out.write_all(b"\n")?;
            }
            writeln!(self.out, "---- {name} stdout ----")?;
            self.out.write_all(output)?;
            self.out.write_all(b"\n")?;
        }
        write!(self.out, "\n{what}:\n")?;
        let mut names: Vec<&str> = tests.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        for name in names {
            writeln!(self.out, "    {name}")?;
        }
        Ok(())
    }

    fn name(&mut self, name: &str, mode: Option<&str>) -> io::Result<()> {
        match mode {
            Some(mode) => write!(self.out, "test {name} - {mode} ... "),
            None => write!(self.out, "test {name} ... "),
        }
    }

    fn character(&mut self, color: &str, character: &str) -> io::Result<()> {
        self.colored(color, character)?;
        self.shown += 1;
        self.column += 1;
        if self.column == TERSE_COLUMNS {
            self.progress()?;
        }
        Ok(())
    }

    fn progress(&mut self) -> io::Result<()> {
        self.column = 0;
        writeln!(self.out, " {}/{}", self.shown, self.total)
    }

    fn colored(&mut self, color: &str, text: &str) -> io::Result<()> {
        match self.color {
            true => write!(self.out, "{color}{text}\x1b[m"),
            false => write!(self.out, "{text}"),
        }
    }
}
