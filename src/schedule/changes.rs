//! What a test changed in its databases, in a few lines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Case, Stop};
use crate::container::{ContainerError, Live, Order, State};
use crate::difference::{self, DifferenceError, Only, RowsWanted, Side, TableRows, words};

/// How many rows of a table are shown.
const ROWS: usize = 5;
/// How many tables.
const TABLES: usize = 8;
/// How long the comparison may take: the test's place is taken meanwhile.
const WITHIN: Duration = Duration::from_secs(10);

/// What differs between the rows of the snapshot and those of the state that the test left.
pub(super) fn changes(
    case: &Case,
    left: State,
    stop: &Stop,
) -> Result<Vec<String>, DifferenceError> {
    let before = &case.order.state;
    let after = Arc::new(left);
    let deadline = Instant::now() + WITHIN;
    let served = before
        .services
        .iter()
        .any(|engine| engine.server(false).is_some());
    let mut containers = [None, None];
    if served {
        containers = [
            Some(start(case, before, stop)?),
            Some(start(case, &after, stop)?),
        ];
    }
    let mut lines = Vec::new();
    for engine in &before.services {
        let service = engine.place().service();
        let mut sides = [None, None];
        for ((side, state), live) in sides.iter_mut().zip([before, &after]).zip(&mut containers) {
            let folders = difference::folders(state, service);
            let container = live.as_deref_mut();
            *side = Side::open(engine.as_ref(), &folders, container, Some(stop.killed()))?;
        }
        let [Some(mut one), Some(mut other)] = sides else {
            continue;
        };
        let wanted = RowsWanted {
            tables: &[],
            stopped: &|| stop.asked().is_some() || Instant::now() > deadline,
        };
        let found = difference::collect(&mut one, &mut other, wanted, ROWS);
        let found = match found {
            Err(DifferenceError::Interrupted) if stop.asked().is_none() => {
                let seconds = WITHIN.as_secs();
                lines.push(format!(
                    "{service}: too much to compare in {seconds} s; see cowherd diff"
                ));
                continue;
            }
            found => found?,
        };
        let prefix = match before.services.len() {
            1 => String::new(),
            _ => format!("{service}: "),
        };
        for rows in found.tables.iter().take(TABLES) {
            tell(&mut lines, &prefix, rows);
        }
        if let Some(more) = found
            .tables
            .len()
            .checked_sub(TABLES)
            .filter(|more| *more > 0)
        {
            lines.push(format!("{prefix}and {more} more tables"));
        }
    }
    Ok(lines)
}

fn tell(lines: &mut Vec<String>, prefix: &str, rows: &TableRows) {
    let table = &rows.table;
    let numbers = match table.only {
        Some(Only::After) => "a new table".to_owned(),
        Some(Only::Before) => "dropped".to_owned(),
        None => words::numbers(table),
    };
    lines.push(format!("{prefix}{}: {numbers}", table.table));
    for row in &rows.rows {
        let (mark, text) = words::row(table, row);
        lines.push(format!("  {mark} {text}"));
    }
    let all = table.inserted + table.updated + table.deleted;
    let more = all.saturating_sub(rows.rows.len() as u64);
    if more > 0 && table.only.is_none() {
        lines.push(format!("  and {more} more"));
    }
}

fn start(case: &Case, state: &Arc<State>, stop: &Stop) -> Result<Live, ContainerError> {
    let order = Order {
        limits: case.order.limits,
        ..Order::unseen(&case.order.host, state)
    };
    let mut live = order.start(Some(stop.killed()))?;
    live.let_logs_go();
    Ok(live)
}
