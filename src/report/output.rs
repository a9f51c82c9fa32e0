//! What a test printed, made fit to be shown: bounded, decoded, and unable to do anything to a terminal.
//!
//! A test may print a gigabyte, bytes that are no UTF-8, and escape sequences that clear the screen or
//! change its title. Every format takes the output through [`show`].

use std::fmt::Write as _;

use super::paint::RESET;
use crate::event::Output;

/// How much of an output is shown: this many bytes of its head and of its tail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) head: usize,
    pub(super) tail: usize,
}

impl Limit {
    /// What a person reads.
    pub(super) const TERMINAL: Self = Self {
        head: 16 << 10,
        tail: 64 << 10,
    };

    /// What goes in a report file: 1 MiB.
    pub(super) const FILE: Self = Self::of(1 << 20);

    /// A quarter of `bytes` for the head, the rest for the tail, where a failure usually shows.
    pub(super) const fn of(bytes: usize) -> Self {
        Self {
            head: bytes / 4,
            tail: bytes - bytes / 4,
        }
    }
}

/// What becomes of control characters other than newline and tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controls {
    /// They are made visible (`␛`), but colour escapes stay and are reset at the end.
    Coloured,
    /// They are made visible, colour escapes are dropped.
    Visible,
    /// They stay: the format escapes them itself.
    Kept,
}

/// An output, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// The text, with a line `… N bytes left out …` where it was cut.
    pub(super) text: String,
    /// How many bytes the test printed.
    pub(super) bytes: u64,
    /// How many of them are not in the text.
    pub(super) left_out: u64,
}

/// Reads at most what `limit` allows. An output that can't be read is words in place of the text:
/// the test's verdict must come through all the same.
pub(super) fn show(output: &Output, limit: Limit, controls: Controls) -> Shown {
    read(output, limit, controls).unwrap_or_else(|e| Shown {
        text: format!("(can't read what the test printed: {e})"),
        bytes: 0,
        left_out: 0,
    })
}

fn read(output: &Output, limit: Limit, controls: Controls) -> std::io::Result<Shown> {
    let bytes = output.len()?;
    let room = (limit.head + limit.tail) as u64;
    if bytes <= room {
        let all = read_range(output, 0, usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let text = clean(&String::from_utf8_lossy(&all), controls);
        return Ok(Shown {
            text,
            bytes,
            left_out: 0,
        });
    }
    let mut head = read_range(output, 0, limit.head)?;
    head.truncate(whole_characters(&head));
    let tail = read_range(output, bytes - limit.tail as u64, limit.tail)?;
    let tail = &tail[continuation_bytes(&tail)..];
    let left_out = bytes - (head.len() + tail.len()) as u64;
    let mut text = clean(&String::from_utf8_lossy(&head), controls);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let _ = writeln!(text, "… {left_out} bytes left out …");
    text.push_str(&clean(&String::from_utf8_lossy(tail), controls));
    Ok(Shown {
        text,
        bytes,
        left_out,
    })
}

fn read_range(output: &Output, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let filled = output.read_at(&mut buffer, offset)?;
    buffer.truncate(filled);
    Ok(buffer)
}

/// The length of `bytes` without a character that the cut left incomplete at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needed = match bytes[at] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => 1,
        };
        return if needed > back { at } else { bytes.len() };
    }
    bytes.len()
}

/// How many bytes at the start belong to a character that begins before them.
fn continuation_bytes(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(3)
        .take_while(|b| matches!(b, 0x80..=0xbf))
        .count()
}

/// A text of several lines with its control characters treated.
pub(super) fn clean(text: &str, controls: Controls) -> String {
    if controls == Controls::Kept {
        return text.to_owned();
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut painted = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\x1b'
            && let Some(length) = colour_escape(rest)
        {
            if controls == Controls::Coloured {
                cleaned.push_str(&rest[..length]);
                painted = !matches!(&rest[..length], "\x1b[m" | RESET);
            }
            rest = &rest[length..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' | '\t' => cleaned.push(c),
            '\r' if rest.starts_with('\n') => {}
            _ => push_visible(&mut cleaned, c),
        }
    }
    if painted {
        cleaned.push_str(RESET);
    }
    cleaned
}

/// A text that stands within one line, such as a test's name: newlines and tabs are visible too.
pub(super) fn word(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut visible, c);
    }
    visible
}

/// The length of the "Select Graphic Rendition" escape (ECMA-48, 8.3.117) that `text` begins with.
fn colour_escape(text: &str) -> Option<usize> {
    const LONGEST: usize = 64;
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters
        .bytes()
        .take(LONGEST)
        .position(|b| !matches!(b, b'0'..=b'9' | b';' | b':'))?;
    (parameters.as_bytes()[end] == b'm').then_some(2 + end + 1)
}

/// C0 controls and delete as their control pictures (`U+2400` block); C1 controls, which some
/// terminals obey, as `<U+009B>`.
fn push_visible(text: &mut String, c: char) {
    let code = u32::from(c);
    match code {
        0x00..=0x1f => text.push(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')),
        0x7f => text.push('\u{2421}'),
        0x80..=0x9f => {
            let _ = write!(text, "<U+{code:04X}>");
        }
        _ => text.push(c),
    }
}

/// Every line of a cleaned text behind a prefix. A colour that spans lines is put out before the
/// prefix and on again after it.
pub(super) fn behind(prefix: &str, text: &str) -> String {
    /// Keeps a text of nothing but colour escapes from being repeated on every line.
    const LONGEST: usize = 256;
    let mut lines = String::with_capacity(text.len() + text.len() / 16);
    let mut colour = String::new();
    for line in text.lines() {
        let _ = write!(lines, "{prefix}{colour}{line}");
        let mut rest = line;
        while let Some(at) = rest.find('\x1b') {
            rest = &rest[at..];
            let length = colour_escape(rest).unwrap_or(1);
            match &rest[..length] {
                "\x1b[m" | RESET => colour.clear(),
                escape if colour.len() + escape.len() <= LONGEST => colour.push_str(escape),
                escape => escape.clone_into(&mut colour),
            }
            rest = &rest[length..];
        }
        if !colour.is_empty() {
            lines.push_str(RESET);
        }
        lines.push('\n');
    }
    lines
}
