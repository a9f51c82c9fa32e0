//! What is done before a layer is sealed, so that who reads it later has nothing to write.
//!
//! A row that is not frozen makes its first reader set hint bits, which copies the file up. Only what the step has
//! changed is frozen: `VACUUM` opens a file for writing, and so copies it into the layer, even where it finds nothing
//! to do. A file that was changed is known by its time, once a checkpoint has written it: those of sealed layers are
//! from the epoch (`store/draft.rs`). So are copies of them, made when they were only opened for writing.
//!
//! To connect to a database costs some 10 ms and a copy of what each session reads. So all starts in the snapshot's own,
//! which the step has used too, and goes on to others only where one of their files has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::postgres_seal::entries;
use super::postgres_wire::{Row, Session};
use super::{EngineError, Live};

const DOING: &str = "freeze the database";

/// The options of that session. A row is all visible to VACUUM only when the log of its transaction, and of 31 others
/// beside it, is on the disk (`CLOG_XACTS_PER_LSN_GROUP` in PostgreSQL's `clog.c`): what VACUUM itself commits must not
/// be late. What a script has set for all sessions of a database is for its users. To compile a query takes longer than
/// to run those here.
const OPTIONS: &str = "-c synchronous_commit=on -c statement_timeout=0 -c lock_timeout=0 \
                       -c default_transaction_read_only=off -c jit=off";

/// Freezes what was changed of all databases. Of `databases`, the first that lets `user` in is where it starts; the
/// first may have been dropped by a script.
pub(super) fn freeze(live: &Live<'_>, user: &str, databases: [&str; 2]) -> Result<(), EngineError> {
    let begin = |database: &str| {
        let parameters = [
            ("user", user),
            ("database", database),
            ("client_encoding", "UTF8"),
            ("options", OPTIONS),
        ];
        Session::begin(live.connect()?, &parameters, DOING)
    };
    let [own, other] = databases;
    let mut session = begin(own).or_else(|_| begin(other))?;
    session.run("CHECKPOINT")?;
    let mut changed = changed(live.changes)?;
    let shared = changed.remove(SHARED).unwrap_or_default();
    let mut others = Vec::new();
    for row in session.run(DATABASES)? {
        let [oid, name, current] = texts(row);
        let files = changed.remove(&oid).unwrap_or_default();
        if current == "t" {
            freeze_one(&mut session, files.union(&shared))?;
        } else if !files.is_empty() {
            others.push((name, files));
        }
    }
    session.end()?;
    for (name, files) in others {
        let mut session = begin(&name)?;
        freeze_one(&mut session, files.iter())?;
        session.end()?;
    }
    Ok(())
}

/// The databases that can be connected to, and which of them this is.
const DATABASES: &str = "SELECT oid, datname, datname = current_database() FROM pg_database \
                         WHERE datallowconn AND datname <> 'template0' ORDER BY oid";

/// The key of what all databases share, in what [`changed`] gives.
const SHARED: &str = "global";

/// The numbers of the relations' files that were written, by their database's number.
fn changed(data: &Path) -> Result<BTreeMap<String, BTreeSet<u32>>, EngineError> {
    let mut folders = entries(&data.join("base"))?;
    folders.push(data.join(SHARED));
    for tablespace in entries(&data.join("pg_tblspc"))? {
        for version in entries(&tablespace)? {
            folders.extend(entries(&version)?);
        }
    }
    let mut changed: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for folder in folders {
        for file in entries(&folder)? {
            let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
            // A large relation has further files: 16384, 16384.1, 16384.2.
            let number = name(&file).and_then(|name| name.split('.').next()?.parse().ok());
            let (Some(number), Some(folder)) = (number, name(&folder)) else {
                continue;
            };
            match fs::symlink_metadata(&file).and_then(|file| file.modified()) {
                Ok(at) if at > SystemTime::UNIX_EPOCH => {
                    changed.entry(folder).or_default().insert(number);
                }
                // The server may remove files meanwhile.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(EngineError::file("read", &file, error));
                }
                _ => {}
            }
        }
    }
    Ok(changed)
}

/// Freezes the relations with these files. ANALYZE itself writes rows, which the last VACUUM freezes.
///
/// A database without objects of a user's is as `initdb` froze it: to open its catalogues would only copy them into the
/// layer. `initdb` leaves rows in what all share, though, and the step after it finds no objects yet.
fn freeze_one<'f>(
    session: &mut Session,
    files: impl Iterator<Item = &'f u32>,
) -> Result<(), EngineError> {
    if session.run(FILLED)? != [[Some("t".to_owned())]] {
        session.run(FREEZE_SHARED)?;
        return Ok(());
    }
    let files: Vec<String> = files.map(u32::to_string).collect();
    if files.is_empty() {
        return Ok(());
    }
    let relations = session.run(&RELATIONS.replace("FILES", &files.join(", ")))?;
    let (mut kept, mut analysed) = (Vec::new(), Vec::new());
    for row in relations {
        let [name, analyse] = texts(row);
        match analyse == "t" {
            true => analysed.push(name),
            false => kept.push(name),
        }
    }
    if !kept.is_empty() {
        session.run(&format!("VACUUM (FREEZE) {}", kept.join(", ")))?;
    }
    if !analysed.is_empty() {
        session.run(&format!("VACUUM (FREEZE, ANALYZE) {}", analysed.join(", ")))?;
        session.run("VACUUM (FREEZE) pg_class, pg_statistic, pg_statistic_ext_data")?;
    }
    Ok(())
}

/// Users, databases and their settings.
const FREEZE_SHARED: &str = "VACUUM (FREEZE) pg_authid, pg_auth_members, pg_database, pg_db_role_setting, \
                             pg_shdepend, pg_shdescription, pg_tablespace";

/// Whether a database has objects of a user's: numbers from 16384 on are theirs (`FirstNormalObjectId`, PostgreSQL's
/// `transam.h`).
const FILLED: &str =
    "SELECT EXISTS (SELECT FROM pg_class WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
 OR EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384)
 OR EXISTS (SELECT FROM pg_largeobject_metadata)";

/// The relations with certain files, as VACUUM takes their names, and whether they are to be analysed. With a table that
/// was, all that it is a part of is too: their statistics cover it. A catalogue is when the step has changed as much of it as would
/// have autovacuum do it, at its defaults; it takes longer than all else. Up to PostgreSQL 14, whose statistics come late,
/// each is.
const RELATIONS: &str = "WITH RECURSIVE changed(oid) AS (
 SELECT oid FROM pg_class
 WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND pg_relation_filenode(oid) IN (FILES)
 UNION SELECT inhparent FROM pg_inherits JOIN changed ON inhrelid = changed.oid)
SELECT oid::regclass, NOT relisshared AND (oid >= 16384 OR current_setting('server_version_num')::int < 150000
 OR pg_stat_get_mod_since_analyze(oid) > 50 + 0.1 * greatest(reltuples, 0))
FROM changed JOIN pg_class USING (oid)";

/// The first columns of a row.
fn texts<const N: usize>(row: Row) -> [String; N] {
    let mut columns = row.into_iter();
    std::array::from_fn(|_| columns.next().flatten().unwrap_or_default())
}
