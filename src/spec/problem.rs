//! What is wrong with a spec: problems with their places, and how they are printed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Position;
use super::source::Source;
use crate::units::format_size;

/// How many problems of one file are printed.
const SHOWN: usize = 100;

/// How many characters of a long line are shown on each side of its marked place.
const AROUND: usize = 60;

/// Why there is no spec.
#[derive(Debug, Error)]
pub enum SpecError {
    /// No folder on the way up has the file.
    #[error("can't find cowherd.yaml in {} or a folder above it", start.display())]
    NotFound {
        /// Where the search began.
        start: PathBuf,
    },
    /// The file can't be read.
    #[error("can't read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is too large to be a spec.
    #[error(
        "can't read {}: it has {}, and a spec has at most {}",
        file.display(), format_size(*size), format_size(*limit)
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The file was read, and is wrong.
    #[error("{0}")]
    Wrong(Problems),
}

impl SpecError {
    /// What to do next, where the message doesn't say it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => Some(
                "write one with `cowherd init`, or name it with `-f FILE` if it is elsewhere"
                    .into(),
            ),
            Self::TooLarge { .. } => Some(
                "name the right file with `-f FILE`; data belongs in files that the steps name"
                    .into(),
            ),
            Self::Unreadable { .. } | Self::Wrong(_) => None,
        }
    }

    /// The problems with their positions; empty unless the file was read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Wrong(problems) => &problems.shown,
            _ => &[],
        }
    }
}

/// One thing that is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub position: Position,
    /// What is wrong, and what would be right.
    pub message: String,
    excerpt: Excerpt,
}

/// Everything that is wrong with one file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    shown: Vec<Problem>,
    more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.shown.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let Position { line, column } = problem.position;
            let file = self.file.display();
            writeln!(f, "{file}:{line}:{column}: {}", problem.message)?;
            problem.excerpt.write(f, line)?;
        }
        match self.more {
            0 => Ok(()),
            1 => write!(f, "\nand 1 more problem"),
            more => write!(f, "\nand {more} more problems"),
        }
    }
}

/// The part of a line that is shown, and what of it is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: String,
    before: usize,
    marked: usize,
}

impl Excerpt {
    /// Cuts the excerpt out of a line of any length.
    fn new(line: &str, place: Place) -> Self {
        let column = place.position.column - 1;
        let skipped = column.saturating_sub(AROUND);
        let mut rest = line.chars().skip(skipped);
        let mut text = String::new();
        if skipped > 0 {
            text.push('…');
        }
        let before = column - skipped + usize::from(skipped > 0);
        let room = column - skipped + AROUND;
        // What a terminal would act on is shown as what it is: not printable.
        let shown = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        text.extend(rest.by_ref().take(room).map(shown));
        let text_end = text.chars().count();
        if rest.next().is_some() {
            text.push('…');
        }
        let marked = place
            .length
            .clamp(1, text_end.saturating_sub(before).max(1));
        Self {
            text,
            before,
            marked,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
        let gutter = number.to_string().len();
        writeln!(f, " {number} | {}", self.text.trim_end())?;
        // A tab stays a tab: only then the marker stands under its place.
        let padding: String = self
            .text
            .chars()
            .chain(std::iter::repeat(' '))
            .take(self.before)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, " {:gutter$} | {padding}{}", "", "^".repeat(self.marked))
    }
}

/// The line of `file` at a position with a mark under it, as problems show it. The file is read again: nothing
/// comes of one that has changed meanwhile and has no such line, or can't be read.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("cowherd.yaml");
/// # std::fs::write(&file, "version: 1\n").unwrap();
/// use cowherd::spec::{Position, excerpt};
/// let shown = excerpt(&file, Position { line: 1, column: 10 });
/// assert_eq!(shown.unwrap(), " 1 | version: 1\n   |          ^");
/// ```
pub fn excerpt(file: &Path, position: Position) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().nth(position.line.checked_sub(1)?)?;
    let place = Place {
        position,
        length: 1,
    };
    let excerpt = Excerpt::new(line, (position.column > 0).then_some(place)?);
    Some(Numbered(&excerpt, position.line).to_string())
}

/// An excerpt with the number of its line.
struct Numbered<'a>(&'a Excerpt, usize);

impl fmt::Display for Numbered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, self.1)
    }
}

/// A piece of one line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Where it begins.
    pub(super) position: Position,
    /// How many characters it has; a mark under it has at least one.
    pub(super) length: usize,
}

/// Collects what is wrong while a file is read.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(Place, String)>);

impl Faults {
    pub(super) fn add(&mut self, place: Place, message: impl Into<String>) {
        self.0.push((place, message.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are more than will ever be shown: exact places are no longer worth their time.
    pub(super) fn are_many(&self) -> bool {
        self.0.len() > 10 * SHOWN
    }

    /// The problems in the order of the file, each once: what an alias repeats is one problem.
    pub(super) fn into_error(self, file: &Path, source: &Source) -> SpecError {
        let mut faults = self.0;
        faults.sort_by_key(|(place, _)| place.position);
        let mut seen = std::collections::HashSet::new();
        faults.retain(|(place, message)| seen.insert((place.position, message.clone())));
        let more = faults.len().saturating_sub(SHOWN);
        faults.truncate(SHOWN);
        let shown = faults
            .into_iter()
            .map(|(mut place, message)| {
                place.position = source.clamp(place.position);
                Problem {
                    position: place.position,
                    message,
                    excerpt: Excerpt::new(source.line(place.position.line), place),
                }
            })
            .collect();
        SpecError::Wrong(Problems {
            file: file.to_owned(),
            shown,
            more,
        })
    }
}

/// `text` in backquotes, cut when long, on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(50)
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if text.chars().nth(50).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.chars().take(100).collect::<String>().to_lowercase();
    let near = (lower.chars().count() / 3).max(1);
    // Of thousands of names most are generated: comparing all with all would take minutes.
    known
        .into_iter()
        .take(500)
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&lower, &known.to_lowercase());
            (distance, known)
        })
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Says that a word is none of the known ones, with the one that was probably meant, else with all.
pub(super) fn unknown<'a>(
    what: &str,
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let advice = match (nearest(word, known.iter().copied()), known.as_slice()) {
        (None, []) => String::new(),
        (None, known) => format!("; known: {}", list(known.iter().copied())),
        (Some(near), _) => format!("; did you mean {}?", quoted(near)),
    };
    format!("unknown {what} {}{advice}", quoted(word))
}

/// The words in backquotes with commas between them; of many only the first.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words = words.into_iter();
    let mut shown: Vec<String> = words.by_ref().take(20).map(quoted).collect();
    if words.next().is_some() {
        shown.push("…".into());
    }
    shown.join(", ")
}
