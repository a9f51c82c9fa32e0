//! The commands of the SQLite shell, after `shell.c`.

use super::psql::Argument;

/// The file of a `.read`, computed where a program writes it; `None` for other commands, and without a name.
pub(crate) fn read(text: &[u8]) -> Option<Argument> {
    let text = text.strip_prefix(b".")?.trim_ascii_start();
    let (name, rest) = text.split_at(text.iter().position(u8::is_ascii_whitespace)?);
    // The shell takes any prefix of three letters or more.
    if name.len() < 3 || !b"read".starts_with(name) {
        return None;
    }
    let rest = String::from_utf8_lossy(rest);
    let rest = rest.trim();
    let file = match rest.chars().next()? {
        '|' => return Some(Argument::Computed),
        quote @ ('\'' | '"') => rest[1..].split(quote).next()?,
        _ => rest.split_whitespace().next()?,
    };
    Some(Argument::Text(file.to_owned()))
}
