//! Two databases of Redis, gone through side by side in the order of their keys.

use std::cmp::Ordering;
use std::io;
use std::ops::ControlFlow;

use super::DifferenceError;
use super::found::{Change, RowDifference};
use super::side::unread;
use crate::engine::redis_keys::Keys;

/// How many keys are gone through between two looks at whether to stop.
const BETWEEN: u32 = 4096;

/// Tells `found` each key that differs, until it wants no more.
pub(super) fn compare(
    before: &mut Keys,
    after: &mut Keys,
    (name, database): (&str, &str),
    stopped: &dyn Fn() -> bool,
    found: &mut dyn FnMut(RowDifference) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, DifferenceError> {
    let failed = |error: io::Error| unread(&format!("the keys of {name}"), error);
    let mut before = before.walk(database).map_err(failed)?;
    let mut after = after.walk(database).map_err(failed)?;
    let mut has_before = before.advance().map_err(failed)?;
    let mut has_after = after.advance().map_err(failed)?;
    let mut keys = 0_u32;
    loop {
        keys = keys.wrapping_add(1);
        if keys.is_multiple_of(BETWEEN) && stopped() {
            return Err(DifferenceError::Interrupted);
        }
        let order = match (has_before, has_after) {
            (true, true) => before.key().cmp(after.key()),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => return Ok(ControlFlow::Continue(())),
        };
        let was = match order {
            Ordering::Equal if before.is_same(&after) => None,
            Ordering::Greater => None,
            _ => Some(before.values().map_err(failed)?),
        };
        let is = match order {
            Ordering::Equal if was.is_none() => None,
            Ordering::Less => None,
            _ => Some(after.values().map_err(failed)?),
        };
        // One value can be packed in several ways.
        if was != is {
            let difference = RowDifference {
                change: match order {
                    Ordering::Less => Change::Deleted,
                    Ordering::Equal => Change::Updated,
                    Ordering::Greater => Change::Inserted,
                },
                before: was,
                after: is,
            };
            if found(difference).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if order.is_le() {
            has_before = before.advance().map_err(failed)?;
        }
        if order.is_ge() {
            has_after = after.advance().map_err(failed)?;
        }
    }
}
