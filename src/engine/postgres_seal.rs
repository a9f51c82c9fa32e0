//! Proves that a PostgreSQL data folder is at rest, and removes what belongs to one run of a server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EngineError;

/// Fails unless the cluster in `data` was shut down in order; `program` is `pg_controldata`.
pub(super) fn prove_clean(program: &Path, data: &Path) -> Result<(), EngineError> {
    let state = cluster_state(program, data)?;
    if state == "shut down" {
        return Ok(());
    }
    Err(EngineError::Unclean {
        path: data.to_owned(),
        why: format!("PostgreSQL's state is `{state}`, not `shut down`"),
    })
}

/// The state of the cluster in `data`, as `pg_controldata` says it: it also checks the file's checksum.
fn cluster_state(program: &Path, data: &Path) -> Result<String, EngineError> {
    let output = Command::new(program)
        .arg("-D")
        .arg(data)
        .env("LC_ALL", "C")
        .output()
        .map_err(|source| EngineError::Run {
            program: program.to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let state = text
        .lines()
        .find_map(|line| line.strip_prefix("Database cluster state:"));
    match state {
        Some(state) if output.status.success() && !text.contains("WARNING:") => {
            Ok(state.trim().to_owned())
        }
        _ => Err(EngineError::Command {
            doing: format!("read the state of {}", data.display()),
            message: format!("{}{text}", String::from_utf8_lossy(&output.stderr))
                .trim()
                .to_owned(),
        }),
    }
}

/// Removes what belongs to one run of a server: its process number (which a container would take for a live
/// server), the caches of the catalog, which every start removes: from a layer that takes a whiteout; and the counts of
/// what its sessions did. Every start would read those, and autovacuum goes through each database that they name.
pub(super) fn strip(data: &Path) -> Result<(), EngineError> {
    for name in [
        "postmaster.pid",
        "postmaster.opts",
        "current_logfiles",
        "global/pg_internal.init",
    ] {
        remove(&data.join(name))?;
    }
    for database in entries(&data.join("base"))? {
        if database.file_name().is_some_and(|name| name == "pgsql_tmp") {
            entries(&database)?
                .iter()
                .try_for_each(|file| remove(file))?;
        } else {
            remove(&database.join("pg_internal.init"))?;
        }
    }
    for file in entries(&data.join("pg_stat"))? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // Extensions have files there too, such as pg_stat_statements.
        if matches!(&*name, "pgstat.stat" | "global.stat") || name.starts_with("db_") {
            remove(&file)?;
        }
    }
    entries(&data.join("pg_stat_tmp"))?
        .iter()
        .try_for_each(|file| remove(file))
}

/// The entries of a folder; none if there is no such folder, as in an upper folder, where the mark of one that was
/// removed may stand in its place.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let failed = |e| EngineError::file("read", folder, e);
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| Ok(entry.map_err(failed)?.path()))
            .collect(),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(e) => Err(failed(e)),
    }
}

fn remove(path: &Path) -> Result<(), EngineError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(EngineError::file("remove", path, e)),
        _ => Ok(()),
    }
}
