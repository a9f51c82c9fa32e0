//! The comparison as JSON lines.
//!
//! `v` is 1; fields and kinds of `event` may be added in version 1. The events: `diff-started`, with the snapshots
//! `before` and `after`; `incomparable`, `file`, `object`, `row`, `table`, `sequence` as they are found, each with its
//! `service`; and `diff-finished`, with whether anything `differs`. What is not there on a side is null. A row has its
//! values by the names of their columns; its `table` event follows it, with the numbers of all rows.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::mem;

use cowherd::difference::{Found, RowDifference, TableDifference};
use cowherd::engine::content::Value;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::Told;
use crate::cli::args::Limit;

pub(super) struct Json {
    limit: Limit,
    output: BufWriter<Stdout>,
    service: String,
    /// How many rows of the table were told.
    rows: usize,
}

impl Json {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            output: BufWriter::with_capacity(64 * 1024, io::stdout()),
            service: String::new(),
            rows: 0,
        }
    }

    pub(super) fn told(&mut self, told: &Told<'_>) -> io::Result<()> {
        match told {
            Told::Begin(before, after) => {
                self.event("diff-started", None, &Names { before, after })
            }
            Told::Service(name, _) => {
                (*name).clone_into(&mut self.service);
                Ok(())
            }
            Told::Incomparable(why) => self.of_service("incomparable", &json!({ "why": why })),
            Told::Files(files) => files
                .files
                .iter()
                .try_for_each(|file| self.of_service("file", file)),
            Told::Schema(schema) => schema
                .objects
                .iter()
                .try_for_each(|object| self.of_service("object", object)),
            Told::Rows(Found::Row(table, row)) => {
                self.rows += 1;
                match self.limit {
                    Limit::Rows(limit) if self.rows > limit => Ok(()),
                    _ => self.of_service("row", &Row { table, row }.named()),
                }
            }
            Told::Rows(Found::Table(table)) => {
                self.rows = 0;
                self.of_service("table", table)
            }
            Told::Rows(Found::Sequence(sequence)) => self.of_service("sequence", sequence),
            Told::SameLayers | Told::RowsEnd => Ok(()),
            Told::End(differs) => {
                self.event("diff-finished", None, &json!({ "differs": differs }))?;
                self.output.flush()
            }
        }
    }

    fn of_service(&mut self, event: &'static str, fields: &impl Serialize) -> io::Result<()> {
        let service = mem::take(&mut self.service);
        let written = self.event(event, Some(&service), fields);
        self.service = service;
        written
    }

    fn event(
        &mut self,
        event: &'static str,
        service: Option<&str>,
        fields: &impl Serialize,
    ) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a, F> {
            v: u8,
            event: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            service: Option<&'a str>,
            #[serde(flatten)]
            fields: &'a F,
        }
        let line = Line {
            v: 1,
            event,
            service,
            fields,
        };
        serde_json::to_writer(&mut self.output, &line)?;
        self.output.write_all(b"\n")
    }
}

#[derive(Serialize)]
struct Names<'a> {
    before: &'a str,
    after: &'a str,
}

struct Row<'a> {
    table: &'a TableDifference,
    row: &'a RowDifference,
}

/// A row with names.
#[derive(Serialize)]
struct Named<'a> {
    table: &'a str,
    change: cowherd::difference::Change,
    key: Option<Values<'a>>,
    before: Option<Values<'a>>,
    after: Option<Values<'a>>,
}

impl<'a> Row<'a> {
    fn named(&self) -> Named<'a> {
        let columns = &self.table.columns;
        let side =
            |side: &'a Option<Vec<Value>>| side.as_ref().map(|values| Values { columns, values });
        let any = side(&self.row.before).or(side(&self.row.after));
        Named {
            table: &self.table.table,
            change: self.row.change,
            key: any.filter(|_| self.table.key > 0).map(|row| Values {
                columns: &row.columns[..self.table.key],
                values: &row.values[..self.table.key],
            }),
            before: side(&self.row.before),
            after: side(&self.row.after),
        }
    }
}

/// Values by the names of their columns, in order.
#[derive(Clone, Copy)]
struct Values<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.columns.iter().zip(self.values))
    }
}
