//! PostgreSQL's types, keys and objects.

use crate::support::{Project, golden, postgres};

const SPEC: &str = "\
version: 1
snapshots:
  plain: { engine: postgres, database: shop, steps: [ { sql: plain.sql } ] }
  changed: { from: plain, steps: [ { sql: changed.sql } ] }
";

fn project(plain: &str, changed: &str) -> Project {
    Project::new(SPEC)
        .file("plain.sql", plain)
        .file("changed.sql", changed)
}

#[test]
fn postgres_snapshots_are_compared_by_schema_and_rows() {
    if !postgres() {
        return;
    }
    let project = project(
        r#"
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE item (id int PRIMARY KEY, name text, j json, x float8, b bytea, tags text[], m mood,
  twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO item VALUES (1, 'a', '{"a":1}', 1.5, '\x00ff', '{x,y}', 'ok'), (2, E'tab\t\\ \n\'', NULL, 'NaN', NULL, NULL, NULL),
  (3, 'gone', NULL, NULL, NULL, NULL, NULL), (-4, 'same', '{"a": 1}', '-0', NULL, NULL, NULL);
CREATE TABLE nokey (a int, j json, p point);
INSERT INTO nokey VALUES (1, '{}', '(1,2)'), (1, '{}', '(1,2)'), (NULL, '"a, \"b\""', NULL), (NULL, NULL, NULL);
CREATE TABLE parts (id int, "Odd ""name" text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (200);
INSERT INTO parts VALUES (5, 'low'), (150, 'high');
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (more int) INHERITS (parent);
INSERT INTO child VALUES (1, 2);
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
CREATE SEQUENCE counter;
CREATE TABLE nothing ();
CREATE TABLE gone (id int);
INSERT INTO gone VALUES (1), (1);
CREATE VIEW items AS SELECT id FROM item;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$
  SELECT 1
$$;
CREATE SCHEMA "Other";
CREATE TABLE "Other".item (id bigint PRIMARY KEY, v int CHECK (v > 0));
INSERT INTO "Other".item VALUES (9223372036854775807, 1);
"#,
        r#"
UPDATE item SET name = 'A', tags = '{z}' WHERE id = 1;
UPDATE item SET x = 0, b = '' WHERE id = 2;
DELETE FROM item WHERE id = 3;
INSERT INTO item (id, name) VALUES (10, 'new'), (9, '9 before 10');
INSERT INTO nokey VALUES (1, '{}', '(1,2)');
UPDATE nokey SET j = '"a, \"c\" \\"' WHERE j::text LIKE '"a%';
UPDATE parts SET id = 50 WHERE id = 150;
UPDATE child SET more = 3;
INSERT INTO unlogged VALUES (7);
SELECT nextval('counter'), nextval('counter');
ALTER TABLE item ADD COLUMN extra int DEFAULT 7, ALTER COLUMN name SET NOT NULL;
CREATE INDEX item_name ON item (name);
CREATE TABLE brought (id int PRIMARY KEY);
DROP TABLE gone;
DROP VIEW items;
CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS $$
  SELECT 2 - 1
$$;
ALTER TABLE "Other".item DROP CONSTRAINT item_v_check, ALTER COLUMN v TYPE bigint;
UPDATE "Other".item SET v = -1;
ALTER TYPE mood ADD VALUE 'glad';
"#,
    );
    let run = |args: &[&str]| {
        let mut all = vec!["diff", "plain", "changed"];
        all.extend(args);
        project.run(&all).code(0).stdout
    };
    golden("diff/postgres.txt", &run(&[]));
    golden("diff/postgres.jsonl", &run(&["--rows", "--json"]));
    let one = run(&["--table", "Other.item"]);
    assert_eq!(one, run(&["--table", "\"Other\".item"]));
    let files = run(&["--files", "--limit", "0"]);
    assert!(files.contains("  ~ global/pg_control  8 KiB\n"), "{files}");
    assert!(files.contains("  - base/"), "{files}");
    project.leaves_nothing();
}

/// Keys of types that are put in order in different ways, and how each is made of a number.
const KEYS: [(&str, &str); 14] = [
    ("smallint", "n::smallint"),
    ("bigint", "n::bigint * 1000000007 - 5000000000"),
    ("numeric", "n * 0.5 - 100"),
    ("float8", "(n - 500) / 3.0"),
    ("text", "chr(97 + n % 26) || repeat(chr(233), n % 3) || n"),
    (
        "text COLLATE \"en-x-icu\"",
        "CASE n % 2 WHEN 0 THEN 'a' ELSE 'A' END || n",
    ),
    ("varchar(20) COLLATE \"POSIX\"", "E'\\t\\\\\\n' || n"),
    ("char(8)", "n::text"),
    ("uuid", "md5(n::text)::uuid"),
    ("date", "date '2020-01-01' - n * 1000"),
    (
        "timestamptz",
        "timestamptz '2020-01-01 UTC' + n * interval '1 hour'",
    ),
    ("bytea", "decode(md5(n::text), 'hex')"),
    ("interval", "n * interval '1 minute'"),
    ("int[]", "ARRAY[n, -n]"),
];

#[test]
fn rows_are_known_again_by_keys_of_any_type() {
    if !postgres() {
        return;
    }
    let (mut plain, mut changed) = (String::new(), String::new());
    for (table, (kind, key)) in KEYS.iter().enumerate() {
        plain += &format!(
            "CREATE TABLE t{table} (filler text, k1 {kind}, k2 boolean, v int, PRIMARY KEY (k1, k2));
             INSERT INTO t{table} SELECT 'x' || n, {key}, n % 5 = 0, n FROM generate_series(1, 1000) n;\n"
        );
        changed += &format!(
            "UPDATE t{table} SET v = -v WHERE v % 100 = 7;
             DELETE FROM t{table} WHERE v % 200 = 3;
             INSERT INTO t{table} SELECT 'y', {key}, n % 5 = 0, n FROM generate_series(1001, 1003) n;\n"
        );
    }
    let project = project(&plain, &changed);
    let stat = project
        .run(&["diff", "plain", "changed", "--stat"])
        .code(0)
        .stdout;
    let mut lines = stat.lines();
    assert_eq!(lines.next(), Some("schema: the same"));
    assert_eq!(lines.next(), Some("rows: 14 of 14 tables differ"));
    for line in lines {
        assert!(
            line.ends_with("  3 inserted, 10 updated, 5 deleted"),
            "{stat}"
        );
    }
}

#[test]
fn a_large_table_is_read_only_where_its_files_may_tell_of_another_one() {
    if !postgres() {
        return;
    }
    let mut plain = String::from("CREATE TYPE mood AS ENUM ('sad', 'ok');");
    for table in ["same", "read", "updated", "widened", "renamed", "parts"] {
        let (kind, value, parted) = match table {
            "renamed" => ("mood", "'sad'::mood", ""),
            "parts" => ("text", "repeat('x', 30)", "PARTITION BY RANGE (id)"),
            _ => (
                "text",
                "CASE n WHEN 1 THEN repeat(md5(n::text), 999) ELSE repeat('x', 30) END",
                "",
            ),
        };
        plain += &format!("CREATE TABLE {table} (id int PRIMARY KEY, v {kind}) {parted};");
        if !parted.is_empty() {
            plain += "CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (20000);
                CREATE TABLE high PARTITION OF parts FOR VALUES FROM (20000) TO (50000);";
        }
        plain +=
            &format!("INSERT INTO {table} SELECT n, {value} FROM generate_series(1, 40000) n;\n");
    }
    let changed = "SELECT count(*), sum(length(v)) FROM read;
         UPDATE updated SET v = overlay(v PLACING 'Y' FROM 10) WHERE id = 1;
         UPDATE parts SET v = 'y' WHERE id = 30000;
         ALTER TABLE widened ADD COLUMN more int DEFAULT 1;
         ALTER TYPE mood RENAME VALUE 'sad' TO 'glad';";
    let project = project(&plain, changed);
    let told = project
        .run(&["diff", "plain", "changed", "--rows", "--stat", "-vv"])
        .code(0);
    assert_eq!(
        told.stdout,
        "\
rows: 3 of 6 tables differ
  public.parts    1 updated
  public.renamed  40000 updated
  public.updated  1 updated
"
    );
    let is_skipped = |table: &str| {
        let line = format!("public.{table} has the same files on both sides");
        told.stderr.contains(&line)
    };
    let names = ["same", "read", "updated", "widened", "renamed", "parts"];
    let skipped: Vec<_> = names
        .into_iter()
        .filter(|table| is_skipped(table))
        .collect();
    assert_eq!(skipped, ["same", "read"], "{}", told.stderr);
}

#[test]
fn a_database_in_another_encoding_is_compared_by_what_clients_get() {
    if !postgres() {
        return;
    }
    // In the bytes of EUC_JP these come in another order than in UTF-8.
    let plain = "CREATE TABLE t (k text PRIMARY KEY, v int);
        INSERT INTO t SELECT k, 1 FROM unnest(ARRAY['い', 'あ漢', 'ー', 'α', 'Я', '漢', '亜', 'ｱ']) k;
        CREATE TABLE n AS SELECT * FROM t;";
    let changed = "UPDATE t SET v = 2 WHERE k IN ('漢', 'Я'); DELETE FROM n WHERE k = 'ｱ';";
    let spec = SPEC.replace(
        "database: shop,",
        "database: shop, settings: { encoding: EUC_JP, locale: C },",
    );
    let project = Project::new(&spec)
        .file("plain.sql", plain)
        .file("changed.sql", changed);
    let text = project.run(&["diff", "plain", "changed"]).code(0).stdout;
    assert!(
        text.ends_with("n (no common key: whole rows)\n  - k='ｱ', v=1\n\npublic.t (key: k)\n  ~ k='Я': v 1 → 2\n  ~ k='漢': v 1 → 2\n"),
        "{text}"
    );
}

#[test]
fn a_table_that_can_not_be_read_is_named() {
    if !postgres() {
        return;
    }
    let project = project(
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE m (id int PRIMARY KEY, mood mood);
         INSERT INTO m VALUES (1, 'sad');",
        // A value that nobody can write any more.
        "DELETE FROM pg_enum;",
    );
    project
        .run(&["diff", "plain", "changed", "--table", "m"])
        .code(97)
        .says("error: can't read the rows of public.m: invalid internal value for enum");
}
