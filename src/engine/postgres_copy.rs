//! What `COPY … TO STDOUT` writes, in text format (<https://www.postgresql.org/docs/current/sql-copy.html>, "Text
//! Format"), and how a row is written as one text (the same manual, 8.16.6).

use super::content::Value;

/// The fields of a line, as they are written.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b'\t')
}

/// What a field says; `None` for NULL.
///
/// ```
/// use cowherd::engine::postgres_copy::unescaped;
/// assert_eq!(unescaped(br"a\tb\\"), Some(b"a\tb\\".to_vec()));
/// assert_eq!(unescaped(br"\N"), None);
/// ```
pub fn unescaped(field: &[u8]) -> Option<Vec<u8>> {
    if field == br"\N" {
        return None;
    }
    let mut plain = Vec::new();
    unescape_into(field, &mut plain);
    Some(plain)
}

/// Writes what a field says that is not NULL to the end of `plain`.
pub fn unescape_into(field: &[u8], plain: &mut Vec<u8>) {
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next().copied().unwrap_or(b'\\') {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                other => other,
            },
            byte => byte,
        });
    }
}

/// The value that a field says.
pub fn value(field: Option<Vec<u8>>, number: bool) -> Value {
    let Some(bytes) = field else {
        return Value::Null;
    };
    let text = Value::text(bytes);
    match &text {
        Value::Text(digits) if number => digits.parse().map_or(text, Value::Integer),
        _ => text,
    }
}

/// The fields of a row that is written as one text: `(1,,"a ""b""")`.
///
/// ```
/// use cowherd::engine::postgres_copy::of_record;
/// let row = of_record(br#"(1,,"a ""b"" \\","")"#);
/// assert_eq!(row, [Some(b"1".to_vec()), None, Some(br#"a "b" \"#.to_vec()), Some(vec![])]);
/// ```
pub fn of_record(text: &[u8]) -> Vec<Option<Vec<u8>>> {
    let text = text.strip_prefix(b"(").unwrap_or(text);
    let text = text.strip_suffix(b")").unwrap_or(text);
    let mut fields = Vec::new();
    let (mut field, mut quotes) = (None::<Vec<u8>>, false);
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quotes && bytes.next_if_eq(&b'"').is_none() => quotes = false,
            b'"' if !quotes => {
                quotes = true;
                field.get_or_insert_default();
            }
            b',' if !quotes => fields.push(field.take()),
            b'\\' => {
                let escaped = bytes.next().unwrap_or(byte);
                field.get_or_insert_default().push(escaped);
            }
            byte => field.get_or_insert_default().push(byte),
        }
    }
    fields.push(field);
    fields
}
