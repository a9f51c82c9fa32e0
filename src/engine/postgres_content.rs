//! What is asked of a PostgreSQL server to learn what a database holds: queries, and what their answers say.
//!
//! Objects of extensions and of PostgreSQL itself are left out, and so are owners, rights and comments.

use super::content::{Column, Kind, Object, Order, Sequence, Table, quoted};

/// Makes every server write values in one way, whatever the snapshot's settings are, and holds one view of the
/// data.
pub const BEGIN: &str = "SET client_min_messages = error; SET search_path = pg_catalog; SET statement_timeout = 0; \
SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off; SET jit = off; \
SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET bytea_output = 'hex'; \
SET extra_float_digits = 1; SET xmlbinary = 'base64'; SET xmloption = 'content'; SET lc_monetary = 'C'; \
SET lc_numeric = 'C'; SET quote_all_identifiers = off; SET work_mem = '32MB'; \
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;";

/// Each object: kind, name, the table that it belongs to, definition.
pub const OBJECTS: &str = include_str!("postgres_objects.sql");

/// Each column of each table, in order: the table's name and kind, the column's name, the kind of its order, and its
/// place in the primary key. A partitioned table is read as one.
///
/// The database's own collation orders as bytes do where the C library's `C` and `C.UTF-8` do, or PostgreSQL's own
/// provider; 950 and 951 are the collations `C` and `POSIX`. Before version 15 a database has no provider to ask for. All
/// that holds where the bytes of the database are those that its clients get.
pub const COLUMNS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) COLLATE \"C\", c.relkind, a.attname,
  CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'number'
    WHEN a.atttypid = 'uuid'::regtype OR a.atttypid IN ('text'::regtype, 'varchar'::regtype)
      AND d.same AND (a.attcollation IN (950, 951) OR a.attcollation = 100 AND d.bytes) THEN 'bytes'
    ELSE 'written' END,
  k.place
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN LATERAL (SELECT place FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS u (attnum, place)
    WHERE i.indrelid = c.oid AND i.indisprimary AND u.place <= i.indnkeyatts AND u.attnum = a.attnum) k ON true,
  (SELECT coalesce(to_jsonb(p) ->> 'datlocprovider', 'c') = 'b'
      OR coalesce(to_jsonb(p) ->> 'datlocprovider', 'c') = 'c'
        AND datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8') AS bytes,
      getdatabaseencoding() IN ('UTF8', 'SQL_ASCII') AS same
    FROM pg_database p WHERE datname = current_database()) d
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relispopulated
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend e
    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY 1, a.attnum";

/// The files of each large table, a row for each part of it: the table, the part, what the rows' bytes mean, the file, and
/// that of the values that are stored out of line. Bytes mean the same on both sides only where their types are PostgreSQL's
/// own (those up to 16383, `FirstNormalObjectId`) and are not written by what other tables say, such as `regclass`; nor is
/// anything to be said of a database with a transaction that is prepared.
pub const STORED: &str = "
SELECT format('%I.%I', n.nspname, c.relname), p.relid::regclass,
  (SELECT string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attlen, a.attalign, a.attisdropped,
        a.attmissingval), ',' ORDER BY a.attnum)
    FROM pg_attribute a LEFT JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = p.relid AND a.attnum > 0
    HAVING bool_and(a.atttypid < 16384 AND a.attgenerated IN ('', 's') AND coalesce(t.typname, '') !~ '^_?(reg|acl)')),
  pg_relation_filepath(p.relid),
  pg_relation_filepath((SELECT nullif(reltoastrelid, 0) FROM pg_class WHERE oid = p.relid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
  LATERAL (SELECT c.oid AS relid WHERE c.relkind IN ('r', 'm')
    UNION ALL SELECT relid FROM pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) WHERE isleaf) p
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_prepared_xacts)
  AND (SELECT sum(pg_relation_size(coalesce(t.relid, c.oid))) FROM (SELECT 1) o
    LEFT JOIN pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) t ON true) > 1048576
ORDER BY 1, p.relid::regclass::text COLLATE \"C\"";

/// Each sequence with the last value that it gave.
pub const SEQUENCES: &str = "
SELECT format('%I.%I', schemaname, sequencename) COLLATE \"C\", last_value FROM pg_sequences
WHERE schemaname !~ '^pg_' ORDER BY 1";

/// Orders by the bytes that a client gets. A database in `SQL_ASCII` converts nothing.
fn by_bytes(text: &str) -> String {
    format!(
        "convert_to({text}, CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)"
    )
}

/// A row of an answer.
pub type Answer = Vec<Option<String>>;

/// The objects that the answer to [`OBJECTS`] names.
pub fn objects(answer: impl Iterator<Item = Answer>) -> Vec<Object> {
    let objects = answer.filter_map(|row| {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        Some(Object {
            kind: Kind::of_word(&next()?)?,
            name: next()?,
            table: next(),
            definition: next().unwrap_or_default(),
        })
    });
    objects.collect()
}

/// The tables that the answer to [`COLUMNS`] tells of.
pub fn tables(answer: impl Iterator<Item = Answer>) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut places: Vec<(usize, String)> = Vec::new();
    for row in answer {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        let (Some(name), Some(kind)) = (next(), next()) else {
            continue;
        };
        if tables.last().is_none_or(|table| table.name != name) {
            places.clear();
            // The rows of tables that inherit are their own; those of partitions are the partitioned table's.
            let only = if kind == "r" { "ONLY " } else { "" };
            tables.push(Table {
                from: format!("{only}{name}"),
                name,
                columns: Vec::new(),
                key: Vec::new(),
            });
        }
        // A table may have no columns.
        let (Some(table), Some(name)) = (tables.last_mut(), next()) else {
            continue;
        };
        let order = match next().as_deref() {
            Some("number") => Order::Number,
            Some("bytes") => Order::Bytes,
            _ => Order::Written,
        };
        if let Some(place) = next().and_then(|place| place.parse().ok()) {
            places.push((place, name.clone()));
            places.sort();
            table.key = places.iter().map(|(_, name)| name.clone()).collect();
        }
        table.columns.push(Column { name, order });
    }
    tables
}

/// The sequences that the answer to [`SEQUENCES`] names.
pub fn sequences(answer: impl Iterator<Item = Answer>) -> Vec<Sequence> {
    let sequences = answer.filter_map(|row| {
        let mut row = row.into_iter();
        let name = row.next().flatten()?;
        Some(Sequence {
            name,
            last: row.next().flatten(),
        })
    });
    sequences.collect()
}

/// Reads the rows of a table with these columns; the first `orders.len()` of them are its key, by which they are put
/// in order. Without a key, each row is written as one text, and ordered by that.
pub fn rows(table: &Table, columns: &[&str], orders: &[Order]) -> String {
    let from = &table.from;
    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let list = names.join(", ");
    if orders.is_empty() {
        // `OFFSET` keeps the text from being made once more for the order.
        let texts = format!("SELECT ROW({list})::text AS line FROM {from} OFFSET 0");
        return format!("SELECT line FROM ({texts}) t ORDER BY {}", by_bytes("line"));
    }
    let by = names.iter().zip(orders).map(|(name, order)| match order {
        Order::Number | Order::Bytes => name.clone(),
        // A cast to text is not what is written: it cuts trailing blanks off, and spells `t` out.
        Order::Written => by_bytes(&format!("format('%s', {name})")),
    });
    let by = by.collect::<Vec<_>>().join(", ");
    format!("SELECT {list} FROM {from} ORDER BY {by}")
}
