//! Semicolons that end no statement: those in the body of a function or trigger.

use super::dialect::Dialect;
use super::listener::Word;

/// What is known of the statement's body.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// How deep in `BEGIN … END` and `CASE … END` of a function of PostgreSQL.
    depth: usize,
    /// The last words of a trigger of SQLite.
    last: Last,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    Semicolon,
    /// `; END`
    End,
}

impl Body {
    /// A bare word follows `words`; for PostgreSQL, one outside of parentheses.
    ///
    /// What psql counts is in `psqlscan.l` at `identifier`, SQLite's states are those of `sqlite3_complete()`
    /// (<https://sqlite.org/c3ref/complete.html>).
    pub(super) fn word(&mut self, dialect: Dialect, words: &[Word], word: &[u8]) {
        let is = |text: &[u8]| word.eq_ignore_ascii_case(text);
        match dialect {
            Dialect::Postgres if !(3..=5).contains(&word.len()) || !is_routine(words) => {}
            Dialect::Postgres if is(b"BEGIN") || (is(b"CASE") && self.depth > 0) => self.depth += 1,
            Dialect::Postgres if is(b"END") => self.depth = self.depth.saturating_sub(1),
            Dialect::Sqlite if self.last == Last::Semicolon && is(b"END") => self.last = Last::End,
            Dialect::Sqlite => self.last = Last::Other,
            Dialect::Postgres | Dialect::Mysql => {}
        }
    }

    /// Whether the next word tells something.
    pub(super) fn awaits_word(&self) -> bool {
        self.last == Last::Semicolon
    }

    /// Something follows that is neither a bare word nor a semicolon nor space.
    pub(super) fn other(&mut self) {
        self.last = Last::Other;
    }

    /// Whether the semicolon that follows `words` ends the statement.
    pub(super) fn semicolon_ends(&mut self, dialect: Dialect, words: &[Word]) -> bool {
        match dialect {
            Dialect::Postgres => self.depth == 0,
            Dialect::Sqlite if self.last != Last::End && is_trigger(words) => {
                self.last = Last::Semicolon;
                false
            }
            Dialect::Sqlite | Dialect::Mysql => true,
        }
    }
}

/// Whether the statement creates a function or procedure.
fn is_routine(words: &[Word]) -> bool {
    let (first, kind) = match words {
        [create, or, replace, kind, ..] if or.is("OR") && replace.is("REPLACE") => (create, kind),
        [create, kind, ..] => (create, kind),
        _ => return false,
    };
    first.is("CREATE") && (kind.is("FUNCTION") || kind.is("PROCEDURE"))
}

/// Whether the statement creates a trigger, or explains that.
fn is_trigger(words: &[Word]) -> bool {
    let create = words.iter().position(|word| word.is("CREATE"));
    let Some(create) = create.filter(|&at| at == 0 || words[0].is("EXPLAIN")) else {
        return false;
    };
    let mut rest = words[create + 1..].iter();
    rest.find(|word| !word.is("TEMP") && !word.is("TEMPORARY"))
        .is_some_and(|word| word.is("TRIGGER"))
}
