//! The clients whose scripts can be read.

/// Whose scripts are being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// psql: dollar quotes, `E''` strings, nested comments, backslash commands, `COPY` data.
    Postgres,
    /// The SQLite command line: `[…]` and backtick names, dot commands.
    Sqlite,
    /// The MariaDB and MySQL client: backslash escapes, `#` comments, `source`.
    Mysql,
}

impl Dialect {
    /// The dialect of an engine of `cowherd.yaml`; `None` for one that doesn't read SQL.
    ///
    /// ```
    /// use cowherd::migrate::script::Dialect;
    /// assert_eq!(Dialect::of_engine("sqlite"), Some(Dialect::Sqlite));
    /// assert_eq!(Dialect::of_engine("redis"), None);
    /// ```
    pub fn of_engine(engine: &str) -> Option<Self> {
        match engine {
            "postgres" | "postgresql" => Some(Self::Postgres),
            "sqlite" => Some(Self::Sqlite),
            "mariadb" | "mysql" => Some(Self::Mysql),
            _ => None,
        }
    }
}

/// Whether the byte can stand in a name: PostgreSQL's `ident_cont`, SQLite's `IdChar`.
pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
