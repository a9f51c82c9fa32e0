//! MariaDB's types, keys and objects.

use crate::support::{Project, golden, mariadb};

const SPEC: &str = "\
version: 1
snapshots:
  plain: { engine: mariadb, database: shop, steps: [ { sql: plain.sql } ] }
  changed: { from: plain, steps: [ { sql: changed.sql } ] }
";

fn project(plain: &str, changed: &str) -> Project {
    Project::new(SPEC)
        .file("plain.sql", plain)
        .file("changed.sql", changed)
}

#[test]
fn mariadb_snapshots_are_compared_by_schema_and_rows() {
    if !mariadb() {
        return;
    }
    let project = project(
        r#"
CREATE TABLE item (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, name varchar(50), b varbinary(10), at datetime,
  x decimal(5, 2), f bit(3), m enum('sad', 'ok'), twice int AS (f * 2) STORED);
INSERT INTO item (name, b, at, x, f, m) VALUES ('a', x'00ff', '2024-01-02 03:04:05', 1.5, b'101', 'ok'),
  (NULL, NULL, NULL, NULL, NULL, NULL), ('tab\t nl\n bs\\N q"\'', '', NULL, 2, b'0', 'sad'), ('\\N', NULL, NULL, 0, NULL, NULL);
CREATE TABLE `order` (k varchar(20), n tinyint, v text, PRIMARY KEY (k, n));
INSERT INTO `order` VALUES ('b', 1, 'x'), ('B2', -1, 'x'), ('A', 2, NULL), ('ß', 3, ''), ('z z', 4, 'NULL');
CREATE TABLE nokey (a int, b text);
INSERT INTO nokey VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (3, 'q"\\,');
CREATE TABLE `odd ``name` (a int CHECK (a > 0), b int, CONSTRAINT both_positive CHECK (a + b > 0), KEY ab (a, b));
CREATE TABLE gone (id int PRIMARY KEY);
INSERT INTO gone VALUES (1), (2);
CREATE VIEW items AS SELECT id FROM item;
CREATE FUNCTION one() RETURNS int RETURN 1;
"#,
        r"
UPDATE item SET name = 'A', b = x'00fe', f = b'111' WHERE id = 1;
DELETE FROM item WHERE id = 2;
INSERT INTO item (id, name) VALUES (18446744073709551615, 'last'), (10, '10 after 9'), (9, 'nine');
UPDATE `order` SET v = NULL WHERE n IN (3, 4);
DELETE FROM nokey WHERE a = 1 LIMIT 1;
INSERT INTO nokey VALUES (4, 'new\tline\n');
ALTER TABLE `odd ``name` ADD COLUMN c int NOT NULL DEFAULT 7, DROP CONSTRAINT both_positive;
CREATE TABLE child (item bigint unsigned, CONSTRAINT of_item FOREIGN KEY (item) REFERENCES item (id) ON DELETE CASCADE);
CREATE TRIGGER shout BEFORE INSERT ON item FOR EACH ROW SET NEW.name = upper(NEW.name);
CREATE SEQUENCE counter;
CREATE OR REPLACE VIEW items AS SELECT id, name FROM item;
CREATE OR REPLACE FUNCTION one() RETURNS int RETURN 2;
CREATE PROCEDURE two(IN a int, OUT b text) SELECT 1;
CREATE UNIQUE INDEX by_name ON item (name(10), at);
DROP TABLE gone;
",
    );
    project.run(&["build"]).code(0);
    let told = project.run(&["diff", "plain", "changed", "--schema", "--rows"]);
    golden("diff/mariadb.txt", &told.code(0).stdout);
    let one = project.run(&["diff", "plain", "changed", "--table", "`order`"]);
    assert!(one.code(0).stdout.contains("2 updated"));
    let same = project.run(&["diff", "plain", "plain", "--exit-code"]);
    same.code(0);
    project.leaves_nothing();
}

/// More than a pipe holds, so that both servers wait for their reader.
#[test]
fn long_tables_are_read_as_they_come() {
    if !mariadb() {
        return;
    }
    let project = project(
        "CREATE TABLE t (id int PRIMARY KEY, v text) AS SELECT seq AS id, repeat('v', 200) AS v FROM seq_1_to_20000;\n\
         CREATE TABLE words (w varchar(30)) AS SELECT concat('w', seq % 4999) AS w FROM seq_1_to_20000;",
        "UPDATE t SET v = 'x' WHERE id IN (7, 19999); DELETE FROM words LIMIT 1;",
    );
    let told = project.run(&["diff", "plain", "changed", "--rows", "--stat"]);
    let told = told.code(0).stdout;
    assert!(told.contains("2 updated"), "{told}");
    assert!(told.contains("1 deleted"), "{told}");
}

/// Keys of types that are put in order in different ways, and how each is made of a number.
const KEYS: [(&str, &str); 13] = [
    ("smallint", "seq"),
    ("bigint", "seq * 1000000007 - 5000000000"),
    ("bigint unsigned", "18446744073709551615 - seq"),
    ("decimal(8, 2)", "seq * 0.5 - 100"),
    ("double", "(seq - 500) / 4"),
    (
        "varchar(30)",
        "concat(char(97 + seq % 26), repeat('é', seq % 3), seq)",
    ),
    (
        "varchar(30) COLLATE utf8mb4_bin",
        "concat(if(seq % 2, 'A', 'a'), seq)",
    ),
    ("varchar(30) CHARACTER SET latin1", "concat('ü', seq)"),
    ("char(8)", "concat('\\t', seq)"),
    ("binary(16)", "unhex(md5(seq))"),
    ("date", "date '2020-01-01' - INTERVAL seq DAY"),
    ("time", "sec_to_time(seq - 300)"),
    (
        "uuid",
        "concat('00000000-0000-4000-8000-', lpad(hex(seq * 7919), 12, '0'))",
    ),
];

#[test]
fn rows_are_known_again_by_keys_of_any_type() {
    if !mariadb() {
        return;
    }
    let (mut plain, mut changed) = (String::new(), String::new());
    for (table, (kind, key)) in KEYS.iter().enumerate() {
        plain += &format!(
            "CREATE TABLE t{table} (filler text, k1 {kind}, k2 boolean, v int, PRIMARY KEY (k1, k2));
             INSERT INTO t{table} SELECT concat('x', seq), {key}, seq % 5 = 0, seq FROM (SELECT CAST(seq AS SIGNED) AS seq FROM seq_1_to_1000) n;\n"
        );
        changed += &format!(
            "UPDATE t{table} SET v = -v WHERE v % 100 = 7;
             DELETE FROM t{table} WHERE v % 200 = 3;
             INSERT INTO t{table} SELECT 'y', {key}, seq % 5 = 0, seq FROM (SELECT CAST(seq AS SIGNED) AS seq FROM seq_1001_to_1003) n;\n"
        );
    }
    let project = project(&plain, &changed);
    let told = project.run(&["diff", "plain", "changed", "--rows", "--stat"]);
    let told = told.code(0).stdout;
    for table in 0..KEYS.len() {
        let line = told
            .lines()
            .find(|line| line.contains(&format!("t{table} ")));
        let line = line.unwrap_or_else(|| panic!("no t{table} in:\n{told}"));
        assert!(
            line.ends_with("3 inserted, 10 updated, 5 deleted"),
            "{line}"
        );
    }
}
