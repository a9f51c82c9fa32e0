//! Proves that a data folder of MariaDB's or MySQL's is at rest, removes what belongs to one run of a server, and
//! makes small what every container copies.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::EngineError;
use super::mariadb_find::Product;
use super::mariadb_log::Log;
use super::mariadb_settings::PID_FILE;
use crate::disk;

/// The redo log of InnoDB.
pub(super) const LOG: &str = "ib_logfile0";

/// What InnoDB has that is in no table of its own.
pub(super) const SYSTEM: &str = "ibdata1";

/// Fails unless the server that wrote to `data` shut down in order.
///
/// Its last deed is to remove its process number's file, when all that it keeps data with has stopped (`clean_up()` in
/// `sql/mysqld.cc`). MariaDB's log is read besides.
pub(super) fn prove_clean(product: Product, data: &Path) -> Result<(), EngineError> {
    let unclean = |why: String| EngineError::Unclean {
        path: data.to_owned(),
        why,
    };
    if data.join(PID_FILE).symlink_metadata().is_ok() {
        return Err(unclean(format!(
            "{PID_FILE} is there: the server was ended, and did not shut down"
        )));
    }
    let path = data.join(LOG);
    if product == Product::Mysql || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let failed = |verb: &'static str| {
        let path = path.clone();
        move |error| EngineError::file(verb, path, error)
    };
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(&path);
    let file = file.map_err(failed("open"))?;
    let log = Log::at_rest(&file).map_err(failed("read"))?;
    let log = log.map_err(unclean)?;
    for range in log.unused() {
        disk::clear(&file, range).map_err(failed("write"))?;
    }
    disk::dig_holes(&file).map_err(failed("write"))
}

/// Removes what belongs to one run of a server, and what the system's table space has of nothing but zeros: every
/// server opens it for writing, and so copies it.
pub(super) fn strip(data: &Path) -> Result<(), EngineError> {
    for name in [
        "ib_buffer_pool",
        "ibtmp1",
        "multi-master.info",
        "ddl_recovery.log",
        "ddl_recovery-backup.log",
    ] {
        remove(&data.join(name))?;
    }
    let path = data.join(SYSTEM);
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => disk::dig_holes(&file).map_err(|e| EngineError::file("write", path, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(EngineError::file("open", path, e)),
    }
}

fn remove(path: &Path) -> Result<(), EngineError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(EngineError::file("remove", path, e)),
        _ => Ok(()),
    }
}
