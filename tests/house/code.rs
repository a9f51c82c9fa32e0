//! A source file as the rules read it: words of code, without comments, strings and characters.

/// One source file.
pub(super) struct Source {
    /// Its path below the folder that was read.
    pub(super) path: String,
    /// Its text with comments, strings and characters blanked out, line for line.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            code: code_only(text),
        }
    }

    /// The top-level module that the file belongs to: `engine` for `engine/sqlite.rs`.
    pub(super) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The words of the code, each with what stands around it.
    pub(super) fn words(&self) -> impl Iterator<Item = Word<'_>> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let (mut from, mut line) = (0, 1);
        std::iter::from_fn(move || {
            let start = from + self.code[from..].find(is_word)?;
            let length = self.code[start..].find(|c| !is_word(c));
            let end = length.map_or(self.code.len(), |n| start + n);
            line += self.code[from..start].matches('\n').count();
            from = end;
            Some(Word {
                text: &self.code[start..end],
                before: self.code[..start].trim_end(),
                after: self.code[end..].trim_start(),
                place: (&self.path, line),
            })
        })
    }
}

/// One word of a file's code.
pub(super) struct Word<'s> {
    pub(super) text: &'s str,
    /// The code before it, without the white space between.
    pub(super) before: &'s str,
    /// The code after it, without the white space between.
    pub(super) after: &'s str,
    /// The file and the line.
    pub(super) place: (&'s str, usize),
}

impl Word<'_> {
    pub(super) fn complain(&self, what: &str) -> String {
        format!("{}:{}: {what}", self.place.0, self.place.1)
    }
}

/// Blanks comments, strings and character literals, and keeps every line where it is.
fn code_only(text: &str) -> String {
    let blank = |s: &str| s.chars().filter(|&c| c == '\n').collect::<String>() + " ";
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let starts_word = !code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c == '"' {
            string(rest)
        } else if starts_word && (c == 'r' || rest.starts_with("br") || rest.starts_with("cr")) {
            raw_string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code += &blank(&rest[..length]);
            rest = &rest[length..];
        }
    }
    code
}

/// The length of the block comment that `text` starts with; such comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string that `text` starts with.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string that `text` starts with, or 0 where it is none.
fn raw_string(text: &str) -> usize {
    let after = text
        .trim_start_matches(['b', 'c'])
        .strip_prefix('r')
        .unwrap_or_default();
    let opened = after.trim_start_matches('#');
    let hashes = after.len() - opened.len();
    if !opened.starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - opened.len() + 1;
    text[start..]
        .find(&close)
        .map_or(text.len(), |n| start + n + close.len())
}

/// The length of the character literal that `text` starts with, or 0 where it is a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text
            .get(3..)
            .and_then(|t| t.find('\''))
            .map_or(text.len(), |n| n + 4),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}
