//! The rows of two states, table by table.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::ControlFlow;

use super::cursor::Cursor;
use super::found::{
    Change, Found, Only, RowDifference, RowsDifference, RowsWanted, SequenceDifference,
    TableDifference, TableRows,
};
use super::merge::merge;
use super::side::Source;
use super::stored::same_tables;
use super::{DifferenceError, Side, keys};
use crate::engine::content::{Order, Table};
use crate::engine::{mariadb_content, postgres_content};

/// Compares the rows of two sides, and tells `sink` what it finds until that wants no more.
///
/// # Errors
/// Sides that can't be compared or read, a table that neither has, the order to stop.
pub fn rows(
    before: &mut Side,
    after: &mut Side,
    wanted: RowsWanted<'_>,
    sink: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<(), DifferenceError> {
    before.check_comparable(after)?;
    let mut tables: BTreeMap<String, (Option<Table>, Option<Table>)> = BTreeMap::new();
    for table in before.tables()? {
        let sides = tables.entry(table.name.clone()).or_default();
        sides.0 = Some(table);
    }
    for table in after.tables()? {
        let sides = tables.entry(table.name.clone()).or_default();
        sides.1 = Some(table);
    }
    if let (Source::Keys(_), Source::Keys(_)) = (&before.source, &after.source) {
        // Every database of Redis is there; one without keys is not told of.
        for sides in tables.values_mut() {
            let any = sides.0.take().or_else(|| sides.1.take());
            *sides = (any.clone(), any);
        }
    }
    for name in wanted.tables {
        if !tables.keys().any(|table| is_meant(name, table)) {
            return Err(DifferenceError::NoTable {
                table: name.clone(),
                known: tables.into_keys().collect(),
            });
        }
    }
    let same = match (&mut before.source, &mut after.source) {
        (Source::Postgres(one), Source::Postgres(other)) => {
            same_tables((one, &before.folders), (other, &after.folders))?
        }
        _ => BTreeSet::new(),
    };
    for (name, sides) in &tables {
        let named = wanted.tables.iter().any(|wanted| is_meant(wanted, name));
        if !named && !wanted.tables.is_empty() {
            continue;
        }
        let pair = Pair::new(name, sides.0.as_ref(), sides.1.as_ref());
        if same.contains(name) {
            if sink(Found::Table(&pair.difference)).is_break() {
                return Ok(());
            }
            continue;
        }
        if pair
            .compare(before, after, named, wanted.stopped, sink)?
            .is_break()
        {
            return Ok(());
        }
    }
    if wanted.tables.is_empty() {
        let mut now: BTreeMap<_, _> = after
            .sequences()?
            .into_iter()
            .map(|sequence| (sequence.name, sequence.last))
            .collect();
        for was in before.sequences()? {
            let Some(is) = now.remove(&was.name).filter(|is| *is != was.last) else {
                continue;
            };
            let difference = SequenceDifference {
                name: was.name,
                before: was.last,
                after: is,
            };
            if sink(Found::Sequence(difference)).is_break() {
                break;
            }
        }
    }
    Ok(())
}

/// Whether a table is the one that the user means; they need not quote what SQL wants quoted.
fn is_meant(wanted: &str, table: &str) -> bool {
    let bare = |name: &str| name.replace(['"', '`'], "");
    let is = |name: &str| bare(name) == bare(wanted);
    is(table) || table.split_once('.').is_some_and(|(_, own)| is(own))
}

/// A table on both sides, or on one.
struct Pair<'t> {
    before: Option<&'t Table>,
    after: Option<&'t Table>,
    orders: Vec<Order>,
    numbers: Vec<bool>,
    difference: TableDifference,
}

impl<'t> Pair<'t> {
    fn new(name: &str, before: Option<&'t Table>, after: Option<&'t Table>) -> Self {
        let one = before.or(after);
        // A column that is on one side only can't be compared; nor can keys, unless they are of the same columns.
        let both = |name: &str| {
            [before, after]
                .into_iter()
                .flatten()
                .all(|table| table.column(name).is_some())
        };
        let alone = |table: Option<&Table>| {
            let columns = table.into_iter().flat_map(|table| &table.columns);
            let names = columns.map(|column| column.name.clone());
            names.filter(|name| !both(name)).collect::<Vec<_>>()
        };
        let same_key = before.is_none_or(|one| after.is_none_or(|other| one.key == other.key));
        let key = one.filter(|_| same_key).map_or(&[][..], |table| &table.key);
        let others = one.into_iter().flat_map(|table| &table.columns);
        let others = others
            .map(|column| &column.name)
            .filter(|name| both(name) && !key.contains(name));
        let columns: Vec<String> = key.iter().chain(others).cloned().collect();
        let order = |name: &String| {
            let orders = [before, after].map(|table| Some(table?.column(name)?.order));
            match orders {
                [Some(one), Some(other)] if one != other => Order::Written,
                [one, other] => one.or(other).unwrap_or(Order::Written),
            }
        };
        Self {
            before,
            after,
            orders: key.iter().map(order).collect(),
            numbers: columns
                .iter()
                .map(|name| order(name) == Order::Number)
                .collect(),
            difference: TableDifference {
                table: name.to_owned(),
                key: key.len(),
                columns,
                only: match (before, after) {
                    (Some(_), None) => Some(Only::Before),
                    (None, Some(_)) => Some(Only::After),
                    _ => None,
                },
                columns_before: alone(before),
                columns_after: alone(after),
                ..TableDifference::default()
            },
        }
    }

    fn compare(
        mut self,
        before: &mut Side,
        after: &mut Side,
        named: bool,
        stopped: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, DifferenceError> {
        match (self.before, self.after) {
            (Some(table), None) if !named => self.difference.deleted = before.count(table)?,
            (None, Some(table)) if !named => self.difference.inserted = after.count(table)?,
            // Rows without a column in common have nothing to differ in.
            _ if self.difference.columns.is_empty() => {}
            _ => {
                let mut difference = mem::take(&mut self.difference);
                let columns = difference.columns.clone();
                let mut found = |row: RowDifference| {
                    *match row.change {
                        Change::Inserted => &mut difference.inserted,
                        Change::Updated => &mut difference.updated,
                        Change::Deleted => &mut difference.deleted,
                    } += 1;
                    sink(Found::Row(&difference, row))
                };
                if self
                    .read(&columns, before, after, stopped, &mut found)?
                    .is_break()
                {
                    return Ok(ControlFlow::Break(()));
                }
                self.difference = difference;
            }
        }
        Ok(sink(Found::Table(&self.difference)))
    }

    /// Reads both sides of the table, in one order.
    fn read(
        &self,
        columns: &[String],
        before: &mut Side,
        after: &mut Side,
        stopped: &dyn Fn() -> bool,
        found: &mut dyn FnMut(RowDifference) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, DifferenceError> {
        let Some(name) = self.before.or(self.after).map(|table| table.name.as_str()) else {
            return Ok(ControlFlow::Continue(()));
        };
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let (orders, numbers) = (self.orders.as_slice(), self.numbers.as_slice());
        let query = match before.source {
            Source::MariaDb(_) => mariadb_content::rows,
            _ => postgres_content::rows,
        };
        match (&mut before.source, &mut after.source) {
            (Source::Postgres(one), Source::Postgres(other))
            | (Source::MariaDb(one), Source::MariaDb(other)) => {
                // Both are asked first, so that both work at the same time.
                for (table, client) in [(self.before, &mut *one), (self.after, &mut *other)] {
                    if let Some(table) = table {
                        let query = query(table, &columns, orders);
                        client.ask(&format!("the rows of {name}"), &query)?;
                    }
                }
                let cursor = |table: Option<&Table>, client| match table {
                    Some(_) => Cursor::copied(name, client, orders, numbers),
                    None => Cursor::none(name),
                };
                let (mut one, mut other) = (cursor(self.before, one), cursor(self.after, other));
                merge(&mut one, &mut other, stopped, found)
            }
            (Source::Sqlite(one), Source::Sqlite(other)) => {
                let (key, encoding) = (orders.len(), one.encoding());
                let queries = [(self.before, &*one), (self.after, &*other)];
                let queries = queries.map(|(table, content)| {
                    let query = table.map(|table| content.query(table, &columns, key));
                    query.transpose()
                });
                let [one, other] = queries;
                let (mut one, mut other) = (one?, other?);
                let cursors = [&mut one, &mut other].map(|query| match query {
                    Some(query) => Ok(Cursor::sqlite(name, query.rows()?, key, encoding)),
                    None => Ok::<_, DifferenceError>(Cursor::none(name)),
                });
                let [one, other] = cursors;
                merge(&mut one?, &mut other?, stopped, found)
            }
            (Source::Keys(one), Source::Keys(other)) => {
                let database = self.before.map_or("", |table| &table.from);
                keys::compare(one, other, (name, database), stopped, found)
            }
            _ => Ok(ControlFlow::Continue(())),
        }
    }
}

/// As [`rows`], all at once: of each table at most `limit` rows are kept, and all are counted.
///
/// # Errors
/// As [`rows`].
pub fn collect(
    before: &mut Side,
    after: &mut Side,
    wanted: RowsWanted<'_>,
    limit: usize,
) -> Result<RowsDifference, DifferenceError> {
    let mut all = RowsDifference::default();
    let mut kept = Vec::new();
    rows(before, after, wanted, &mut |found| {
        match found {
            Found::Row(_, row) if kept.len() < limit => kept.push(row),
            Found::Row(..) => {}
            Found::Table(table) => {
                all.compared += 1;
                let rows = mem::take(&mut kept);
                if table.differs() || table.only.is_some() {
                    let table = table.clone();
                    all.tables.push(TableRows { table, rows });
                }
            }
            Found::Sequence(sequence) => all.sequences.push(sequence),
        }
        ControlFlow::Continue(())
    })?;
    Ok(all)
}
