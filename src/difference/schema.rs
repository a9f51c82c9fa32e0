//! Two schemas, object by object.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DifferenceError, Side};
use crate::engine::content::{Kind, Object};

/// What differs between two schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SchemaDifference {
    /// By kind and name; what belongs to a table by the table first.
    pub objects: Vec<ObjectDifference>,
}

/// One object that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectDifference {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: Option<String>,
    /// What it was like; `None` where there was none.
    pub before: Option<String>,
    /// What it is like; `None` where there is none.
    pub after: Option<String>,
}

/// Compares the schemas of two sides.
///
/// # Errors
/// When one can't be read.
pub fn schema(before: &mut Side, after: &mut Side) -> Result<SchemaDifference, DifferenceError> {
    before.check_comparable(after)?;
    Ok(compare(before.objects()?, after.objects()?))
}

fn compare(before: Vec<Object>, after: Vec<Object>) -> SchemaDifference {
    type Both = (Option<String>, Option<String>);
    // Tables come with what belongs to them, at the place that tables have among the kinds.
    let mut both: BTreeMap<(Kind, String, Kind, String), Both> = BTreeMap::new();
    let place = |object: &Object| {
        let (first, of) = match &object.table {
            Some(table) => (Kind::Table, table),
            None => (object.kind, &object.name),
        };
        (first, of.clone(), object.kind, object.name.clone())
    };
    for object in before {
        let place = place(&object);
        both.entry(place).or_default().0 = Some(object.definition);
    }
    for object in after {
        let place = place(&object);
        both.entry(place).or_default().1 = Some(object.definition);
    }
    let changed = both.into_iter().filter(|(_, (was, is))| was != is);
    let objects = changed.map(
        |((first, of, kind, name), (before, after))| ObjectDifference {
            table: (kind != first).then_some(of),
            kind,
            name,
            before,
            after,
        },
    );
    SchemaDifference {
        objects: objects.collect(),
    }
}
