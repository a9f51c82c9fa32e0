//! Which format the console gets, and whether it may have colours.
//!
//! `indicatif` looks at neither `CI` nor `NO_COLOR`; the decision is made here, from values alone.

use std::ffi::OsString;
use std::io;

use super::{Plain, Progress, Report};

/// When something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// When the terminal and the environment speak for it.
    #[default]
    Auto,
    /// Whenever it is possible.
    Always,
    /// Not at all.
    Never,
}

/// What the user asked of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Console {
    /// Colours.
    pub color: When,
    /// The live display.
    pub progress: When,
}

/// The report on standard error: [`Progress`] or [`Plain`].
///
/// The live display needs a terminal. `auto` also wants `CI` unset (or empty, or `false`) and a `TERM`
/// that is neither unset nor `dumb`.
///
/// Colours by `auto`: no when [`NO_COLOR`](https://no-color.org) is set and not empty; else yes when
/// [`CLICOLOR_FORCE`](https://bixense.com/clicolors/) is set and neither empty nor `0`; else when
/// standard error is a terminal whose `TERM` is neither unset nor `dumb`.
///
/// ```no_run
/// use cowherd::report::{Console, console};
/// use std::io::IsTerminal;
///
/// let report = console(Console::default(), std::io::stderr().is_terminal(), |name| std::env::var_os(name));
/// ```
pub fn console(
    choice: Console,
    stderr_is_terminal: bool,
    variables: impl Fn(&str) -> Option<OsString>,
) -> Box<dyn Report> {
    let Console { color, progress } = choice;
    let colours = choice_of_colours(color, stderr_is_terminal, &variables);
    let live = match progress {
        When::Always => stderr_is_terminal,
        When::Never => false,
        When::Auto => {
            let ci = variables("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
            stderr_is_terminal && !ci && can_move_cursor(&variables)
        }
    };
    if live {
        Box::new(Progress::new(colours))
    } else {
        Box::new(Plain::new(Box::new(io::stderr()), colours))
    }
}

fn choice_of_colours(
    color: When,
    is_terminal: bool,
    variables: &impl Fn(&str) -> Option<OsString>,
) -> bool {
    match color {
        When::Always => true,
        When::Never => false,
        When::Auto if variables("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
        When::Auto
            if variables("CLICOLOR_FORCE")
                .is_some_and(|value| !value.is_empty() && value != "0") =>
        {
            true
        }
        When::Auto => is_terminal && can_move_cursor(variables),
    }
}

fn can_move_cursor(variables: &impl Fn(&str) -> Option<OsString>) -> bool {
    variables("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}
