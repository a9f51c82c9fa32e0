//! psql's backslash commands: their arguments, what `\copy` reads, what they do to the statement before them.
//!
//! Argument rules are those of `psqlscanslash.l`; `\copy` takes the rest of its line and has its
//! own, `parse_slash_copy` in `copy.c`.

use super::listener::Word;

/// An argument of a backslash command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// What psql passes on.
    Text(String),
    /// It depends on a variable, a program or the user's home folder.
    Computed,
}

/// Where a `\copy … from` or `COPY … FROM` takes its data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CopySource {
    /// The lines that follow in the script.
    Inline,
    /// A file.
    File(String),
    /// A program's output.
    Program,
}

/// The command's name without the backslash, and the rest of the line.
pub(crate) fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    let end = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Whether the command's arguments run to the end of the line, backslashes and quotes included.
pub(super) fn takes_whole_line(text: &[u8]) -> bool {
    text.starts_with(b"\\!") || (text.len() > 5 && split(text).0 == b"copy")
}

/// Whether the command ends the statement before it, as `;` does.
pub(super) fn sends_statement(text: &[u8]) -> bool {
    let sends: [&[u8]; 9] = [
        b"g",
        b"gx",
        b"gset",
        b"gexec",
        b"gdesc",
        b"crosstabview",
        b"watch",
        b"parse",
        b"sendpipeline",
    ];
    sends.contains(&split(text).0)
}

/// Whether the command throws away the statement before it.
pub(super) fn drops_statement(text: &[u8]) -> bool {
    matches!(split(text).0, b"r" | b"reset")
}

/// Whether data lines follow the statement.
pub(super) fn copies_from_stdin(words: &[Word]) -> bool {
    statement_source(words) == Some(CopySource::Inline)
}

/// Where a `COPY` statement takes its data; `None` for other statements and for `COPY … TO`.
pub(super) fn statement_source(words: &[Word]) -> Option<CopySource> {
    let (first, rest) = words.split_first()?;
    if !first.is("COPY") {
        return None;
    }
    let from = rest.iter().position(|word| word.is("FROM"))?;
    match rest.get(from + 1)? {
        Word::Text(file) => Some(CopySource::File(String::from_utf8_lossy(file).into_owned())),
        word if word.is("STDIN") => Some(CopySource::Inline),
        word if word.is("PROGRAM") => Some(CopySource::Program),
        // `COPY t FROM E'…'`: the prefix is a word of its own.
        word if word.is("E") => match rest.get(from + 2)? {
            Word::Text(file) => Some(CopySource::File(String::from_utf8_lossy(file).into_owned())),
            _ => None,
        },
        _ => None,
    }
}

/// Where a `\copy` takes its data; `None` for other commands, `\copy … to` and `pstdin`.
pub(super) fn copy_source(text: &[u8]) -> Option<CopySource> {
    let (name, mut rest) = split(text);
    if name != b"copy" {
        return None;
    }
    loop {
        let token = copy_token(&mut rest)?;
        if token.eq_ignore_ascii_case(b"from") {
            break;
        }
    }
    let token = copy_token(&mut rest)?;
    let plain = token.to_ascii_lowercase();
    match plain.as_slice() {
        b"stdin" => Some(CopySource::Inline),
        b"pstdin" => None,
        b"program" => Some(CopySource::Program),
        _ => Some(CopySource::File(
            String::from_utf8_lossy(&unquote(token)).into_owned(),
        )),
    }
}

/// Takes the next word, quoted string or whole pair of parentheses.
fn copy_token<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    *rest = rest.trim_ascii_start();
    let (&first, _) = rest.split_first()?;
    let mut depth = 0_usize;
    let mut quote = None;
    let mut end = rest.len();
    for (index, &byte) in rest.iter().enumerate() {
        let stop = match (quote, byte) {
            (Some(q), b) if q == b => {
                quote = None;
                depth == 0 && rest.get(index + 1) != Some(&b) && matches!(first, b'\'' | b'"')
            }
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                false
            }
            (None, b'(') => {
                if depth == 0 && index > 0 {
                    end = index;
                    break;
                }
                depth += 1;
                false
            }
            (None, b')') => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            (None, b' ' | b'\t' | b'\r' | b';') if depth == 0 => {
                end = index.max(1);
                break;
            }
            _ => false,
        };
        if stop {
            end = index + 1;
            break;
        }
    }
    let (token, after) = rest.split_at(end);
    *rest = after;
    Some(token)
}

/// Takes the quotes of `'it''s'` off.
fn unquote(token: &[u8]) -> Vec<u8> {
    let Some(inner) = token
        .strip_prefix(b"'")
        .map(|t| t.strip_suffix(b"'").unwrap_or(t))
    else {
        return token.to_vec();
    };
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if byte == b'\'' && bytes.peek() == Some(&&b'\'') {
            bytes.next();
        }
        text.push(byte);
    }
    text
}

/// Takes the next argument of a command off `rest`; `None` when there is none. Double quotes stay: what they
/// mean depends on the command. Semicolons at the end go, as for all commands that take files or databases.
pub(crate) fn argument(rest: &mut &[u8]) -> Option<Argument> {
    let text = rest.trim_ascii_start();
    let mut argument = Vec::new();
    // How long the argument was when a quote last ended.
    let mut quoted = 0;
    let mut computed = text.starts_with(b"~");
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                at -= 1;
                break;
            }
            _ if byte.is_ascii_whitespace() => break,
            b'`' => {
                computed = true;
                at += until(&text[at..], b'`');
            }
            b':' if text.get(at).is_some_and(|next| {
                next.is_ascii_alphanumeric() || matches!(next, b'_' | b'\'' | b'"' | b'{')
            }) =>
            {
                computed = true;
            }
            b'"' => {
                let end = at + until(&text[at..], b'"');
                argument.extend_from_slice(&text[at - 1..end]);
                quoted = argument.len();
                at = end;
            }
            b'\'' => {
                while let Some(&byte) = text.get(at) {
                    at += 1;
                    match (byte, text.get(at)) {
                        (b'\'', Some(b'\'')) => {
                            argument.push(byte);
                            at += 1;
                        }
                        (b'\'', _) => break,
                        (b'\\', Some(&escaped)) => {
                            argument.push(unescape(escaped));
                            at += 1;
                        }
                        _ => argument.push(byte),
                    }
                }
                quoted = argument.len();
            }
            _ => argument.push(byte),
        }
    }
    *rest = &text[at..];
    if at == 0 {
        return None;
    }
    if computed {
        return Some(Argument::Computed);
    }
    while argument.len() > quoted && argument.ends_with(b";") {
        argument.pop();
    }
    let argument = String::from_utf8_lossy(&argument).into_owned();
    Some(Argument::Text(argument))
}

/// The length up to `end` and with it.
fn until(text: &[u8], end: u8) -> usize {
    let found = text.iter().position(|&byte| byte == end);
    found.map_or(text.len(), |at| at + 1)
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        other => other,
    }
}
