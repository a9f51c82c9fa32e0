//! What a database holds, as plain data: its objects, its tables, the values of a row.

use serde::{Serialize, Serializer};

/// One value of a row.
///
/// SQLite's values have the types that SQLite gives them. PostgreSQL's are integers where the column's type is
/// one, and otherwise the text that the server writes for them (`COPY`, text format).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(String),
    /// Text that is not UTF-8.
    Broken(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// Text, whatever its bytes are.
    pub(super) fn text(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|e| Self::Broken(e.into_bytes()), Self::Text)
    }

    /// Bytes as hexadecimal digits.
    pub fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Numbers and text as they are, an infinite number as text, bytes as `{"hex": "…"}`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Real(number) if number.is_finite() => serializer.serialize_f64(*number),
            Self::Real(number) => serializer.collect_str(number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Broken(bytes) | Self::Blob(bytes) => {
                serializer.collect_map([("hex", Self::hex(bytes))])
            }
        }
    }
}

/// One thing that a schema is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its name, qualified and quoted as SQL wants it.
    pub name: String,
    /// The table that it belongs to, for columns, constraints, indexes and the like.
    pub table: Option<String>,
    /// What it is like: the statement that makes it, or the part of one.
    pub definition: String,
}

/// What an object is; in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A schema.
    Schema,
    /// An extension.
    Extension,
    /// An enumeration, a domain, a composite type or a range.
    Type,
    /// A sequence: how it counts, not how far it has counted.
    Sequence,
    /// A table: what is not told by its columns and constraints.
    Table,
    /// A column.
    Column,
    /// A constraint.
    Constraint,
    /// An index that no constraint made.
    Index,
    /// A trigger.
    Trigger,
    /// A policy for rows.
    Policy,
    /// A rewrite rule.
    Rule,
    /// A view, materialised or not.
    View,
    /// A function, procedure or aggregate.
    Routine,
}

impl Kind {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Schema, "schema"),
        (Self::Extension, "extension"),
        (Self::Type, "type"),
        (Self::Sequence, "sequence"),
        (Self::Table, "table"),
        (Self::Column, "column"),
        (Self::Constraint, "constraint"),
        (Self::Index, "index"),
        (Self::Trigger, "trigger"),
        (Self::Policy, "policy"),
        (Self::Rule, "rule"),
        (Self::View, "view"),
        (Self::Routine, "routine"),
    ];

    /// Its name: `table`.
    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(kind, _)| *kind == self);
        known.map_or("object", |(_, word)| word)
    }

    /// The kind of that name.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, known)| *known == word);
        known.map(|(kind, _)| *kind)
    }
}

/// A table as far as its rows can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, qualified and quoted as SQL wants it.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The names of the columns of its primary key, in the key's order; none where no key tells rows apart.
    pub key: Vec<String>,
    /// What stands after `FROM` to read its own rows and no other table's.
    pub from: String,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as it is, without quotes.
    pub name: String,
    /// By what its values are put in order.
    pub order: Order,
}

/// By what the values of a column are put in order where they are read and where they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Whole numbers, as such.
    Number,
    /// As the server orders them by itself, which is by the bytes of what it writes.
    Bytes,
    /// By the bytes of what the server writes, which it has to be asked for.
    Written,
}

/// Where a sequence stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Its name, qualified and quoted as SQL wants it.
    pub name: String,
    /// The last value that it gave; `None` where it gave none.
    pub last: Option<String>,
}

/// A name as SQL wants it whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
