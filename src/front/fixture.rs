//! What a test can ask for: the types of its arguments pick the fixtures.

#[cfg(feature = "diesel-2")]
mod diesel;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlx-0_8", feature = "sqlx-0_9"))]
mod sqlx;
#[cfg(feature = "tokio-postgres-0_7")]
mod tokio_postgres;

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use super::{Container, Error, Snapshot, SqliteFile};

/// A type that an argument of a [`#[cowherd::test]`](macro@crate::test) can have.
///
/// All arguments of a test are made from one container, so that a URL and a connection lead to the same copy.
///
/// | type | is | feature |
/// |---|---|---|
/// | [`Container`] | the container | |
/// | [`DatabaseUrl`] | the address of its first service | |
/// | [`DatabaseFile`] | the path of its SQLite file | |
/// | `SqliteCopy` | a SQLite connection in this process, without a container; only alone | `sqlite` |
/// | `rusqlite::Connection` | alone, the same; else a connection to the container's file | `sqlite` |
/// | [`SqliteFile`](crate::SqliteFile) | a SQLite file, without a container; only alone | |
/// | `postgres::Client` | a connection; not in async tests | `postgres` |
/// | `tokio_postgres::Client` | a connection, in async tests | `tokio-postgres-0_7` |
/// | `sqlx::PgPool` | a pool, in async tests | `sqlx-0_8`, `sqlx-0_9` |
/// | `sqlx::SqlitePool` | a pool on the container's file, in async tests | `sqlx-0_9-sqlite` |
/// | `diesel::PgConnection` | a connection | `diesel-2` |
///
/// An argument `&T` or `&mut T` is lent a `T`. A fixture of one's own is made from another one:
///
/// ```
/// use cowherd::{Container, DatabaseUrl, Error, FromContainer};
///
/// struct Api {
///     url: DatabaseUrl,
/// }
///
/// impl FromContainer for Api {
///     fn from_container(container: &Container) -> Result<Self, Error> {
///         let url = DatabaseUrl::from_container(container)?;
///         Ok(Self { url })
///     }
/// }
/// ```
///
/// A type that is no fixture is refused when the test is compiled.
///
/// ```compile_fail,E0277
/// fn asks<T: cowherd::FromContainer>() {}
/// asks::<u32>();
/// ```
#[diagnostic::on_unimplemented(
    message = "a test can't ask for a `{Self}`",
    label = "not made from a container",
    note = "types that are: `cowherd::DatabaseUrl`, `cowherd::DatabaseFile`, `cowherd::Container`, `rusqlite::Connection`",
    note = "clients need a feature of `cowherd`: `postgres`, and for async tests `tokio-postgres-0_7`, `sqlx-0_8` and others",
    note = "implement `cowherd::FromContainer` for a type of your own"
)]
pub trait FromContainer: Sized {
    /// Makes the fixture from the test's container.
    ///
    /// # Errors
    /// When the container has no such thing, or a connection fails: the test fails with this error.
    fn from_container(container: &Container) -> Result<Self, Error>;

    /// Makes the fixture for a test that asks for nothing else, where that needs no container; `None`, unless a
    /// type says otherwise, where it needs one.
    fn without_container(_snapshot: &Snapshot) -> Option<Result<Self, Error>> {
        None
    }
}

/// A type that an argument of an *async* [`#[cowherd::test]`](macro@crate::test) can have: each type that is
/// [`FromContainer`], and those that are made by awaiting something.
///
/// ```
/// use cowherd::{Container, DatabaseUrl, Error, FromContainer, FromContainerAsync};
///
/// struct Ready(DatabaseUrl);
///
/// impl FromContainerAsync for Ready {
///     async fn from_container_async(container: &Container) -> Result<Self, Error> {
///         std::future::ready(()).await;
///         Ok(Self(DatabaseUrl::from_container(container)?))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a test can't ask for a `{Self}`",
    label = "not made from a container",
    note = "types that are: `cowherd::DatabaseUrl`, `cowherd::DatabaseFile`, `cowherd::Container`, `rusqlite::Connection`",
    note = "clients need a feature of `cowherd`: `tokio-postgres-0_7`, `sqlx-0_8` and others",
    note = "implement `cowherd::FromContainer` or `cowherd::FromContainerAsync` for a type of your own"
)]
pub trait FromContainerAsync: Sized {
    /// Makes the fixture from the test's container, within the test's runtime.
    ///
    /// # Errors
    /// As [`FromContainer::from_container`].
    fn from_container_async(container: &Container) -> impl Future<Output = Result<Self, Error>>;

    /// As [`FromContainer::without_container`].
    fn without_container_async(_snapshot: &Snapshot) -> Option<Result<Self, Error>> {
        None
    }
}

impl<T: FromContainer> FromContainerAsync for T {
    async fn from_container_async(container: &Container) -> Result<Self, Error> {
        T::from_container(container)
    }

    fn without_container_async(snapshot: &Snapshot) -> Option<Result<Self, Error>> {
        T::without_container(snapshot)
    }
}

impl FromContainer for Container {
    fn from_container(container: &Container) -> Result<Self, Error> {
        Ok(container.clone())
    }
}

/// The address of a container's first service: [`Container::url`] as a fixture.
///
/// ```no_run
/// # use cowherd::{Cowherd, DatabaseUrl, FromContainer};
/// let container = Cowherd::open()?.snapshot("shop")?.container()?;
/// let url = DatabaseUrl::from_container(&container)?;
/// assert!(url.starts_with("postgres://"));
/// # Ok::<(), cowherd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatabaseUrl(String);

impl Deref for DatabaseUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for DatabaseUrl {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DatabaseUrl> for String {
    fn from(url: DatabaseUrl) -> Self {
        url.0
    }
}

impl FromContainer for DatabaseUrl {
    fn from_container(container: &Container) -> Result<Self, Error> {
        Ok(Self(container.url()))
    }
}

/// The path of a container's SQLite file: [`Container::file`] as a fixture, for tests that open it themselves.
///
/// ```no_run
/// # use cowherd::{Cowherd, DatabaseFile, FromContainer, rusqlite};
/// let container = Cowherd::open()?.snapshot("shop")?.container()?;
/// let file = DatabaseFile::from_container(&container)?;
/// let connection = rusqlite::Connection::open(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatabaseFile(PathBuf);

impl Deref for DatabaseFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for DatabaseFile {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl From<DatabaseFile> for PathBuf {
    fn from(file: DatabaseFile) -> Self {
        file.0
    }
}

impl FromContainer for DatabaseFile {
    fn from_container(container: &Container) -> Result<Self, Error> {
        let file = container.file().map(Path::to_owned);
        file.map(Self)
            .ok_or_else(|| Error::NoFile(container.snapshot().to_owned()))
    }
}

impl FromContainer for SqliteFile {
    fn from_container(_container: &Container) -> Result<Self, Error> {
        Err(Error::NotAlone("SqliteFile"))
    }

    fn without_container(snapshot: &Snapshot) -> Option<Result<Self, Error>> {
        Some(snapshot.sqlite_file())
    }
}
