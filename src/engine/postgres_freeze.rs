//! What psql runs before a layer is sealed, so that who reads it later has nothing to write.
//!
//! A row that is not frozen makes its first reader set hint bits, which copies the file up. Only what the step has
//! changed is frozen: `VACUUM` opens a file for writing, and so copies it into the layer, even where it finds nothing
//! to do. A file that was changed is known by its time, once a checkpoint has written it: those of sealed layers are
//! from the epoch (`store/draft.rs`).

use std::path::Path;

/// The options of that session. A row is all visible to VACUUM only when the log of its transaction, and of 31 others
/// beside it, is on the disk (`CLOG_XACTS_PER_LSN_GROUP` in PostgreSQL's `clog.c`): what VACUUM itself commits must not
/// be late.
pub(super) const FREEZING: &str = "-c synchronous_commit=on";

/// A psql script, which writes another to `list` and runs that.
pub(super) fn freeze(list: &Path) -> String {
    let list = list.display();
    format!(
        "\\pset format unaligned\n\\pset tuples_only on\n{SHARED}\nCHECKPOINT;\n{EACH_DATABASE} \\g '{list}'\n\
         \\i '{list}'\nCHECKPOINT;\n"
    )
}

/// Freezes what all databases share: users, databases and their settings.
const SHARED: &str = "VACUUM (FREEZE) pg_authid, pg_auth_members, pg_database, pg_db_role_setting, \
                      pg_shdepend, pg_shdescription, pg_tablespace;";

/// Writes a script that freezes one database after the other. ANALYZE itself writes rows, which the last VACUUM
/// freezes. What was analysed is, with a table, all that it is a part of: their statistics cover it.
///
/// To connect to a database costs a copy of what each session reads, so those of which no file was changed are left
/// alone. A database without objects of a user's is as `initdb` froze it: to open its catalogues would only copy
/// them into the layer. Ids from 16384 on are users' (`FirstNormalObjectId`, PostgreSQL's `transam.h`).
const EACH_DATABASE: &str = r"SELECT '\connect ' || quote_ident(datname) || $each$
SELECT EXISTS (SELECT FROM pg_class WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
 OR EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384)
 OR EXISTS (SELECT FROM pg_largeobject_metadata) AS filled \gset
\if :filled
WITH RECURSIVE changed(oid) AS (
 SELECT oid FROM pg_class
 WHERE relkind IN ('r', 'm') AND NOT relisshared AND relpersistence <> 't' AND EXISTS (
  SELECT FROM generate_series(0, pg_relation_size(oid) / pg_size_bytes(current_setting('segment_size'))) AS segment,
   pg_stat_file(pg_relation_filepath(oid) || CASE segment WHEN 0 THEN '' ELSE '.' || segment END, true) AS file
  WHERE file.modification > timestamptz 'epoch')
 UNION SELECT inhparent FROM pg_inherits JOIN changed ON inhrelid = changed.oid)
SELECT 'VACUUM (FREEZE, ANALYZE) ' || string_agg(oid::regclass::text, ', ') FROM changed \gexec
VACUUM (FREEZE) pg_class, pg_statistic, pg_statistic_ext_data;
\endif
$each$ FROM pg_database WHERE datallowconn AND datname <> 'template0' AND (
 EXISTS (SELECT FROM pg_tablespace WHERE oid >= 16384) OR EXISTS (
  SELECT FROM pg_ls_dir('base/' || oid) AS name, pg_stat_file('base/' || oid || '/' || name, true) AS file
  WHERE name ~ '^[0-9]' AND file.modification > timestamptz 'epoch')) ORDER BY oid";
