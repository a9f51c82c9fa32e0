//! Where a reader of scripts is.

use super::mysql_client::Hint;

/// How many words of a statement are kept.
pub(super) const WORDS: usize = 24;

/// How many bytes of a word, string or command are kept.
pub(super) const LENGTH: usize = 64 * 1024;

pub(super) enum State {
    Code,
    LineComment,
    BlockComment {
        depth: usize,
    },
    Quoted {
        end: u8,
        escapes: bool,
    },
    /// After a `$` that may begin a dollar quote.
    Tag(Vec<u8>),
    Dollar {
        delimiter: Vec<u8>,
        matched: usize,
    },
    Command {
        text: Vec<u8>,
        line: usize,
        quote: Option<u8>,
    },
    Data {
        start: Vec<u8>,
    },
    /// After the `/*` of a comment that may be one for some servers only.
    Hint(Hint),
    /// In a delimiter of the MariaDB client, of which so much has been read.
    Delimiter(usize),
}

/// The index of the first byte that is one, or the length.
pub(super) fn find(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let found = bytes.iter().position(|&byte| is(byte));
    found.unwrap_or(bytes.len())
}

/// Adds as much as is kept.
pub(super) fn append(kept: &mut Vec<u8>, more: &[u8]) {
    let room = LENGTH.saturating_sub(kept.len()).min(more.len());
    kept.extend_from_slice(&more[..room]);
}
