//! A private copy of a frozen SQLite file inside this process, at any size in the same time: the second island
//! of `unsafe`.
//!
//! ```text
//!            start                        start + file                  start + room
//!   reserved   |  the file, MAP_PRIVATE    |  anonymous, MAP_NORESERVE    |
//!              |  read: the page cache     |  nothing, until the           |
//!              |  written: a page of ours  |  database grows               |
//!              └───────────── sqlite3_deserialize(flags 0) ───────────────┘
//! ```
//!
//! SQLite works on this memory as if it were the file (<https://sqlite.org/c3ref/deserialize.html>). What it only
//! reads is the page cache's, one for all copies of all processes; what it writes, the kernel copies page by
//! page (mmap(2), `MAP_PRIVATE`). So nothing is copied ahead, and the file stays as it is.
//!
//! What follows from it:
//!
//! - One connection for each copy: the memory has no name that a second one could open. A test that wants a
//!   path gets a file of its own from [`private_copy`].
//! - No write-ahead log: `PRAGMA journal_mode` says `memory`. A file in WAL mode becomes one in rollback
//!   mode, in the copy only.
//! - The copy grows up to a [room](SqliteCopy::room) that is fixed when it is made; beyond that, statements fail with
//!   `SQLITE_FULL` ([`SqliteCopy::explain`]).
//! - **Nobody may shorten the file while a copy lives**: the kernel answers the access to a page that is gone
//!   with `SIGBUS`, which ends the process (mmap(2)). A file of a sealed layer is never written again, and the
//!   lease that a test holds on its layers keeps them from being collected.
//! - A forked child inherits the copy as it inherits all memory, and must not use it, as it must not use any SQLite
//!   connection of its parent (<https://sqlite.org/howtocorrupt.html>, 2.6). It can do the parent no harm: pages are
//!   private to each, no descriptor stays open, and no lock is held on the file. `execve` drops the memory.

use std::fmt;
use std::fs::File;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::ops::{Deref, DerefMut};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::ptr::{self, NonNull};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};

use super::EngineError;
use super::sqlite_file::{Frozen, ROLLBACK, VERSIONS};
use super::sqlite_script::library;
use crate::units;

pub use super::sqlite_copy::private_copy;

/// What a copy can grow by at least, unless told otherwise. It is address space only.
const GROWTH: u64 = 64 << 20;

/// A private, writable copy of a frozen database: a connection, and the memory that it works on.
///
/// It is used as the [`Connection`] that it is. Foreign keys are not checked until `PRAGMA foreign_keys = ON`, as
/// SQLite has it and as the steps of a snapshot do; the bundled library alone would check them.
///
/// ```
/// use cowherd::engine::sqlite_mapped::SqliteCopy;
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("shop.db");
/// # rusqlite::Connection::open(&file)?.execute_batch("CREATE TABLE item (name)")?;
/// let copy = SqliteCopy::of(&file)?;
/// copy.execute("INSERT INTO item VALUES ('hat')", [])?;
///
/// let other = SqliteCopy::of(&file)?;
/// let count: i64 = other.query_row("SELECT count(*) FROM item", [], |row| row.get(0))?;
/// assert_eq!(count, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// When it is dropped, the connection is closed and the memory given back. Where the connection can't be closed,
/// because a statement was leaked, or is not there any more, because it was exchanged for another one through
/// [`DerefMut`], the memory stays for the rest of the process.
pub struct SqliteCopy {
    /// `None` only while it is dropped.
    open: Option<Open>,
    /// The address of the connection's handle, to know it again.
    handle: usize,
    room: u64,
}

struct Open {
    connection: Connection,
    /// Given back only once the connection is known to be closed.
    memory: ManuallyDrop<Memory>,
}

impl SqliteCopy {
    /// A copy of the database `file`, with room to grow to twice its size, and by 64 MiB at least.
    ///
    /// An empty file is an empty database, as for SQLite itself. See the [module](self) for what the file owes the
    /// copy.
    ///
    /// # Errors
    /// When the file can't be read or mapped, is no database, or is not at rest (a journal or log with changes
    /// lies beside it), and when this process gets no address space.
    pub fn of(file: &Path) -> Result<Self, EngineError> {
        Self::new(file, |length| length.saturating_add(length.max(GROWTH)))
    }

    /// A copy that can grow to `bytes`, the file's own size included; a larger file just can't grow.
    ///
    /// Room is address space: it takes memory only where the database has grown into it.
    ///
    /// # Errors
    /// As [`SqliteCopy::of`].
    pub fn with_room(file: &Path, bytes: u64) -> Result<Self, EngineError> {
        Self::new(file, |length| length.max(bytes))
    }

    fn new(path: &Path, room: impl FnOnce(u64) -> u64) -> Result<Self, EngineError> {
        let frozen = Frozen::open(path)?;
        // An empty file without room would be a mapping of no bytes, which there is not.
        let room = room(frozen.length).max(1);
        let memory = Memory::of(&frozen.file, frozen.length, room).map_err(|source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::OutOfMemory => EngineError::Room {
                    bytes: room,
                    path,
                    source,
                },
                _ => EngineError::file("map", path, source),
            }
        })?;
        if frozen.wal {
            memory.write_versions(ROLLBACK);
        }

        let failed = |e| library("open a copy of", path, e);
        let connection = Connection::open_in_memory().map_err(failed)?;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)
            .map_err(failed)?;
        let handle = handle(&connection);
        let start = memory.start.as_ptr();
        // From here on dropping it does what is right, in this order: close, then unmap.
        let copy = Self {
            open: Some(Open {
                connection,
                memory: ManuallyDrop::new(memory),
            }),
            handle: handle.addr(),
            room,
        };
        // SAFETY: the handle is that of the open connection in `copy`, which no other thread knows. The memory
        // begins at `start`, is readable and writable for `room` bytes, and its first `length` bytes, no more
        // than `room`, are the file. With flags 0 SQLite neither frees nor reallocates it, stays within
        // `room`, and uses it until the database is closed, which `drop` has happen first. There is no safe way:
        // rusqlite's `deserialize` takes only memory that SQLite has allocated, which the file would have to be
        // copied into.
        let done = unsafe {
            ffi::sqlite3_deserialize(
                handle,
                c"main".as_ptr(),
                start,
                frozen.length.cast_signed(),
                room.cast_signed(),
                0,
            )
        };
        if done != ffi::SQLITE_OK {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(done), None);
            return Err(failed(error));
        }
        // Has SQLite look at the header now, as it does when it opens a file: what is no database is told here,
        // and `PRAGMA page_size` is right from the start.
        copy.pragma_query_value(None, "schema_version", |_| Ok(()))
            .map_err(failed)?;
        Ok(copy)
    }

    /// What the database can grow to, in bytes.
    pub fn room(&self) -> u64 {
        self.room
    }

    /// What to do about an error of a statement, if it comes from this being a copy: SQLite's own words for a
    /// copy that has used up its room are *database or disk is full*.
    pub fn explain(&self, error: &rusqlite::Error) -> Option<String> {
        (error.sqlite_error_code() == Some(ErrorCode::DiskFull)).then(|| {
            format!(
                "the copy has room for {}: make it with more by `SqliteCopy::with_room`",
                units::format_size(self.room)
            )
        })
    }

    /// The connection alone, for code that wants to own one. What it works on can't be given back then: the
    /// address space, and the pages that were written, stay until the process ends.
    pub fn into_connection(mut self) -> Connection {
        let open = self.open.take().expect("open until dropped");
        // The other half is in `ManuallyDrop`, and not unmapped therefore.
        open.connection
    }

    fn open(&self) -> &Open {
        self.open.as_ref().expect("open until dropped")
    }
}

impl Deref for SqliteCopy {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.open().connection
    }
}

impl DerefMut for SqliteCopy {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.open.as_mut().expect("open until dropped").connection
    }
}

impl fmt::Debug for SqliteCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteCopy")
            .field("room", &self.room)
            .field("memory", &*self.open().memory)
            .finish_non_exhaustive()
    }
}

impl Drop for SqliteCopy {
    fn drop(&mut self) {
        let Some(Open { connection, memory }) = self.open.take() else {
            return;
        };
        // Whoever holds a `&mut Connection` can move it elsewhere and leave another one here: then the memory may
        // be in use for as long as the process lives. The comparison can't be fooled by an address that was
        // given out again: that happens only after the copy's own connection was closed.
        if handle(&connection).addr() != self.handle {
            return;
        }
        // `sqlite3_close` refuses as long as there are statements, blobs or backups, which a caller may have
        // leaked; when it succeeds, every file of the connection is closed, this memory among them. (Not so
        // `sqlite3_close_v2`, which rusqlite does not use.)
        if connection.close().is_ok() {
            drop(ManuallyDrop::into_inner(memory));
        }
    }
}

fn handle(connection: &Connection) -> *mut ffi::sqlite3 {
    // SAFETY: only reads the pointer, and rusqlite has it until the connection is closed. There is no safe
    // way: rusqlite can't know what is done with it.
    unsafe { connection.handle() }
}

/// A reserved range of memory whose start is a file, privately.
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; this value owns it alone, as a `Vec` does its buffer,
// and nothing goes through a shared reference to it. There is no safe way: a raw pointer is never `Send` by itself.
unsafe impl Send for Memory {}

impl Memory {
    /// Maps `length` bytes of `file` at the start of `room` bytes, of which there must be at least as many and one.
    fn of(file: &File, length: u64, room: u64) -> io::Result<Self> {
        let too_much = |_| io::Error::from_raw_os_error(libc::ENOMEM);
        // SQLite counts with a sign.
        i64::try_from(room).map_err(too_much)?;
        let room = usize::try_from(room).map_err(too_much)?;
        let length = usize::try_from(length).map_err(too_much)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // Without `MAP_NORESERVE` a file larger than the memory would be refused, though most of it is never
        // written.
        let private = libc::MAP_PRIVATE | libc::MAP_NORESERVE;

        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory that anybody
        // has. There is no safe way: what is safe allocates, and the file could not be laid over it.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                room,
                protection,
                private | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        // The kernel gives no mapping at 0 unasked, so both failures are the same one.
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(start.cast())
            .map(|start| Self {
                start,
                length: room,
            })
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        if length == 0 {
            return Ok(memory);
        }

        // SAFETY: `MAP_FIXED` replaces what is mapped there: `length` bytes from `start`, in whole pages, all within
        // the `room` bytes, in whole pages, that were reserved above and that nobody has used. The descriptor is
        // open; the mapping outlives it. No reference into this memory is made here, so a file that changes
        // underneath can't break what the compiler assumes. There is no safe way to map a file.
        let mapped = unsafe {
            libc::mmap(
                start,
                length,
                protection,
                private | libc::MAP_FIXED,
                file.as_raw_fd(),
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            // The kernel may have made a hole before it failed, and given it to another thread since: the
            // reservation, which takes no memory, is better left than unmapped.
            mem::forget(memory);
            return Err(error);
        }
        Ok(memory)
    }

    /// Overwrites both versions of the file format in the header, in this memory only. SQLite's manual names this
    /// way for a database in WAL mode (<https://sqlite.org/c3ref/deserialize.html>).
    fn write_versions(&self, version: u8) {
        let versions = self.start.as_ptr().wrapping_add(VERSIONS);
        // SAFETY: the header was read from the file, which has these bytes therefore; they are mapped
        // writable and privately, bytes need no alignment, and nobody else knows this memory yet. There is no safe
        // way: there is no reference to it, and there shall be none.
        unsafe { versions.cast::<[u8; 2]>().write([version; 2]) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the range is the one that `of` reserved, whole; this value owned it, and whoever used it is
        // done: `SqliteCopy` drops it only after its connection is closed. There is no safe way, as for mapping.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
