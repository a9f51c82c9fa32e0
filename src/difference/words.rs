//! Rows and values as people are shown them: on one line, and not longer than helps.

use super::{Change, RowDifference, TableDifference};
use crate::engine::content::Value;

/// How many characters of a value are shown.
const SHOWN: usize = 60;

/// How many characters before the first that differs are shown of a long value.
const BEFORE: usize = 12;

/// What happened to a row: `+`, `-` or `~`, and its values, on one line.
pub fn row(table: &TableDifference, row: &RowDifference) -> (char, String) {
    match (row.change, &row.before, &row.after) {
        (Change::Updated, Some(before), Some(after)) => ('~', updated(table, before, after)),
        (_, _, Some(values)) => ('+', listed(&table.columns, values)),
        (_, Some(values), None) => ('-', listed(&table.columns, values)),
        (_, None, None) => (' ', String::new()),
    }
}

/// The numbers of a table: `2 inserted, 1 deleted`.
pub fn numbers(table: &TableDifference) -> String {
    let numbers = [
        (table.inserted, "inserted"),
        (table.updated, "updated"),
        (table.deleted, "deleted"),
    ];
    let numbers = numbers.iter().filter(|(number, _)| *number > 0);
    let numbers = numbers.map(|(number, what)| format!("{number} {what}"));
    numbers.collect::<Vec<_>>().join(", ")
}

/// A value as SQL has it, cut where it is long.
fn shown(value: &Value) -> String {
    from(value, 0)
}

/// Two values that differ, both cut so that it is seen where they do.
fn pair(before: &Value, after: &Value) -> (String, String) {
    let [one, other] = [before, after].map(text);
    let pairs = one.chars().zip(other.chars());
    let same = pairs.take_while(|(one, other)| one == other).count();
    let long = one.chars().count().max(other.chars().count()) > SHOWN;
    let start = if long && same > SHOWN - BEFORE {
        same - BEFORE
    } else {
        0
    };
    (from(before, start), from(after, start))
}

/// A value from its character `start` on.
fn from(value: &Value, start: usize) -> String {
    let text = text(value);
    let mut kept: String = text
        .chars()
        .skip(start)
        .take(SHOWN)
        .flat_map(plain)
        .collect();
    if start > 0 {
        kept.insert(0, '…');
    }
    if text.chars().nth(start + SHOWN).is_some() {
        kept.push('…');
    }
    match value {
        Value::Text(_) | Value::Broken(_) => format!("'{kept}'"),
        Value::Blob(_) => format!("x'{kept}'"),
        Value::Null | Value::Integer(_) | Value::Real(_) => kept,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        // With a point, to tell it from an integer.
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text.clone(),
        Value::Broken(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Blob(bytes) => Value::hex(bytes),
    }
}

/// A character that does nothing to a terminal, and quotes as SQL has them.
fn plain(c: char) -> Vec<char> {
    match c {
        '\'' => vec!['\'', '\''],
        c if c.is_control() => c.escape_default().collect(),
        c => vec![c],
    }
}

/// The columns of a row with their values: `id=1, name='hat'`.
fn listed<'v>(columns: &[String], values: impl IntoIterator<Item = &'v Value>) -> String {
    let pairs = columns.iter().zip(values);
    let pairs = pairs.map(|(name, value)| format!("{name}={}", shown(value)));
    pairs.collect::<Vec<_>>().join(", ")
}

/// What became of a row's values: `id=1: name 'hat' → 'cap'`.
fn updated(table: &TableDifference, before: &[Value], after: &[Value]) -> String {
    let key = listed(&table.columns[..table.key], before);
    let columns = table.columns.iter().zip(before.iter().zip(after));
    let changed = columns.filter(|(_, (was, is))| was != is);
    let changed = changed.map(|(name, (was, is))| {
        let (was, is) = pair(was, is);
        format!("{name} {was} → {is}")
    });
    format!("{key}: {}", changed.collect::<Vec<_>>().join(", "))
}
