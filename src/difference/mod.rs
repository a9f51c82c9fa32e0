//! What differs between two states, at three depths: files, schema, and rows.
//!
//! A [`Side`] is one service of a state that can be read: a PostgreSQL server in a container, or a SQLite file in the
//! folders that a container would lie over. It need not be a snapshot's: layers under the changes of a
//! container are a state too. Two sides of one dialect can be compared:
//!
//! - [`files`] compares two chains of folders as an overlay shows them;
//! - [`schema`] compares objects by what they are called and how the database itself writes them;
//! - [`rows`](fn@rows) reads both sides of each table in one order, in one pass and row by row: what is held in memory is one row of
//!   each. A row is known again by its primary key; without a key whole rows are compared, however often they occur.
//!
//! ```text
//!  before ── ORDER BY key ──▶ row ┐
//!                                 ├─ the lower key alone: deleted or inserted; equal keys: updated, or the same
//!  after  ── ORDER BY key ──▶ row ┘
//! ```
//!
//! A database of Redis is a table whose rows are its keys, each with type, time to live and value; functions are its schema.
//!
//! A large table of a server is not read where its files are the same on both sides and can mean nothing else.
//!
//! Values are compared as the database writes them: `1.0` and `1.00` are different values of a `numeric`, as are
//! two texts of one `json`.

mod client;
mod cursor;
mod error;
mod files;
mod found;
mod keys;
mod merge;
mod rows;
mod schema;
mod side;
mod stored;
pub mod words;

pub use error::DifferenceError;
pub use files::{FileDifference, FileFacts, FilesDifference, files};
pub use found::{
    Change, Found, Only, RowDifference, RowsDifference, RowsWanted, SequenceDifference,
    TableDifference, TableRows,
};
pub use rows::{collect, rows};
pub use schema::{ObjectDifference, SchemaDifference, schema};
pub use side::{Side, folders};
