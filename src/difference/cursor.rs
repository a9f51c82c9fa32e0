//! The rows of one table of one side, one after the other, in an order in which two of them can be compared.

use std::cmp::Ordering;
use std::mem;

use super::DifferenceError;
use super::client::Client;
use crate::engine::content::{Order, Value};
use crate::engine::postgres_copy::{fields, of_record, unescape_into, unescaped, value};
use crate::engine::sqlite_rows::{self, Encoding};

/// The rows of a table, of which there is one at a time.
pub(super) struct Cursor<'s> {
    table: &'s str,
    /// Whether there was a row before this one.
    moved: bool,
    rows: Rows<'s>,
}

enum Rows<'s> {
    /// There is no such table.
    None,
    Copied(Copied<'s>),
    Sqlite {
        rows: sqlite_rows::Rows<'s>,
        /// How many of the first columns are the key; all where it is 0.
        key: usize,
        encoding: Encoding,
        row: Vec<Value>,
        before: Vec<Value>,
    },
}

/// The answer of a PostgreSQL server.
struct Copied<'s> {
    psql: &'s mut Client,
    what: String,
    /// By what the first columns are put in order; none where each row is one text.
    orders: &'s [Order],
    /// Which columns are whole numbers.
    numbers: &'s [bool],
    line: Vec<u8>,
    key: Key,
    before: Key,
}

/// What a row is put in order by.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Vec<Part>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Wide enough for a number of 64 bits without a sign.
    Number(i128),
    Bytes(Vec<u8>),
}

impl<'s> Cursor<'s> {
    fn new(table: &'s str, rows: Rows<'s>) -> Self {
        Self {
            table,
            moved: false,
            rows,
        }
    }

    /// A table without rows.
    pub(super) fn none(table: &'s str) -> Self {
        Self::new(table, Rows::None)
    }

    /// What the server answers to the question for the rows that `psql` was just asked.
    pub(super) fn copied(
        table: &'s str,
        psql: &'s mut Client,
        orders: &'s [Order],
        numbers: &'s [bool],
    ) -> Self {
        let copied = Copied {
            psql,
            what: format!("the rows of {table}"),
            orders,
            numbers,
            line: Vec::new(),
            key: Key::default(),
            before: Key::default(),
        };
        Self::new(table, Rows::Copied(copied))
    }

    /// The rows of a SQLite table, the first `key` columns of which are its key.
    pub(super) fn sqlite(
        table: &'s str,
        rows: sqlite_rows::Rows<'s>,
        key: usize,
        encoding: Encoding,
    ) -> Self {
        let rows = Rows::Sqlite {
            rows,
            key,
            encoding,
            row: Vec::new(),
            before: Vec::new(),
        };
        Self::new(table, rows)
    }

    /// Goes to the next row; `false` where there is none any more.
    pub(super) fn advance(&mut self) -> Result<bool, DifferenceError> {
        let more = match &mut self.rows {
            Rows::None => false,
            Rows::Copied(copied) => copied.advance()?,
            Rows::Sqlite {
                rows, row, before, ..
            } => {
                mem::swap(row, before);
                rows.next(row)?
            }
        };
        if more && mem::replace(&mut self.moved, true) && !self.is_in_order() {
            return Err(DifferenceError::Order {
                table: self.table.to_owned(),
            });
        }
        Ok(more)
    }

    /// Whether this row comes after the one before: in another order, rows would be told to differ that don't.
    fn is_in_order(&self) -> bool {
        match &self.rows {
            Rows::None => true,
            Rows::Copied(copied) => match copied.before.cmp(&copied.key) {
                Ordering::Less => true,
                Ordering::Equal => copied.orders.is_empty(),
                Ordering::Greater => false,
            },
            Rows::Sqlite {
                key,
                encoding,
                row,
                before,
                ..
            } => match compare(before, row, *key, *encoding) {
                Ordering::Less => true,
                Ordering::Equal => *key == 0,
                Ordering::Greater => false,
            },
        }
    }

    /// Which of two rows comes first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (&self.rows, &other.rows) {
            (Rows::Copied(one), Rows::Copied(other)) => one.key.cmp(&other.key),
            (
                Rows::Sqlite {
                    row: one,
                    key,
                    encoding,
                    ..
                },
                Rows::Sqlite { row: other, .. },
            ) => compare(one, other, *key, *encoding),
            _ => Ordering::Equal,
        }
    }

    /// Whether two rows are the same in every column.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.rows, &other.rows) {
            // What is written differently differs, as one value is escaped in one way only.
            (Rows::Copied(one), Rows::Copied(other)) => one.line == other.line,
            (Rows::Sqlite { row: one, .. }, Rows::Sqlite { row: other, .. }) => one == other,
            _ => true,
        }
    }

    /// The values of the row.
    pub(super) fn values(&self) -> Vec<Value> {
        match &self.rows {
            Rows::None => Vec::new(),
            Rows::Copied(copied) => copied.values(),
            Rows::Sqlite { row, .. } => row.clone(),
        }
    }
}

impl Copied<'_> {
    fn advance(&mut self) -> Result<bool, DifferenceError> {
        if !self.psql.line(&self.what, &mut self.line)? {
            return Ok(false);
        }
        mem::swap(&mut self.key, &mut self.before);
        if self.orders.is_empty() {
            self.key.set(0, Order::Written, &self.line);
        } else {
            let parts = fields(&self.line).zip(self.orders).enumerate();
            for (place, (field, order)) in parts {
                self.key.set(place, *order, field);
            }
        }
        Ok(true)
    }

    fn values(&self) -> Vec<Value> {
        let columns = match self.orders.is_empty() {
            true => of_record(&unescaped(&self.line).unwrap_or_default()),
            false => fields(&self.line).map(unescaped).collect(),
        };
        let columns = columns.into_iter().zip(self.numbers);
        columns
            .map(|(field, number)| value(field, *number))
            .collect()
    }
}

impl Key {
    /// Sets one part, in the memory that the part of another row had.
    fn set(&mut self, place: usize, order: Order, field: &[u8]) {
        if self.0.len() <= place {
            self.0.push(Part::Bytes(Vec::new()));
        }
        let number = || std::str::from_utf8(field).ok()?.parse().ok();
        match (&mut self.0[place], order) {
            (Part::Number(part), Order::Number) => *part = number().unwrap_or_default(),
            (part, Order::Number) => *part = Part::Number(number().unwrap_or_default()),
            (Part::Bytes(bytes), _) => {
                bytes.clear();
                unescape_into(field, bytes);
            }
            (part @ Part::Number(_), _) => {
                let mut bytes = Vec::new();
                unescape_into(field, &mut bytes);
                *part = Part::Bytes(bytes);
            }
        }
    }
}

fn compare(one: &[Value], other: &[Value], key: usize, encoding: Encoding) -> Ordering {
    let (columns, types) = match key {
        0 => (one.len(), true),
        key => (key, false),
    };
    let pairs = one.iter().zip(other).take(columns);
    let unequal = pairs
        .map(|(one, other)| sqlite_rows::compare(one, other, encoding, types))
        .find(|order| order.is_ne());
    unequal.unwrap_or(Ordering::Equal)
}
