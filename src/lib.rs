//! Every test gets its own copy of a prepared database, on the same machine, at the same time.
//!
//! A database state is built once (engine, migrations, seed) and frozen as read-only layers. Each test then
//! runs in a copy-on-write container of its own over these layers: its own mounts, processes, network and
//! database server. When it ends, its writable layer is thrown away. Linux namespaces and overlayfs do the work;
//! no Docker and no root.
//!
//! The command `cowherd` is what most people use. The front door of the library is [`project::Project`]:
//!
//! ```no_run
//! use cowherd::project::{Project, Request};
//! use cowherd::schedule::Stop;
//!
//! let project = Project::open(None)?;
//! let stop = Stop::new()?;
//! let finished = project.run(&Request::default(), &stop, &mut |event| println!("{event:?}"))?;
//! assert_eq!(finished.totals.failed, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How it is built is told in [`architecture`].

pub mod architecture {
    #![doc = include_str!("architecture.md")]
}
pub mod attended;
pub mod builder;
pub mod capacity;
pub mod cargo;
#[cfg(feature = "carry")]
pub mod carry;
pub mod cause;
pub mod container;
// It reads SQLite files in this process.
#[cfg(feature = "sqlite")]
pub mod difference;
pub mod digest;
pub mod disk;
pub mod doctor;
pub mod engine;
pub mod event;
mod front;
pub mod init;
pub mod loop_store;
pub mod migrate;
pub mod package;
pub mod plan;
pub mod pool;
pub mod project;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod serve;
pub mod spec;
pub mod store;
pub mod units;

// The clients whose types tests are given, so that nobody has to find the version that fits.
#[cfg(feature = "diesel-2")]
pub use diesel_2;
#[cfg(feature = "postgres")]
pub use postgres;
#[cfg(feature = "sqlite")]
pub use rusqlite;
#[cfg(feature = "sqlx-0_8")]
pub use sqlx_0_8;
#[cfg(feature = "sqlx-0_9")]
pub use sqlx_0_9;
#[cfg(feature = "tokio-postgres-0_7")]
pub use tokio_postgres;

/// ```
/// # mod orders {
/// #[cowherd::test]
/// fn an_item_is_added(shop: cowherd::SqliteCopy) -> cowherd::rusqlite::Result<()> {
///     shop.execute("INSERT INTO item VALUES ('hat')", [])?;
///     Ok(())
/// }
///
/// #[cowherd::test(snapshot = "shop", timeout = "30s", flavor = "multi_thread", worker_threads = 2)]
/// async fn two_readers_see_it(url: cowherd::DatabaseUrl, container: &cowherd::Container) {
///     assert!(container.file().is_some());
/// }
/// # }
/// ```
///
/// With [rstest](https://docs.rs/rstest), its attribute comes first, and `#[ignore]` marks the arguments that come
/// from the container:
///
/// ```text
/// #[rstest]
/// #[case(1)]
/// #[case(2)]
/// #[cowherd::test]
/// fn customers_are_there(#[ignore] shop: SqliteCopy, #[case] id: i64) {}
/// ```
///
#[cfg(feature = "macros")]
pub use cowherd_macros::test;

#[cfg(feature = "sqlite")]
pub use engine::sqlite_mapped::SqliteCopy;
pub use front::{
    Container, Cowherd, DatabaseFile, DatabaseUrl, Error, FromContainer, FromContainerAsync,
    Snapshot, SqliteFile,
};
pub use front::{asynchronous, testing};
