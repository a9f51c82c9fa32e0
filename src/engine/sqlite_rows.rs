//! Rows of a SQLite file, and the order that SQLite has them in.

use std::cmp::Ordering;
use std::path::Path;

use rusqlite::Statement;
use rusqlite::types::ValueRef;

use super::EngineError;
use super::content::Value;
use super::sqlite_script::library;

/// How a database stores text, and by whose bytes it orders it therefore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, the low byte first.
    Utf16Low,
    /// UTF-16, the high byte first.
    Utf16High,
}

/// Rows to be read.
#[derive(Debug)]
pub struct Query<'c> {
    statement: Statement<'c>,
    path: &'c Path,
}

impl<'c> Query<'c> {
    pub(super) fn new(statement: Statement<'c>, path: &'c Path) -> Self {
        Self { statement, path }
    }

    /// Reads them from the first on.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn rows(&mut self) -> Result<Rows<'_>, EngineError> {
        let width = self.statement.column_count();
        let rows = self.statement.query([]);
        Ok(Rows {
            left: rows.map_err(|e| library("read", self.path, e))?,
            width,
            path: self.path,
        })
    }
}

/// Rows that are being read.
pub struct Rows<'q> {
    left: rusqlite::Rows<'q>,
    width: usize,
    path: &'q Path,
}

impl Rows<'_> {
    /// Puts the next row in place of `row`; `false` where there is none any more.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn next(&mut self, row: &mut Vec<Value>) -> Result<bool, EngineError> {
        let mut read = || {
            let Some(next) = self.left.next()? else {
                return Ok(false);
            };
            row.clear();
            for column in 0..self.width {
                row.push(match next.get_ref(column)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Integer(number),
                    ValueRef::Real(number) => Value::Real(number),
                    ValueRef::Text(bytes) => Value::text(bytes.to_vec()),
                    ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                });
            }
            Ok(true)
        };
        read().map_err(|e| library("read", self.path, e))
    }
}

/// How SQLite orders two values by the collation `BINARY` (<https://sqlite.org/datatype3.html>, 4.1): NULL, numbers, text
/// and blobs by their bytes. With `types`, an integer comes before a floating-point number that equals it.
pub fn compare(one: &Value, other: &Value, encoding: Encoding, types: bool) -> Ordering {
    let class = |value: &Value| match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) | Value::Broken(_) => 2,
        Value::Blob(_) => 3,
    };
    class(one)
        .cmp(&class(other))
        .then_with(|| match (one, other) {
            (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
            (Value::Real(one), Value::Real(other)) => {
                one.partial_cmp(other).unwrap_or(Ordering::Equal)
            }
            (Value::Integer(one), Value::Real(other)) => numbers(*one, *other).then(if types {
                Ordering::Less
            } else {
                Ordering::Equal
            }),
            (Value::Real(one), Value::Integer(other)) => {
                numbers(*other, *one).reverse().then(if types {
                    Ordering::Greater
                } else {
                    Ordering::Equal
                })
            }
            (Value::Text(one), Value::Text(other)) => texts(one, other, encoding),
            _ => bytes(one).cmp(bytes(other)),
        })
}

fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::Text(text) => text.as_bytes(),
        Value::Broken(bytes) | Value::Blob(bytes) => bytes,
        Value::Null | Value::Integer(_) | Value::Real(_) => &[],
    }
}

/// Exactly, as a large integer is not one as a float.
fn numbers(integer: i64, real: f64) -> Ordering {
    // 2 to the 63rd power.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if real >= LIMIT {
        return Ordering::Less;
    }
    if real < -LIMIT {
        return Ordering::Greater;
    }
    let whole = real as i64;
    let fraction = 0.0_f64.partial_cmp(&(real - real.trunc()));
    integer
        .cmp(&whole)
        .then(fraction.unwrap_or(Ordering::Equal))
}

fn texts(one: &str, other: &str, encoding: Encoding) -> Ordering {
    let units = |text: &'_ str| text.encode_utf16().collect::<Vec<u16>>();
    match encoding {
        Encoding::Utf8 => one.cmp(other),
        Encoding::Utf16High => units(one).cmp(&units(other)),
        Encoding::Utf16Low => {
            let swapped = |text| units(text).into_iter().map(u16::swap_bytes);
            swapped(one).cmp(swapped(other))
        }
    }
}
