//! What differs between the rows of two states, as plain data.

use serde::Serialize;

use crate::engine::content::Value;

/// What is to be compared.
#[derive(Clone, Copy)]
pub struct RowsWanted<'a> {
    /// Only these tables, by their name with or without the schema; all when empty. The rows of a table that is
    /// on one side only are told where it is named here, else they are counted.
    pub tables: &'a [String],
    /// Whether to stop, asked now and then.
    pub stopped: &'a dyn Fn() -> bool,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Inserted,
    /// Its key is the same, another value is not.
    Updated,
    /// It is gone.
    Deleted,
}

/// One row that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowDifference {
    /// What happened to it.
    pub change: Change,
    /// Its former values, in the order of [`TableDifference::columns`].
    pub before: Option<Vec<Value>>,
    /// Its values now.
    pub after: Option<Vec<Value>>,
}

/// The side that alone has a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Only {
    /// The first.
    Before,
    /// The second.
    After,
}

/// One table, as far as it was compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableDifference {
    /// Its name.
    pub table: String,
    /// The columns that were compared: those of the key first.
    pub columns: Vec<String>,
    /// How many of them are the primary key; 0 where whole rows were compared.
    pub key: usize,
    /// The side that alone has it.
    pub only: Option<Only>,
    /// Columns that only the first side has; they were not compared.
    pub columns_before: Vec<String>,
    /// Columns that only the second side has.
    pub columns_after: Vec<String>,
    /// How many rows are new.
    pub inserted: u64,
    /// How many have other values.
    pub updated: u64,
    /// How many are gone.
    pub deleted: u64,
}

impl TableDifference {
    /// Whether rows differ.
    pub fn differs(&self) -> bool {
        self.inserted + self.updated + self.deleted > 0
    }
}

/// A sequence that stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SequenceDifference {
    /// Its name.
    pub name: String,
    /// The last value that it gave.
    pub before: Option<String>,
    /// The same on the second side.
    pub after: Option<String>,
}

/// What is told while rows are compared.
#[derive(Debug)]
pub enum Found<'a> {
    /// A row, of the table whose numbers are not complete yet.
    Row(&'a TableDifference, RowDifference),
    /// A table is compared to its end.
    Table(&'a TableDifference),
    /// A sequence that both sides have stands elsewhere.
    Sequence(SequenceDifference),
}

/// What differs between the rows of two states, with some of the rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RowsDifference {
    /// How many tables were compared.
    pub compared: usize,
    /// Those whose rows differ, or that are on one side only.
    pub tables: Vec<TableRows>,
    /// The sequences that stand elsewhere.
    pub sequences: Vec<SequenceDifference>,
}

/// A table with the first of the rows that differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableRows {
    /// The table; its numbers count all rows.
    pub table: TableDifference,
    /// The first rows that differ, in the order of the key.
    pub rows: Vec<RowDifference>,
}
