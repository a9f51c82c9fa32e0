//! Two tables in one order, gone through side by side.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::DifferenceError;
use super::cursor::Cursor;
use super::found::{Change, RowDifference};

/// How many rows are gone through between two looks at whether to stop.
const BETWEEN: u32 = 4096;

/// Tells `found` each row that differs, until it wants no more.
pub(super) fn merge(
    before: &mut Cursor<'_>,
    after: &mut Cursor<'_>,
    stopped: &dyn Fn() -> bool,
    found: &mut dyn FnMut(RowDifference) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, DifferenceError> {
    let (mut has_before, mut has_after) = (before.advance()?, after.advance()?);
    let mut rows = 0_u32;
    loop {
        rows = rows.wrapping_add(1);
        if rows.is_multiple_of(BETWEEN) && stopped() {
            return Err(DifferenceError::Interrupted);
        }
        let order = match (has_before, has_after) {
            (true, true) => before.order(after),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => return Ok(ControlFlow::Continue(())),
        };
        let difference = match order {
            Ordering::Less => Some(RowDifference {
                change: Change::Deleted,
                before: Some(before.values()),
                after: None,
            }),
            Ordering::Greater => Some(RowDifference {
                change: Change::Inserted,
                before: None,
                after: Some(after.values()),
            }),
            Ordering::Equal if before.is_same(after) => None,
            Ordering::Equal => Some(RowDifference {
                change: Change::Updated,
                before: Some(before.values()),
                after: Some(after.values()),
            }),
        };
        if let Some(difference) = difference
            && found(difference).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        if order.is_le() {
            has_before = before.advance()?;
        }
        if order.is_ge() {
            has_after = after.advance()?;
        }
    }
}
