//! What SQL scripts read besides themselves, as their clients see it.

use std::io;
use std::path::{Path, PathBuf};

use cowherd::migrate::script::{self, Dialect, Include, Origin, Scan, ScriptError};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_script_means_the_same_however_it_is_cut(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT 1;", "\n", "'", "''", "\"", "$$", "$a$", "$", "E'", "\\'", "--", "/*", "*/", "(", ")",
                "COPY t FROM stdin;", "\\.", "\\i a.sql", "\\copy t from 'b'", " ", "\\\\", "x", "\\if 1", "\\.",
                ".read a.sql", "[", "`", "#", "CREATE TRIGGER", "CREATE FUNCTION", "BEGIN", "END", ";", "source a.sql",
                "LOAD DATA LOCAL INFILE 'a'",
            ]),
            0..24,
        ),
        cut in 1_usize..7,
        dialect in prop::sample::select(vec![Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql]),
    ) {
        let text = parts.concat();
        prop_assert_eq!(includes_cut(&text, usize::MAX, dialect), includes_cut(&text, cut, dialect));
    }

    #[test]
    fn an_include_is_found_after_any_closed_string(inner in "[^'\\\\]{0,20}") {
        // Whatever stands in a string and in a comment, the command after them is seen, once: in a
        // dollar-quoted string that is anything but its own tag.
        prop_assume!(!inner.contains("$q$"));
        let comment = inner.replace(['/', '*'], "");
        let values = format!("'{inner}', $q${inner}$q$, a$q, E'\\'{inner}', 'E', \"{}\"", inner.replace('"', ""));
        let text = format!("SELECT {values}, ({values});\nINSERT INTO t VALUES ({values});\n/* {comment} */\n\\i a.sql\n");
        let found = includes(&text, Dialect::Postgres);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].line, text.matches('\n').count());
    }
}

fn includes_cut(text: &str, size: usize, dialect: Dialect) -> Vec<Include> {
    struct Cut<'a>(&'a [u8], usize);
    impl io::Read for Cut<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len()).min(self.0.len());
            io::Read::read(&mut self.0, &mut buffer[..length])
        }
    }
    let mut scan = Scan::new(Cut(text.as_bytes(), size), dialect);
    io::copy(&mut scan, &mut io::sink()).unwrap();
    scan.finish().unwrap()
}

fn includes(text: &str, dialect: Dialect) -> Vec<Include> {
    let mut scan = Scan::new(text.as_bytes(), dialect);
    io::copy(&mut scan, &mut io::sink()).unwrap();
    scan.finish().unwrap()
}

/// The files that a psql script reads, with their lines.
fn psql(text: &str) -> Vec<(usize, String)> {
    includes(text, Dialect::Postgres)
        .into_iter()
        .map(|include| {
            (
                include.line,
                include.file.map_or("?".into(), |f| f.display().to_string()),
            )
        })
        .collect()
}

fn found(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected
        .iter()
        .map(|(line, name)| (*line, (*name).to_owned()))
        .collect()
}

/// As `pg_dump` writes it, with data made to mislead.
const DUMP: &str = r#"--
-- PostgreSQL database dump
--

-- Dumped from database version 15.6
\restrict abc

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION public.f() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
BEGIN
  -- it's a trap
  PERFORM 'x', "y", $$ nested '$$;
  \i evil_in_function.sql
  RETURN NEW;
END
$_$;

COPY public.note (id, "from stdin", body) FROM stdin;
1	it's	\N
\i evil.sql
\\.	x
$$	/* "
\.x
\.

COPY public.empty (id) FROM stdin;
\.


COPY public.last (id) FROM stdin WITH (FORMAT csv);
'
\.
\i after.sql
\unrestrict abc
"#;

#[test]
fn data_and_function_bodies_of_a_dump_hold_no_commands() {
    let line = 1 + DUMP
        .lines()
        .position(|line| line == r"\i after.sql")
        .unwrap();
    assert_eq!(psql(DUMP), found(&[(line, "after.sql")]));
    assert_eq!(
        psql(&DUMP.replace('\n', "\r\n")),
        found(&[(line, "after.sql")])
    );
}

#[test]
fn psql_commands_are_seen_outside_of_strings_and_comments_only() {
    let text = r#"
-- \i a
/* \i b /* nested */ \i c */
SELECT '\i d', E'it\'s \i e', "\i f", $x$ \i g $$ $x$, $1 \i 1.sql
SELECT 'a''\i h', E'\\' \i 2.sql
\echo 'it is \i quoted' \i 3.sql
SELECT 1 \; SELECT 2 \i 4.sql
\set x 'y' \\ SELECT '
\i i
' \i 5.sql
SELECT a$b, c$d \i 6.sql
SELECT $tag_1$ $tag$ \i j $tag_1$ \i 7.sql
"#;
    let expected = [
        (4, "1.sql"),
        (5, "2.sql"),
        (6, "3.sql"),
        (7, "4.sql"),
        (10, "5.sql"),
        (11, "6.sql"),
        (12, "7.sql"),
    ];
    assert_eq!(psql(text), found(&expected));
}

#[test]
fn psql_arguments_are_read_as_psql_reads_them() {
    assert_eq!(
        psql("\\i 'with space.sql'\n\\include b.sql \\i c.sql\n"),
        found(&[(1, "with space.sql"), (2, "b.sql"), (2, "c.sql")])
    );
    assert_eq!(psql("\\i 'it''s.sql'"), found(&[(1, "it's.sql")]));
    assert_eq!(
        psql("\\i :file\n\\i :'dir'/x\n\\i `date`\n\\i ~/x\n"),
        found(&[(1, "?"), (2, "?"), (3, "?"), (4, "?")])
    );
    assert_eq!(
        psql("\\i a.sql;\n\\i 'b.sql;'\n\\i \"c d\".sql\n\\i e'f'.sql;;\n"),
        found(&[
            (1, "a.sql"),
            (2, "b.sql;"),
            (3, "\"c d\".sql"),
            (4, "ef.sql")
        ])
    );
    assert_eq!(psql("\\i\n\\i -\n\\info x\n\\ix y\n"), found(&[]));
    let all = includes(
        "\\ir a\n\\include_relative b\n\\if :x\n\\i c\n\\endif\n\\i d\n",
        Dialect::Postgres,
    );
    let seen: Vec<_> = all
        .iter()
        .map(|i| (i.origin, i.optional, i.script))
        .collect();
    assert_eq!(
        seen,
        [
            (Origin::Script, false, true),
            (Origin::Script, false, true),
            (Origin::WorkingFolder, true, true),
            (Origin::WorkingFolder, false, true),
        ]
    );
    assert_eq!(
        all[0].resolve(Path::new("/p/sub/s.sql"), Path::new("/p")),
        Some(PathBuf::from("/p/sub/a"))
    );
}

#[test]
fn copied_files_are_data() {
    let text = "\\copy t (a, \"from\") FROM 'data/x y.csv' WITH (FORMAT csv)\n\
                \\copy (SELECT 1 from 'no') to 'out.csv'\n\
                \\copy t from data.csv csv\n\
                \\COPY t from no.csv\n\
                \\copy t from stdin\n\\i no.sql\n\\.\n\
                \\copy t from program 'zcat x'\n\
                COPY t (a) FROM '/abs/data.csv' (FORMAT csv);\n\
                COPY t TO '/abs/out.csv';\n\
                COPY t FROM 'relative.csv';\n\
                copy t from stdin \\g\n\\i no.sql\n\\.\n\
                \\copy s.t(a,b)from 'it''s'\n";
    let expected = [
        (1, "data/x y.csv"),
        (3, "data.csv"),
        (8, "?"),
        (9, "/abs/data.csv"),
        (15, "it's"),
    ];
    assert_eq!(psql(text), found(&expected));
    assert!(
        includes(text, Dialect::Postgres)
            .iter()
            .all(|include| !include.script)
    );
}

#[test]
fn statements_end_where_psql_ends_them() {
    let text = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC\n\
                SELECT CASE WHEN true THEN 1 END; COPY t FROM stdin;\n\\i a.sql\nEND;\n\
                COPY t FROM stdin\n\\r\n;\n\\i b.sql\n\
                COPY t FROM stdin;\n\\i no.sql\n\\.\n";
    assert_eq!(psql(text), found(&[(3, "a.sql"), (8, "b.sql")]));
}

#[test]
fn sqlite_dot_commands_stand_at_the_start_of_a_line_between_statements() {
    // Whatever a trigger holds, only `; END;` ends it.
    let trigger =
        "CREATE TRIGGER t AFTER INSERT ON x BEGIN (;y END;\n.read no\nSELECT 1; END;\n.read a\n";
    let found: Vec<_> = includes(trigger, Dialect::Sqlite)
        .iter()
        .map(|i| i.line)
        .collect();
    assert_eq!(found, [4]);

    let text = ".read 'a b.sql'\n-- .read no\n.rea b.sql\n .read no\nSELECT [it's], 1\n.read no\n;\n\
                CREATE TABLE x (a DEFAULT '\n.read no');\n.re no\n.read |ls\n. read \"c\"\n.mode csv\n\\i no\n";
    let found: Vec<_> = includes(text, Dialect::Sqlite)
        .into_iter()
        .map(|i| (i.line, i.file.map(|f| f.display().to_string())))
        .collect();
    let file = |name: &str| Some(name.to_owned());
    assert_eq!(
        found,
        [
            (1, file("a b.sql")),
            (3, file("b.sql")),
            (11, None),
            (12, file("c"))
        ]
    );
}

#[test]
fn the_mariadb_client_sources_files() {
    let text = "source a.sql;\nSELECT 'it\\'s\nsource no.sql'; # it's\n\\. b.sql\nSELECT 1,\nsource no\n;\n(\
                source\tno.sql);\n\
                DELIMITER $$\nLOAD DATA LOCAL INFILE 'c.csv' INTO TABLE t;\nSELECT 2 AS\nsource;\n";
    let found: Vec<_> = includes(text, Dialect::Mysql)
        .into_iter()
        .map(|i| (i.line, i.file.unwrap().display().to_string(), i.script))
        .collect();
    assert_eq!(
        found,
        [
            (1, "a.sql".into(), true),
            (4, "b.sql".into(), true),
            (10, "c.csv".into(), false),
        ]
    );
}

#[test]
fn a_byte_order_mark_is_no_text_and_utf_16_is_refused() {
    assert_eq!(script::text("\u{feff}é".as_bytes()).unwrap(), "é");
    assert_eq!(psql("\u{feff}\\i a.sql"), found(&[(1, "a.sql")]));
    for bytes in [&b"\xff\xfeS\0"[..], b"\xfe\xff\0S", b"S\0E\0L\0"] {
        let error = script::text(bytes).unwrap_err();
        assert_eq!(error, ScriptError::Utf16);
        assert!(error.hint().unwrap().contains("iconv"));
        let mut scan = Scan::new(bytes, Dialect::Sqlite);
        io::copy(&mut scan, &mut io::sink()).unwrap();
        assert_eq!(scan.finish().unwrap_err(), ScriptError::Utf16);
    }
    let error = script::text(b"PGDMP\x01\x0e").unwrap_err();
    assert!(error.hint().unwrap().contains("pg_restore"));
    let error = script::text(b"one\ntwo \xe9\n").unwrap_err();
    assert_eq!(error.to_string(), "line 2 is not UTF-8");
}
