//! Which steps a spec becomes, and what their keys depend on.

mod files;
mod programs;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;

use cowherd::digest::Digest;
use cowherd::plan::{BaseStep, EngineIdentity, Known, Plan, PlanError, Work, plan, selected};
use cowherd::spec::{CommandLine, Limits, Position, Service, Snapshot, Spec, Step, StepKind};
use tempfile::TempDir;

/// A folder with a spec over it.
#[must_use]
struct Project {
    root: TempDir,
    spec: Spec,
    version: &'static str,
}

/// A plan where no snapshot is stored.
fn plan_with(
    spec: &Spec,
    wanted: &[&str],
    identities: &dyn Fn(&Service) -> EngineIdentity,
) -> Result<Plan, PlanError> {
    let stored = &|_: &str| None;
    plan(spec, wanted, Known { identities, stored })
}

fn service(engine: &str) -> Service {
    Service {
        name: "db".into(),
        engine: engine.into(),
        database: "shop".into(),
        position: Position { line: 3, column: 5 },
        ..Service::default()
    }
}

impl Project {
    fn new(steps: Vec<StepKind>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let spec = Spec {
            file: "cowherd.yaml".into(),
            folder: root.path().to_owned(),
            snapshots: Vec::new(),
            tests: Vec::new(),
            packages: BTreeMap::new(),
            scratch: cowherd::spec::ScratchPlace::default(),
        };
        Self {
            root,
            spec,
            version: "15.18",
        }
        .snapshot("shop", None, steps)
    }

    fn snapshot(mut self, name: &str, from: Option<&str>, steps: Vec<StepKind>) -> Self {
        let line = 10 * (self.spec.snapshots.len() + 1);
        let steps = steps.into_iter().enumerate().map(|(index, kind)| Step {
            on: "db".into(),
            kind,
            position: Position {
                line: line + index + 1,
                column: 9,
            },
        });
        self.spec.snapshots.push(Snapshot {
            name: name.into(),
            stored: None,
            from: from.map(String::from),
            services: vec![service("postgres")],
            steps: steps.collect(),
            limits: Limits::default(),
            position: Position { line, column: 3 },
        });
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.write(name, content);
        self
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn service(&mut self) -> &mut Service {
        &mut self.spec.snapshots[0].services[0]
    }

    fn try_plan(&self, wanted: &[&str]) -> Result<Plan, PlanError> {
        plan_with(&self.spec, wanted, &|service| EngineIdentity {
            name: service.engine.clone(),
            version: self.version.into(),
            base: vec![
                BaseStep {
                    label: "initdb".into(),
                    fields: Vec::new(),
                    settings: false,
                },
                BaseStep {
                    label: "createdb".into(),
                    fields: vec![("database".into(), service.database.clone().into_bytes())],
                    settings: true,
                },
            ],
        })
    }

    #[track_caller]
    fn plan(&self) -> Plan {
        self.try_plan(&["shop"]).unwrap()
    }

    #[track_caller]
    fn keys(&self) -> Vec<Digest> {
        keys(&self.plan(), "shop")
    }

    /// How many steps at the start of the chain have the same keys after `change`.
    #[track_caller]
    fn kept(&self, before: &[Digest]) -> usize {
        let after = self.keys();
        let kept = before
            .iter()
            .zip(&after)
            .take_while(|(a, b)| a == b)
            .count();
        assert!(
            before[kept..].iter().all(|key| !after.contains(key)),
            "a later key came back"
        );
        kept
    }

    #[track_caller]
    fn problems(&self) -> String {
        match self.try_plan(&["shop"]).unwrap_err() {
            error @ PlanError::Problems { .. } => error.to_string(),
            other => panic!("{other}"),
        }
    }

    #[track_caller]
    fn scripts(&self) -> Vec<String> {
        match &self.plan().snapshots[0].chain.last().unwrap().work {
            Work::Scripts(scripts) => scripts.iter().map(|script| script.name.clone()).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn keys(plan: &Plan, snapshot: &str) -> Vec<Digest> {
    plan.snapshot(snapshot)
        .unwrap()
        .chain
        .iter()
        .map(|step| step.key)
        .collect()
}

fn sql(patterns: &[&str]) -> StepKind {
    StepKind::Sql(
        patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect(),
    )
}

fn migrate(dir: &str) -> StepKind {
    StepKind::Migrate {
        tool: None,
        dir: dir.into(),
        history: true,
        placeholders: BTreeMap::new(),
    }
}

fn run(line: &str, inputs: &[&str]) -> StepKind {
    StepKind::Run {
        command: CommandLine::Shell(line.into()),
        inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
        environment: BTreeMap::new(),
    }
}

/// Two engine steps, then one of each kind.
fn shop() -> Project {
    Project::new(vec![
        migrate("migrations"),
        sql(&["seed/*.sql"]),
        run("./load.sh data", &["data/*.csv"]),
    ])
    .file("migrations/V1__a.sql", "CREATE TABLE a (x int);")
    .file("migrations/V2__b.sql", "CREATE TABLE b (x int);")
    .file("seed/1.sql", "INSERT INTO a VALUES (1);")
    .file("seed/10.sql", "INSERT INTO a VALUES (10);")
    .file("seed/9.sql", "INSERT INTO a VALUES (9);")
    .file("load.sh", "#!/bin/sh\n")
    .file("data/a.csv", "1,2\n")
    .file("notes.txt", "")
}

#[test]
fn a_chain_starts_with_the_engine_and_follows_the_spec() {
    let project = shop();
    let plan = project.plan();
    let chain = &plan.snapshots[0].chain;
    let labels: Vec<&str> = chain.iter().map(|step| step.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "initdb",
            "createdb",
            "migrate migrations",
            "sql seed/*.sql",
            "run ./load.sh data"
        ]
    );
    assert_eq!(chain[0].parent, None);
    for pair in chain.windows(2) {
        assert_eq!(pair[1].parent, Some(pair[0].key));
    }
    assert_eq!(chain[1].work, Work::Base(1));
    let Work::Scripts(scripts) = &chain[3].work else {
        panic!()
    };
    let names: Vec<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
    assert_eq!(names, ["seed/1.sql", "seed/9.sql", "seed/10.sql"]);
    assert!(
        scripts
            .iter()
            .all(|script| script.path.is_absolute() && !script.transaction)
    );
    let Work::Scripts(scripts) = &chain[2].work else {
        panic!()
    };
    assert!(scripts.iter().all(|script| script.transaction));
    assert_eq!(
        chain[4].position,
        Position {
            line: 13,
            column: 9
        }
    );
}

#[test]
fn the_same_content_in_another_folder_has_the_same_keys() {
    let (one, other) = (shop(), shop());
    assert_ne!(one.root.path(), other.root.path());
    assert_eq!(one.keys(), other.keys());
    // However the folder is written.
    let mut other = other;
    let folder = other.root.path().join("seed/./..");
    other.spec.folder = folder;
    assert_eq!(one.keys(), other.keys());
}

#[test]
fn a_set_of_migrations_has_a_key_for_each_of_its_prefixes() {
    let project = shop().file("migrations/V3__c.sql", "CREATE TABLE c (x int);");
    let cuts = |project: &Project| project.plan().snapshots[0].cuts();
    let before = cuts(&project);
    assert_eq!(before.len(), 7);
    let places: Vec<_> = before.iter().map(|cut| (cut.step, cut.scripts)).collect();
    assert_eq!(
        places,
        [(0, 0), (1, 0), (2, 1), (2, 2), (2, 3), (3, 3), (4, 0)]
    );
    let kept = |project: &Project| {
        let after = cuts(project);
        let kept = before
            .iter()
            .zip(&after)
            .take_while(|(a, b)| a.key == b.key)
            .count();
        assert!(
            before[kept..]
                .iter()
                .all(|cut| after.iter().all(|other| other.key != cut.key))
        );
        kept
    };
    project.write("migrations/V4__d.sql", "CREATE TABLE d (x int);");
    assert_eq!(kept(&project), 5);
    project.write("migrations/V3__c.sql", "CREATE TABLE c (y int);");
    assert_eq!(kept(&project), 4);
    project.write("migrations/V1__a.sql", "CREATE TABLE a (y int);");
    assert_eq!(kept(&project), 2);
}

#[test]
fn an_edit_changes_its_own_step_and_all_after_it() {
    let project = shop();
    let before = project.keys();
    assert_eq!(before.len(), 5);
    project.write("notes.txt", "not read by any step");
    assert_eq!(project.kept(&before), 5);
    for (file, kept) in [
        ("data/a.csv", 4),
        ("load.sh", 4),
        ("seed/9.sql", 3),
        ("migrations/V2__b.sql", 2),
    ] {
        let old = fs::read_to_string(project.root.path().join(file)).unwrap();
        project.write(file, &format!("{old} "));
        assert_eq!(project.kept(&before), kept, "{file}");
        project.write(file, &old);
        assert_eq!(project.keys(), before);
    }
    // A new file, or a new name, changes the step too.
    project.write("seed/11.sql", "");
    assert_eq!(project.kept(&before), 3);
    fs::remove_file(project.root.path().join("seed/11.sql")).unwrap();
    let seed = project.root.path().join("seed");
    fs::rename(seed.join("10.sql"), seed.join("12.sql")).unwrap();
    assert_eq!(project.kept(&before), 3);
}

#[test]
fn bytes_that_move_from_one_file_to_the_next_change_the_key() {
    let project = Project::new(vec![sql(&["*.sql"])])
        .file("1.sql", "ab")
        .file("2.sql", "c");
    let before = project.keys();
    project.write("1.sql", "a");
    project.write("2.sql", "bc");
    assert_eq!(project.kept(&before), 2);
}

#[test]
fn engine_settings_database_and_command_belong_to_the_keys() {
    let mut project = shop();
    let before = project.keys();
    project.version = "15.19";
    assert_eq!(project.kept(&before), 0);
    project.version = "15.18";
    project
        .service()
        .settings
        .insert("work_mem".into(), "8MB".into());
    assert_eq!(
        project.kept(&before),
        1,
        "initdb doesn't depend on settings, createdb does"
    );
    project.service().settings.clear();
    project.service().database = "other".into();
    assert_eq!(project.kept(&before), 1);
    project.service().database = "shop".into();
    project.service().bin_dir = Some("/opt/pg".into());
    assert_eq!(
        project.kept(&before),
        5,
        "where the programs are does not matter"
    );

    let StepKind::Run { environment, .. } = &mut project.spec.snapshots[0].steps[2].kind else {
        panic!()
    };
    environment.insert("SIZE".into(), "1".into());
    assert_eq!(project.kept(&before), 4);
}

#[test]
fn the_kind_of_step_and_the_tool_belong_to_the_keys() {
    let plain = |kind| Project::new(vec![kind]).file("m/1_a.sql", "SELECT 1;");
    let tool = |tool: &str| StepKind::Migrate {
        tool: Some(tool.into()),
        dir: "m".into(),
        history: true,
        placeholders: BTreeMap::new(),
    };
    let all = [sql(&["m/*.sql"]), migrate("m"), tool("sqlx")].map(|kind| plain(kind).keys()[2]);
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    assert_eq!(
        plain(tool("sql")).keys()[2],
        all[1],
        "detected or named, it is the same tool"
    );

    // A setting beside the migration changes how it runs.
    let flyway = Project::new(vec![migrate("m")]).file("m/V1__a.sql", "SELECT 1;");
    let before = flyway.keys();
    flyway.write("m/V1__a.sql.conf", "executeInTransaction=false");
    assert_eq!(flyway.kept(&before), 2);
}

#[test]
fn a_child_shares_its_parents_chain() {
    let mut project = shop()
        .snapshot("big", Some("shop"), vec![sql(&["seed/9.sql"])])
        .snapshot("bigger", Some("big"), vec![sql(&["seed/1.sql"])])
        .snapshot("same", Some("shop"), vec![sql(&["seed/9.sql"])])
        .snapshot("unused", None, vec![sql(&["missing.sql"])]);
    project.spec.snapshots[0].limits.memory = Some(7);
    project.spec.snapshots[1].limits.pids = Some(9);
    let plan = project.try_plan(&["bigger", "same", "shop"]).unwrap();
    let names: Vec<&str> = plan.snapshots.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        ["shop", "big", "bigger", "same"],
        "parents first, each once"
    );
    assert_eq!(keys(&plan, "bigger")[..6], keys(&plan, "big"));
    assert_eq!(keys(&plan, "big")[..5], keys(&plan, "shop"));
    assert_eq!(
        keys(&plan, "same"),
        keys(&plan, "big"),
        "the name is no part of the state"
    );
    let limits = plan.snapshot("bigger").unwrap().limits;
    assert_eq!((limits.memory, limits.pids), (Some(7), Some(9)));
}

#[test]
fn unknown_snapshots_and_circles_are_errors() {
    let mut project = shop();
    let error = project.try_plan(&["shpo"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "can't find a snapshot named `shpo` in cowherd.yaml"
    );
    assert_eq!(error.hint().unwrap(), "the snapshots are shop");
    project.spec.snapshots[0].from = Some("shop".into());
    assert!(matches!(
        project.try_plan(&["shop"]),
        Err(PlanError::Cycle { .. })
    ));
    assert!(selected(&project.spec, &[]).unwrap().is_empty());
}

#[test]
fn two_services_stand_in_one_chain() {
    let mut project = Project::new(vec![sql(&["a.sql"]), sql(&["a.sql"])]).file("a.sql", "");
    let mut cache = service("sqlite");
    cache.name = "cache".into();
    project.spec.snapshots[0].services.push(cache);
    project.spec.snapshots[0].steps[1].on = "cache".into();
    let plan = project.plan();
    let steps: Vec<_> = plan.snapshots[0]
        .chain
        .iter()
        .map(|s| (s.service.as_str(), s.label.as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            ("db", "initdb"),
            ("db", "createdb"),
            ("cache", "initdb"),
            ("cache", "createdb"),
            ("db", "sql a.sql"),
            ("cache", "sql a.sql"),
        ]
    );
}

#[test]
fn an_engine_is_asked_once_for_each_service() {
    let project = shop().snapshot("big", Some("shop"), vec![sql(&["seed/9.sql"])]);
    let asked = RefCell::new(0);
    plan_with(&project.spec, &["big", "shop"], &|_| {
        *asked.borrow_mut() += 1;
        EngineIdentity {
            name: "x".into(),
            version: "1".into(),
            base: Vec::new(),
        }
    })
    .unwrap();
    assert_eq!(asked.into_inner(), 1);
}
