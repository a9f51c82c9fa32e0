//! What a SQLite file holds: its schema, its tables, and their rows in an order that can be compared by.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row};

use super::content::{Column, Kind, Object, Order, Sequence, Table, quoted};
use super::sqlite_file::Frozen;
use super::sqlite_rows::{Encoding, Query};
use super::sqlite_script::library;
use super::{EngineError, percent};

/// A database file that nobody writes to, opened to be read.
#[derive(Debug)]
pub struct Content {
    connection: Connection,
    path: PathBuf,
    encoding: Encoding,
}

impl Content {
    /// Opens a file. It is read where it is, without locks and without a file beside it, as nobody may write to it
    /// (<https://sqlite.org/uri.html>, `immutable`).
    ///
    /// # Errors
    /// When it can't be read, is no database, or is not at rest.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        Frozen::open(path)?;
        let failed = |e| library("read", path, e);
        let uri = format!(
            "file://{}?immutable=1",
            percent(&path.to_string_lossy(), "/")
        );
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags).map_err(failed)?;
        let encoding: String = connection
            .pragma_query_value(None, "encoding", |row| row.get(0))
            .map_err(failed)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            encoding: match encoding.as_str() {
                "UTF-16le" => Encoding::Utf16Low,
                "UTF-16be" => Encoding::Utf16High,
                _ => Encoding::Utf8,
            },
        })
    }

    /// How it stores text.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The objects of its schema, but for those that SQLite makes by itself.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn objects(&self) -> Result<Vec<Object>, EngineError> {
        let mut objects = Vec::new();
        for (kind, name, table, definition) in self.rows_of::<(String, String, String, String)>(
            "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema
             WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
               AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')",
            [],
            |row| row.try_into(),
        )? {
            let Some(kind) = Kind::of_word(&kind) else {
                continue;
            };
            let of_table = matches!(kind, Kind::Index | Kind::Trigger);
            objects.push(Object {
                kind,
                name: shown(&name),
                table: of_table.then(|| shown(&table)),
                definition,
            });
            if kind == Kind::Table {
                // A virtual table whose module is not there tells no more.
                let parts = self.columns(&name).and_then(|mut parts| {
                    parts.extend(self.constraints(&name)?);
                    Ok(parts)
                });
                objects.extend(parts.unwrap_or_default());
            }
        }
        Ok(objects)
    }

    fn columns(&self, table: &str) -> Result<Vec<Object>, EngineError> {
        let columns = self.rows_of::<(String, String, bool, Option<String>, i64)>(
            "SELECT name, type, \"notnull\", dflt_value, hidden FROM pragma_table_xinfo(?1)",
            [table],
            |row| row.try_into(),
        )?;
        let columns = columns
            .into_iter()
            .map(|(name, kind, not_null, default, hidden)| {
                let mut words = vec![kind];
                if not_null {
                    words.push("NOT NULL".to_owned());
                }
                words.extend(default.map(|default| format!("DEFAULT {default}")));
                words.extend(match hidden {
                    2 => Some("GENERATED VIRTUAL".to_owned()),
                    3 => Some("GENERATED STORED".to_owned()),
                    _ => None,
                });
                Object {
                    kind: Kind::Column,
                    name: shown(&name),
                    table: Some(shown(table)),
                    definition: words.join(" ").trim().to_owned(),
                }
            });
        Ok(columns.collect())
    }

    /// The constraints that SQLite tells of. Checks stand in the table's own statement only.
    fn constraints(&self, table: &str) -> Result<Vec<Object>, EngineError> {
        const LIST: &str = "SELECT CASE origin WHEN 'pk' THEN 'primary key' ELSE 'unique' END || ' ('
                || (SELECT group_concat(coalesce(name, 'an expression'), ', ') FROM pragma_index_info(l.name)) || ')', ''
              FROM pragma_index_list(?1) l WHERE origin IN ('pk', 'u')
            UNION ALL
            SELECT 'foreign key (' || group_concat(\"from\", ', ') || ')',
              'REFERENCES ' || \"table\" || coalesce(' (' || group_concat(\"to\", ', ') || ')', '')
                || ' ON UPDATE ' || on_update || ' ON DELETE ' || on_delete
              FROM (SELECT * FROM pragma_foreign_key_list(?1) ORDER BY id, seq) GROUP BY id";
        let constraints = self.rows_of::<(String, String)>(LIST, [table], |row| row.try_into())?;
        let constraints = constraints.into_iter().map(|(name, definition)| Object {
            kind: Kind::Constraint,
            name,
            table: Some(shown(table)),
            definition,
        });
        Ok(constraints.collect())
    }

    /// The tables whose rows can be told.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn tables(&self) -> Result<Vec<Table>, EngineError> {
        let names = self.rows_of::<String>(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
            [],
            |row| row.get(0),
        )?;
        let mut tables = Vec::new();
        for name in names {
            tables.extend(self.table(&name)?);
        }
        Ok(tables)
    }

    fn table(&self, name: &str) -> Result<Option<Table>, EngineError> {
        let columns = self.rows_of::<(String, i64)>(
            "SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1",
            [name],
            |row| row.try_into(),
        );
        let Ok(columns) = columns else {
            tracing::warn!(
                "can't compare the rows of `{name}`: the module of this virtual table isn't there"
            );
            return Ok(None);
        };
        let mut key: Vec<(i64, String)> = columns
            .iter()
            .filter(|(_, place)| *place > 0)
            .map(|(name, place)| (*place, name.clone()))
            .collect();
        key.sort();
        let mut key: Vec<String> = key.into_iter().map(|(_, name)| name).collect();
        // SQLite lets a primary key be NULL, many times (<https://sqlite.org/lang_createtable.html>, 3.5).
        if !key.is_empty() {
            let nulls = key.iter().map(|column| {
                let (table, column) = (quoted(name), quoted(column));
                format!("EXISTS (SELECT 1 FROM {table} WHERE {column} IS NULL)")
            });
            let nulls = nulls.collect::<Vec<_>>().join(" OR ");
            let found = self.rows_of::<bool>(&format!("SELECT {nulls}"), [], |row| row.get(0))?;
            if found == [true] {
                key.clear();
            }
        }
        let columns = columns.into_iter().map(|(name, _)| Column {
            name,
            order: Order::Bytes,
        });
        Ok(Some(Table {
            name: shown(name),
            columns: columns.collect(),
            key,
            from: quoted(name),
        }))
    }

    /// The counters of `AUTOINCREMENT`.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn sequences(&self) -> Result<Vec<Sequence>, EngineError> {
        let there = self.rows_of::<bool>(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')",
            [],
            |row| row.get(0),
        )?;
        if there != [true] {
            return Ok(Vec::new());
        }
        let rows = self.rows_of::<(String, Option<i64>)>(
            "SELECT name, CAST(seq AS INTEGER) FROM sqlite_sequence WHERE name IS NOT NULL ORDER BY name",
            [],
            |row| row.try_into(),
        )?;
        let sequences = rows.into_iter().map(|(name, last)| Sequence {
            name: shown(&name),
            last: last.map(|last| last.to_string()),
        });
        Ok(sequences.collect())
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn count(&self, table: &Table) -> Result<u64, EngineError> {
        let sql = format!("SELECT count(*) FROM {}", table.from);
        let count = self.rows_of(&sql, [], |row| row.get::<_, i64>(0))?;
        Ok(count.first().map_or(0, |count| count.cast_unsigned()))
    }

    /// Prepares to read the rows of a table with these columns, in the order of [`compare`](super::sqlite_rows::compare): of the first `key` columns,
    /// or of all of them and their types where there is no key.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn query(
        &self,
        table: &Table,
        columns: &[&str],
        key: usize,
    ) -> Result<Query<'_>, EngineError> {
        let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let by = match key {
            0 => names
                .iter()
                .map(|name| format!("{name} COLLATE BINARY, typeof({name})"))
                .collect::<Vec<_>>(),
            key => names[..key]
                .iter()
                .map(|name| format!("{name} COLLATE BINARY"))
                .collect(),
        };
        let (list, by) = (names.join(", "), by.join(", "));
        let sql = format!("SELECT {list} FROM {} ORDER BY {by}", table.from);
        let statement = self.connection.prepare(&sql);
        let statement = statement.map_err(|e| library("read", &self.path, e))?;
        Ok(Query::new(statement, &self.path))
    }

    fn rows_of<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, EngineError> {
        let all = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map(values, read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        all().map_err(|e| library("read", &self.path, e))
    }
}

/// A name as it is where SQL takes it so, else in quotes.
fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = |c: char| !c.is_ascii_digit();
    match name.starts_with(starts) && name.chars().all(plain) {
        true => name.to_owned(),
        false => quoted(name),
    }
}
