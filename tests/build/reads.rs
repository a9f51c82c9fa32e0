//! Who only reads a frozen PostgreSQL writes nothing, counted twice: in pages that a query made dirty, as the server
//! counts them, and in bytes of files that differ from those of the layers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cowherd::container::{Live, Order, State};
use cowherd::engine::Address;
use cowherd::schedule::Stop;
use postgres::{Client, NoTls};

use crate::support::{Project, postgres, userns};

/// Rows that were changed, locked, rolled back and removed; every kind of index, of table, and of large value.
const FIRST: &str = "\
CREATE TABLE customer (id serial PRIMARY KEY, name text UNIQUE, note text, tags text[], at timestamptz);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer integer NOT NULL REFERENCES customer, paid boolean);
INSERT INTO customer (name, note, tags, at) SELECT 'name ' || g, repeat(md5(g::text), 200), ARRAY[g::text, 'x'],
 timestamptz '2024-01-01' + g * interval '1 minute' FROM generate_series(1, 3000) AS g;
INSERT INTO orders (customer, paid) SELECT 1 + g % 3000, false FROM generate_series(1, 9000) AS g;
ALTER TABLE customer ALTER note SET STORAGE EXTERNAL;
UPDATE customer SET note = note || id WHERE id % 3 = 0;
UPDATE orders SET paid = true WHERE id % 2 = 0;
DELETE FROM orders WHERE id % 5 = 0;
BEGIN; INSERT INTO orders (customer) SELECT 1 FROM generate_series(1, 500); ROLLBACK;
BEGIN; SAVEPOINT a; UPDATE orders SET paid = NULL; ROLLBACK TO a; SELECT count(*) FROM (SELECT FROM orders FOR UPDATE) AS a; COMMIT;
CREATE INDEX ON orders USING hash (customer);
CREATE INDEX ON customer USING gin (tags);
CREATE INDEX ON customer USING brin (at);
CREATE INDEX ON customer USING gist (int4range(id, id + 5));
CREATE INDEX ON customer USING spgist (name);
INSERT INTO customer (name, tags, at) SELECT 'late ' || g, ARRAY['late'], now() FROM generate_series(1, 300) AS g;
DELETE FROM orders WHERE customer = 7;
CREATE TABLE whole (x integer, y text) PARTITION BY RANGE (x);
CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (1000000);
INSERT INTO whole SELECT g, md5(g::text) FROM generate_series(1, 2000) AS g;
CREATE UNLOGGED TABLE unlogged AS SELECT g AS x FROM generate_series(1, 1000) AS g;
CREATE MATERIALIZED VIEW totals AS SELECT customer, count(*) FROM orders GROUP BY customer;
CREATE TABLE emptied AS SELECT g AS x FROM generate_series(1, 1000) AS g;
DELETE FROM emptied;
SELECT lo_from_bytea(0, decode(repeat('00ff', 20000), 'hex'));
";

/// Another layer, over tables of the first.
const SECOND: &str = "\
BEGIN; INSERT INTO orders (customer) SELECT 9 FROM generate_series(1, 200); COMMIT;
UPDATE customer SET name = upper(name) WHERE id < 100;
REFRESH MATERIALIZED VIEW totals;
CREATE TABLE later (x integer PRIMARY KEY);
INSERT INTO later SELECT generate_series(1, 2000);
DELETE FROM later WHERE x < 1000;
CREATE ROLE reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
";

/// For each kind of index and of large value.
const QUERIES: [&str; 11] = [
    "SELECT count(*) FROM orders JOIN customer ON customer.id = orders.customer WHERE paid",
    "SELECT sum(length(note)) FROM customer",
    "SELECT * FROM customer WHERE tags @> ARRAY['late']",
    "SELECT * FROM customer WHERE at > '2024-01-02' AND at < '2024-01-03'",
    "SELECT * FROM customer WHERE int4range(id, id + 5) @> 1000",
    "SELECT * FROM customer WHERE name ^@ 'late'",
    "SELECT * FROM orders WHERE customer = 9 OR customer = 7",
    "SELECT id FROM orders ORDER BY id",
    "SELECT x FROM later ORDER BY x DESC",
    "SELECT * FROM orders_id_seq, customer_id_seq",
    "SELECT lo_get(oid) FROM pg_largeobject_metadata",
];

fn connected(state: &State, live: &Live) -> Client {
    let place = state.services[0].place();
    let variables = state.services[0].environment(&Address::Inside);
    let port = variables.iter().find(|(name, _)| name == "PGPORT");
    Client::configure()
        .host_path(live.reach(&place.sockets()))
        .port(port.expect("a port").1.parse().expect("a number"))
        .user("postgres")
        .dbname("app")
        .connect(NoTls)
        .expect("a connection")
}

/// Runs a query, and says how many pages it made dirty, by the plan's own count, planning included.
fn dirtied(client: &mut Client, query: &str) -> u64 {
    let plan = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {query}");
    let lines = client
        .query(&plan, &[])
        .unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let lines = lines.iter().map(|line| line.get::<_, String>(0));
    let counts = lines.flat_map(|line| {
        let words = line
            .split(' ')
            .filter_map(|word| word.strip_prefix("dirtied="));
        words
            .map(|count| count.parse::<u64>().expect("a number"))
            .collect::<Vec<_>>()
    });
    counts.sum()
}

/// Reads all tables, and the user's in every way that the planner has; the queries that made pages dirty come back.
fn read_everything(client: &mut Client) -> Vec<String> {
    let tables = client
        .query(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm', 'p', 't') ORDER BY oid",
            &[],
        )
        .expect("tables");
    assert!(tables.len() > 70, "{} tables", tables.len());
    let tables = tables
        .iter()
        .map(|table| format!("SELECT * FROM {}", table.get::<_, &str>(0)));
    let mut queries: Vec<String> = tables.collect();
    let mut found = Vec::new();
    for planner in [
        "RESET ALL",
        "SET enable_seqscan = off; SET enable_bitmapscan = off",
        "RESET ALL; SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off",
    ] {
        client.batch_execute(planner).expect("settings");
        queries.extend(QUERIES.map(str::to_owned));
        for query in queries.drain(..) {
            let pages = dirtied(client, &query);
            if pages > 0 {
                found.push(format!("{pages} pages by {query}; {planner}"));
            }
        }
    }
    found
}

/// The files of tables and indexes in the writable layer, below its root: how many are as the layers have them, and
/// which are not.
fn compared(state: &State, upper: &Path) -> (usize, BTreeSet<String>) {
    let (mut same, mut differing) = (0, BTreeSet::new());
    let mut look = |entry: &cowherd::disk::Entry| {
        let name = entry
            .relative
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let is_relation = name.starts_with(|c: char| c.is_ascii_digit())
            && (entry.relative.starts_with("base") || entry.relative.starts_with("global"));
        if entry.metadata.is_file() && is_relation {
            let layers = state.layers.iter().filter_map(|layer| layer.lower("db"));
            let mut files =
                layers.map(|layer| state.layers_folder.join(layer).join(&entry.relative));
            let below = files
                .find(|file| file.exists())
                .map(|file| fs::read(file).expect("a file"));
            match below == Some(fs::read(&entry.path).expect("a file")) {
                true => same += 1,
                false => drop(differing.insert(entry.relative.display().to_string())),
            }
        }
        Ok::<(), cowherd::disk::DiskError>(())
    };
    cowherd::disk::walk(upper, cowherd::disk::Reach::Force, &mut look).expect("a folder");
    (same, differing)
}

fn live(project: &Project) -> (std::sync::Arc<State>, Live) {
    let file = project.folder().join("cowherd.yaml");
    let opened = cowherd::project::Project::open_in(&file, &project.store()).expect("a project");
    let stop = Stop::new().expect("an order");
    let state = opened.prepare_one("app", &stop, &mut |_| {});
    let state = state.expect("a project").expect("a state");
    let live = Order::unseen(opened.on(), &state)
        .start(None)
        .expect("a container");
    (state, live)
}

#[test]
fn reading_everything_writes_no_page() {
    if !userns() || !postgres() {
        return;
    }
    // After a minute the server would tidy up by itself.
    let spec = "\
version: 1
snapshots:
  app:
    engine: postgres
    settings: { autovacuum: 'off' }
    steps: [ { sql: first.sql }, { sql: second.sql } ]
";
    let project = Project::new(spec)
        .file("first.sql", FIRST)
        .file("second.sql", SECOND);
    project.run(&["build"]).code(0);
    let (state, live) = live(&project);
    let mut client = connected(&state, &live);
    assert_eq!(read_everything(&mut client), [] as [String; 0]);
    // What is dirty without a query's doing would get to the files now.
    client.batch_execute("CHECKPOINT").expect("a checkpoint");
    let upper = live.changes("db").expect("a folder");
    let (same, differing) = compared(&state, &upper);
    assert_eq!(differing, BTreeSet::new());
    assert!(same > 50, "{same} files were opened");

    // The counts can tell: one row more is seen by both.
    assert!(dirtied(&mut client, "INSERT INTO later VALUES (1)") > 0);
    client.batch_execute("CHECKPOINT").expect("a checkpoint");
    assert!(!compared(&state, &upper).1.is_empty());
}
