//! What differs between two states: `cowherd diff`, and the library under it.

mod command;
mod files;
mod kept;
mod mariadb;
mod postgres;
mod rows;

use crate::support::Project;

/// Two SQLite snapshots that differ in whatever SQLite can differ in.
pub(crate) fn sqlite_shop() -> Project {
    Project::new(
        "\
version: 1
snapshots:
  plain: { engine: sqlite, database: shop, steps: [ { sql: plain.sql } ] }
  changed: { from: plain, steps: [ { sql: changed.sql } ] }
",
    )
    .file(
        "plain.sql",
        "\
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, x);
INSERT INTO item VALUES (1, 'hat', 1), (2, 'it''s', x'00ff'), (3, 'cap', 2.0), (4, 'same', NULL);
CREATE TABLE stock (place TEXT, item INTEGER REFERENCES item (id), n INT CHECK (n >= 0), PRIMARY KEY (place, item)) WITHOUT ROWID;
INSERT INTO stock VALUES ('a', 2, 7), ('a', 10, 1), ('b', 1, 5);
CREATE TABLE nokey (a, b);
INSERT INTO nokey VALUES (1, 2), (1, 2), (1.0, 2), (NULL, 'x');
CREATE TABLE nullkey (k TEXT PRIMARY KEY, v);
INSERT INTO nullkey VALUES (NULL, 1), (NULL, 1), ('a', 2);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
INSERT INTO counted VALUES (5);
CREATE TABLE doubled (a INTEGER PRIMARY KEY, b AS (a * 2));
INSERT INTO doubled VALUES (1);
CREATE TABLE gone (id INTEGER PRIMARY KEY);
INSERT INTO gone VALUES (1), (2);
CREATE TABLE untouched (id INTEGER PRIMARY KEY);
CREATE VIEW items AS SELECT * FROM item;
",
    )
    .file(
        "changed.sql",
        "\
UPDATE item SET x = 2 WHERE id = 3;
UPDATE item SET x = '', name = 'it''s' || char(10) || 'old' WHERE id = 2;
DELETE FROM item WHERE id = 1;
INSERT INTO item VALUES (9, 'scarf', 0.5);
ALTER TABLE item ADD COLUMN note TEXT NOT NULL DEFAULT '';
UPDATE stock SET n = 0 WHERE item = 10;
DELETE FROM nokey WHERE typeof(a) = 'real';
INSERT INTO nokey VALUES (1, 2);
UPDATE nullkey SET v = 3 WHERE k = 'a';
INSERT INTO counted VALUES (NULL);
UPDATE doubled SET a = 2;
DROP TABLE gone;
CREATE TABLE brought (id INTEGER PRIMARY KEY);
INSERT INTO brought VALUES (1);
DROP VIEW items;
CREATE INDEX item_name ON item (name);
CREATE TRIGGER counted_is_watched AFTER INSERT ON counted BEGIN SELECT 1; END;
",
    )
}
