//! The tables in which tools note what they have applied: what is in them keeps the application's own migrator from
//! applying it again.
//!
//! Each table is the one that the tool itself makes, and each row the one that it would write but for its times.

use super::script::Dialect;

/// The history of one tool for one kind of database.
#[derive(Debug, Clone, Copy)]
pub(super) struct History {
    dialect: Dialect,
}

impl History {
    pub(super) fn of(dialect: Dialect) -> Self {
        Self { dialect }
    }

    fn is_postgres(self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// A string of SQL.
    fn text(self, content: &str) -> String {
        let content = content.replace('\'', "''");
        match self.dialect {
            Dialect::Mysql => format!("'{}'", content.replace('\\', r"\\")),
            Dialect::Postgres | Dialect::Sqlite => format!("'{content}'"),
        }
    }

    /// A quoted name of SQL.
    fn name(self, name: &str) -> String {
        let quote = match self.dialect {
            Dialect::Mysql => "`",
            Dialect::Postgres | Dialect::Sqlite => "\"",
        };
        format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
    }

    /// After `sqlx-postgres/src/migrate.rs` and those of sqlx-sqlite and sqlx-mysql, which are alike.
    pub(super) fn sqlx_table(self, table: &str) -> String {
        let (time, bytes) = match self.is_postgres() {
            true => ("TIMESTAMPTZ NOT NULL DEFAULT now()", "BYTEA"),
            false => ("TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP", "BLOB"),
        };
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on {time}, success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, \
             execution_time BIGINT NOT NULL);"
        )
    }

    /// `sum` is the SHA-384 of the file in hexadecimal digits.
    pub(super) fn sqlx(self, table: &str, version: i64, description: &str, sum: &str) -> String {
        let sum = match self.is_postgres() {
            true => format!("'\\x{sum}'"),
            false => format!("x'{sum}'"),
        };
        let description = self.text(description);
        format!(
            "INSERT INTO {table} (version, description, success, checksum, execution_time) \
             VALUES ({version}, {description}, TRUE, {sum}, 0);"
        )
    }

    /// After `getRawCreateScript` of `PostgreSQLDatabase`, `SQLiteDatabase` and `MySQLDatabase`.
    pub(super) fn flyway_table(self, table: &str) -> String {
        let name = |text: &str| self.name(text);
        let constraint = format!(
            ", CONSTRAINT {} PRIMARY KEY ({})",
            name(&format!("{table}_pk")),
            name("installed_rank")
        );
        let (key, constraint, number, time) = match self.dialect {
            Dialect::Postgres => (
                "",
                constraint,
                "INTEGER",
                "TIMESTAMP NOT NULL DEFAULT now()",
            ),
            Dialect::Mysql => (
                "",
                constraint,
                "INT",
                "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP",
            ),
            Dialect::Sqlite => (
                " PRIMARY KEY",
                String::new(),
                "INT",
                "TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now'))",
            ),
        };
        let columns = [
            ("installed_rank", format!("INT NOT NULL{key}")),
            ("version", "VARCHAR(50)".to_owned()),
            ("description", "VARCHAR(200) NOT NULL".to_owned()),
            ("type", "VARCHAR(20) NOT NULL".to_owned()),
            ("script", "VARCHAR(1000) NOT NULL".to_owned()),
            ("checksum", number.to_owned()),
            ("installed_by", "VARCHAR(100) NOT NULL".to_owned()),
            ("installed_on", time.to_owned()),
            ("execution_time", format!("{number} NOT NULL")),
            ("success", "BOOLEAN NOT NULL".to_owned()),
        ];
        let columns = columns.map(|(column, kind)| format!("{} {kind}", name(column)));
        let index = name(&format!("{table}_s_idx"));
        let table = name(table);
        format!(
            "CREATE TABLE {table} ({}{constraint});\nCREATE INDEX {index} ON {table} ({});",
            columns.join(", "),
            name("success")
        )
    }

    pub(super) fn flyway(self, table: &str, row: &FlywayRow<'_>) -> String {
        let version = match row.version {
            "" => "NULL".to_owned(),
            version => self.text(version),
        };
        let (user, success) = match self.dialect {
            Dialect::Postgres => ("CURRENT_USER", "TRUE"),
            Dialect::Mysql => ("SUBSTRING_INDEX(USER(), '@', 1)", "1"),
            Dialect::Sqlite => ("''", "1"),
        };
        let columns = [
            "installed_rank",
            "version",
            "description",
            "type",
            "script",
            "checksum",
            "installed_by",
            "execution_time",
            "success",
        ];
        format!(
            "INSERT INTO {} ({}) VALUES ({}, {version}, {}, '{}', {}, {}, {user}, 0, {success});",
            self.name(table),
            columns.map(|column| self.name(column)).join(", "),
            row.rank,
            self.text(row.description),
            row.kind,
            self.text(row.script),
            row.checksum,
        )
    }

    /// After `refinery_core/src/traits/mod.rs`.
    pub(super) fn refinery_table(wide: bool) -> String {
        let version = if wide { "int8" } else { "int4" };
        format!(
            "CREATE TABLE IF NOT EXISTS refinery_schema_history (version {version} PRIMARY KEY, name VARCHAR(255), \
             applied_on VARCHAR(255), checksum VARCHAR(255));"
        )
    }

    pub(super) fn refinery(self, version: i64, name: &str, sum: u64) -> String {
        let now = match self.dialect {
            Dialect::Postgres => {
                "to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
            }
            Dialect::Mysql => "DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')",
            Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        };
        format!(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
             VALUES ({version}, {}, {now}, '{sum}');",
            self.text(name)
        )
    }

    /// After `diesel/src/migration/setup_migration_table.sql`.
    pub(super) fn diesel_table() -> String {
        "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);"
            .to_owned()
    }

    pub(super) fn diesel(self, version: &str) -> String {
        let version = self.text(version);
        format!("INSERT INTO __diesel_schema_migrations (version) VALUES ({version});")
    }

    /// After `ensureVersionTable` of golang-migrate's drivers.
    pub(super) fn golang_migrate_table(self) -> String {
        match self.dialect {
            Dialect::Postgres | Dialect::Mysql => "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, \
                     dirty boolean NOT NULL);"
                .to_owned(),
            Dialect::Sqlite => "CREATE TABLE IF NOT EXISTS schema_migrations (version uint64, dirty bool);\n\
                      CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON schema_migrations (version);"
                .to_owned(),
        }
    }

    /// The table has one row: the last version.
    pub(super) fn golang_migrate(self, version: u64) -> String {
        let dirty = match self.dialect {
            Dialect::Postgres | Dialect::Mysql => "FALSE",
            Dialect::Sqlite => "0",
        };
        format!(
            "DELETE FROM schema_migrations;\n\
             INSERT INTO schema_migrations (version, dirty) VALUES ({version}, {dirty});"
        )
    }

    /// After `CreateMigrationsTable` of dbmate's drivers.
    pub(super) fn dbmate_table() -> String {
        "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar(128) PRIMARY KEY);"
            .to_owned()
    }

    pub(super) fn dbmate(self, version: &str) -> String {
        let version = self.text(version);
        format!("INSERT INTO schema_migrations (version) VALUES ({version});")
    }
}

/// A row of Flyway's table.
#[derive(Debug)]
pub(super) struct FlywayRow<'a> {
    /// Which one, from 1.
    pub(super) rank: usize,
    /// Empty for a repeatable migration.
    pub(super) version: &'a str,
    pub(super) description: &'a str,
    /// `SQL` or `SQL_BASELINE`.
    pub(super) kind: &'static str,
    /// The file below the folder.
    pub(super) script: &'a str,
    pub(super) checksum: i32,
}
