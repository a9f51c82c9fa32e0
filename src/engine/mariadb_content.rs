//! What is asked of a server of MariaDB or MySQL to learn what a database holds. Answers are written as PostgreSQL's `COPY`
//! writes them ([`postgres_copy`](super::postgres_copy)), so that both are read in one way: the client itself writes a text
//! `NULL` and no value alike.
//!
//! Accounts and rights are left out, and so are comments. What a column holds of bytes is written in hexadecimal digits.

use super::content::{Order, Table};

/// The options of a client that is asked: it writes values as they come, each answer as soon as it is there.
pub const OPTIONS: [&str; 5] = [
    "--batch",
    "--raw",
    "--skip-column-names",
    "--quick",
    "--unbuffered",
];

/// What follows an answer.
pub const END: &str = r"SELECT '\\.';";

/// Makes every server write values in one way, whatever the snapshot's settings are, and holds one view of the data.
/// A text is put in order by its first 64 KiB: all sort keys of a pass are of one length, and must fit into the memory for
/// it. MySQL counts rows and steps of `AUTO_INCREMENT` anew only when it is told to; MariaDB takes that for a comment.
pub const BEGIN: &str = "SET SESSION sql_mode = '', time_zone = '+00:00', max_sort_length = 65536, \
sort_buffer_size = 33554432, group_concat_max_len = 1073741824 /*!80000 , information_schema_stats_expiry = 0 */; \
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;";

/// Each object: kind, name, the table that it belongs to, definition.
pub fn objects() -> String {
    let objects = include_str!("mariadb_objects.sql");
    let columns = [
        escaped("kind"),
        escaped(&shown("name")),
        escaped(&shown("of_table")),
        escaped("definition"),
    ];
    format!("SELECT {} FROM ({objects}) o", columns.join(", "))
}

/// Each column of each table, in order: the table's name and kind, the column's name, the kind of its order, and its
/// place in the primary key.
pub fn columns() -> String {
    let number = "c.data_type IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint')";
    // What has no characters: bytes, bits and shapes.
    let bytes = "c.data_type REGEXP 'binary|blob|bit|geom|point|linestring|polygon'";
    let columns = [
        escaped(&shown("c.table_name")),
        "'t'".to_owned(),
        escaped("c.column_name"),
        format!("CASE WHEN {number} THEN 'number' WHEN {bytes} THEN 'bytes' ELSE 'written' END"),
        format!("IFNULL(s.seq_in_index, {NONE})"),
    ];
    format!(
        "SELECT {} FROM information_schema.columns c \
         JOIN information_schema.tables t USING (table_schema, table_name) \
         LEFT JOIN information_schema.statistics s ON s.table_schema = c.table_schema AND s.table_name = c.table_name \
         AND s.column_name = c.column_name AND s.index_name = 'PRIMARY' \
         WHERE c.table_schema = DATABASE() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') \
         ORDER BY CAST(c.table_name AS BINARY), c.ordinal_position",
        columns.join(", ")
    )
}

/// Each table that numbers its rows, with the last number that it gave.
pub fn sequences() -> String {
    let name = format!("CONCAT({}, '.AUTO_INCREMENT')", shown("table_name"));
    format!(
        "SELECT {}, auto_increment - 1 FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND auto_increment IS NOT NULL ORDER BY CAST(table_name AS BINARY)",
        escaped(&name)
    )
}

/// The table, to be read by its name with quotes, which it may need: it may be a word of SQL's.
pub fn from(table: Table) -> Table {
    let from = match table.name.starts_with('`') {
        true => table.name.clone(),
        false => quoted(&table.name),
    };
    Table { from, ..table }
}

/// Reads the rows of a table with these columns; the first `orders.len()` of them are its key, by which they are put
/// in order. Without a key, each row is written as one text, as PostgreSQL writes a row, and ordered by that.
pub fn rows(table: &Table, columns: &[&str], orders: &[Order]) -> String {
    let from = &table.from;
    let texts: Vec<String> = columns.iter().map(|name| text(table, name)).collect();
    if orders.is_empty() {
        let quoted = texts.iter().map(|text| {
            let inner = format!(r#"REPLACE(REPLACE({text}, '\\', '\\\\'), '"', '\\"')"#);
            format!(r#"IFNULL(CONCAT('"', {inner}, '"'), '')"#)
        });
        let row = quoted.collect::<Vec<_>>().join(", ',', ");
        return format!(
            "SELECT {} FROM (SELECT CONCAT('(', {row}, ')') AS line FROM {from}) t ORDER BY CAST(line AS BINARY)",
            escaped("line")
        );
    }
    let by = columns.iter().zip(&texts).zip(orders);
    let by = by.map(|((name, text), order)| match order {
        Order::Number => quoted(name),
        Order::Bytes | Order::Written => format!("CAST({text} AS BINARY)"),
    });
    let by = by.collect::<Vec<_>>().join(", ");
    let list: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
    format!("SELECT {} FROM {from} ORDER BY {by}", list.join(", "))
}

/// The value of a column as text.
fn text(table: &Table, name: &str) -> String {
    let column = quoted(name);
    match table.column(name).map(|column| column.order) {
        Some(Order::Bytes) => format!("CONCAT('0x', HEX({column}))"),
        _ => format!("CONVERT({column} USING utf8mb4)"),
    }
}

/// No value.
const NONE: &str = r"'\\N'";

/// A text as `COPY` writes it.
fn escaped(text: &str) -> String {
    let plain = format!("CONVERT({text} USING utf8mb4)");
    format!(
        r"IFNULL(REPLACE(REPLACE(REPLACE({plain}, '\\', '\\\\'), '\n', '\\n'), '\t', '\\t'), {NONE})"
    )
}

/// A name, with quotes where SQL wants them.
fn shown(name: &str) -> String {
    let quoted = format!("CONCAT('`', REPLACE({name}, '`', '``'), '`')");
    format!("IF({name} REGEXP '^[A-Za-z_][A-Za-z0-9_]*$', {name}, {quoted})")
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
