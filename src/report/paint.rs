//! Colours, and how wide a text is on a terminal.

use std::fmt::Write as _;

/// What a piece of text means; the colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Warning,
}

impl Ink {
    /// The parameters of "Select Graphic Rendition" (ECMA-48, 8.3.117).
    fn parameters(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "1;32",
            Self::Bad => "1;31",
            Self::Warning => "1;33",
        }
    }
}

/// Ends whatever colour is on.
pub(super) const RESET: &str = "\x1b[0m";

/// Whether colours may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    pub(super) colours: bool,
}

impl Paint {
    /// The text in the colour of its meaning.
    pub(super) fn text(self, ink: Ink, text: &str) -> String {
        let parameters = ink.parameters();
        if self.colours && !parameters.is_empty() && !text.is_empty() {
            format!("\x1b[{parameters}m{text}{RESET}")
        } else {
            text.to_owned()
        }
    }
}

/// A line made of coloured pieces, which can be cut to a width before it is painted.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pieces: Vec<(Ink, String)>,
}

impl Line {
    /// Adds a piece at the end.
    pub(super) fn add(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.pieces.push((ink, text.into()));
        self
    }

    /// The line in at most `width` columns; what does not fit is replaced by `…`.
    pub(super) fn render(&self, paint: Paint, width: usize) -> String {
        let whole: usize = self.pieces.iter().map(|(_, text)| columns(text)).sum();
        let mut room = if whole > width {
            width.saturating_sub(1)
        } else {
            width
        };
        let mut line = String::new();
        for (ink, text) in &self.pieces {
            let mut end = 0;
            for (at, c) in text.char_indices() {
                let wide = columns_of(c);
                if wide > room {
                    let _ = write!(line, "{}…", paint.text(*ink, &text[..at]));
                    return line;
                }
                room -= wide;
                end = at + c.len_utf8();
            }
            line.push_str(&paint.text(*ink, &text[..end]));
        }
        line
    }
}

/// How many columns a text without control characters takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Two for the blocks that are wide in Unicode's `EastAsianWidth`, one for the rest. Combining
/// characters count one too: a line may come out short, never too long.
fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f000..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
