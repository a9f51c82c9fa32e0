//! The text of a spec, line by line.

use super::Position;
use super::problem::Place;

/// A text whose lines end as YAML has it: `\n`, `\r\n` or `\r`
/// ([YAML 1.2.2, 5.4](https://yaml.org/spec/1.2.2/#54-line-break-characters)).
#[derive(Debug)]
pub(super) struct Source {
    text: String,
    /// The byte where each line begins.
    starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(text: String) -> Self {
        let mut starts = vec![0];
        let bytes = text.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let ends = match byte {
                b'\n' => true,
                b'\r' => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            // What follows the last line end is a line only if something stands there.
            if ends && at + 1 < bytes.len() {
                starts.push(at + 1);
            }
        }
        Self { text, starts }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The line with this number, counted from 1, without its end; empty for a line that isn't there.
    pub(super) fn line(&self, number: usize) -> &str {
        let Some(&start) = number.checked_sub(1).and_then(|at| self.starts.get(at)) else {
            return "";
        };
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// The nearest position that is in the file: on a line, at most just behind its last character.
    pub(super) fn clamp(&self, position: Position) -> Position {
        let last = self.starts.len();
        if position.line > last {
            return Position {
                line: last,
                column: self.line(last).chars().count() + 1,
            };
        }
        let line = position.line.max(1);
        let width = self.line(line).chars().count();
        Position {
            line,
            column: position.column.clamp(1, width + 1),
        }
    }

    /// The position of a byte.
    pub(super) fn position(&self, byte: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts[line - 1];
        let column = self.text[start..]
            .char_indices()
            .take_while(|(at, _)| start + at < byte)
            .count();
        Position {
            line,
            column: column + 1,
        }
    }

    /// Where `words` stands for the `nth` time (from 0) in the `lines` lines from `place` on.
    pub(super) fn find(
        &self,
        place: Place,
        lines: usize,
        words: &str,
        nth: usize,
    ) -> Option<Place> {
        let line = self.line(place.position.line);
        let skipped = line.char_indices().nth(place.position.column - 1)?.0;
        let start = self.starts.get(place.position.line - 1)? + skipped;
        let end = self.starts.get(place.position.line - 1 + lines.max(1));
        let end = end.copied().unwrap_or(self.text.len());
        let (at, _) = self.text.get(start..end)?.match_indices(words).nth(nth)?;
        Some(Place {
            position: self.position(start + at),
            length: words.chars().count(),
        })
    }
}
