//! Keys of servers without an adapter: what they are, and what they read, counts where they run.

use std::fs;

use cowherd::digest::Digest;
use cowherd::plan::{EngineIdentity, Known, Plan, PlanError};
use cowherd::spec::{self, Service};

const SPEC: &str = "\
version: 1
snapshots:
  shop:
    services:
      db: { engine: sqlite }
      kv: { engine: service, command: [./kv, --data, '{data}'], init: ./fill, inputs: [kv.conf], ports: [1] }
      web: { engine: service, command: [nginx], inputs: [html], depends_on: [db] }
    steps:
      - { on: db, sql: a.sql }
      - { on: db, run: { command: load, inputs: [] } }
      - { on: web, run: { command: warm, inputs: [] } }
";

/// A folder with the spec and its files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.0.path().join("html")).unwrap();
        for file in ["a.sql", "kv", "fill", "kv.conf", "html/index.html"] {
            folder.write(file, "");
        }
        folder
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(file), text).unwrap();
    }

    fn plan(&self, spec: &str) -> Result<Plan, PlanError> {
        let file = self.0.path().join("cowherd.yaml");
        let spec = spec::parse(&file, spec.as_bytes(), &|_| None).unwrap();
        let identity = |service: &Service| EngineIdentity {
            name: service.engine.clone(),
            version: "1".to_owned(),
            base: vec![cowherd::plan::BaseStep {
                label: "base".to_owned(),
                fields: Vec::new(),
                settings: false,
            }],
        };
        let known = Known {
            identities: &identity,
            stored: &|_| None,
        };
        cowherd::plan::plan(&spec, &["shop"], known)
    }

    fn keys(&self, spec: &str) -> Vec<Digest> {
        let plan = self.plan(spec).unwrap();
        plan.snapshots[0]
            .chain
            .iter()
            .map(|step| step.key)
            .collect()
    }

    /// Which step is the first with another key, after this change of the spec.
    #[track_caller]
    fn first_changed(&self, before: &[Digest], spec: &str) -> Option<usize> {
        let after = self.keys(spec);
        before.iter().zip(&after).position(|(a, b)| a != b)
    }
}

/// The steps of the chain by their places.
const KV: usize = 1;
const LOAD: usize = 4;
const WARM: usize = 5;

#[test]
fn what_a_server_reads_counts_from_the_step_on_in_which_it_runs() {
    let folder = Folder::new();
    let before = folder.keys(SPEC);
    assert_eq!(before.len(), 6);
    // What serves pages keeps nothing and waits for the database: only the last step runs with it.
    folder.write("html/index.html", "new");
    assert_eq!(folder.first_changed(&before, SPEC), Some(WARM));
    folder.write("html/index.html", "");
    // What keeps data is filled by what it reads.
    for file in ["kv", "fill", "kv.conf"] {
        folder.write(file, "new");
        assert_eq!(folder.first_changed(&before, SPEC), Some(KV), "{file}");
        folder.write(file, "");
    }
    assert_eq!(folder.keys(SPEC), before);
}

#[test]
fn how_a_server_is_started_counts_and_how_it_is_asked_does_not() {
    let folder = Folder::new();
    let before = folder.keys(SPEC);
    let changed = |from: &str, to: &str| {
        let spec = SPEC.replace(from, to);
        assert_ne!(spec, SPEC);
        folder.first_changed(&before, &spec)
    };
    assert_eq!(changed("--data", "--folder"), Some(KV));
    assert_eq!(
        changed("ports: [1]", "ports: [1], environment: { A: b }"),
        Some(KV)
    );
    assert_eq!(changed("ports: [1]", "ports: [1], stop: x"), Some(KV));
    assert_eq!(changed("ports: [1]", "ports: [1], data_dir: /x"), Some(KV));
    assert_eq!(changed("[nginx]", "[nginx, -q]"), Some(WARM));
    let asked = "ports: [2, 3], healthcheck: { tcp: 3, timeout: 1s }, client: [x], stop_grace_period: 1s, url: 'kv://h:2'";
    assert_eq!(changed("ports: [1]", asked), None);
    assert_eq!(
        changed(
            "depends_on: [db]",
            "depends_on: { db: { condition: service_started } }"
        ),
        None
    );
    // Without needing the database, it runs with the step that loads that.
    assert_eq!(changed("depends_on: [db]", "depends_on: []"), Some(LOAD));
}

#[test]
fn what_runs_with_a_step_is_planned() {
    let folder = Folder::new();
    let plan = folder.plan(SPEC).unwrap();
    let beside: Vec<_> = plan.snapshots[0]
        .chain
        .iter()
        .map(|step| step.beside.join(" "))
        .collect();
    assert_eq!(beside, ["", "", "", "", "kv", "db kv"]);
}

#[test]
fn a_file_that_a_server_reads_and_that_is_not_there_is_one_problem() {
    let folder = Folder::new();
    fs::remove_file(folder.0.path().join("kv.conf")).unwrap();
    let error = folder.plan(SPEC).unwrap_err();
    let PlanError::Problems { problems, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(problems.len(), 1, "{error}");
    assert_eq!(
        (problems[0].position.line, problems[0].position.column),
        (6, 7)
    );
    assert!(
        error.to_string().contains("can't find `kv.conf`"),
        "{error}"
    );
}

#[test]
fn what_is_said_of_servers_is_known_as_a_whole() {
    let folder = Folder::new();
    let programs = |spec: &str| folder.plan(spec).unwrap().snapshots[0].programs;
    let before = programs(SPEC);
    assert!(before.is_some());
    folder.write("html/index.html", "new");
    assert_ne!(programs(SPEC), before);
    let none = "version: 1\nsnapshots: { shop: { engine: sqlite } }\n";
    assert_eq!(programs(none), None);
}
