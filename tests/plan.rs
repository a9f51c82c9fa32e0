//! Which steps a spec becomes, and what their keys depend on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cowherd::digest::Digest;
use cowherd::plan::{
    BaseStep, CaseAction, EngineIdentity, Plan, PlanError, Work, expand_each, plan, selected, tests,
};
use cowherd::spec::{
    CommandLine, Files, Limits, Position, Service, Snapshot, Spec, Step, StepKind, Test, TestKind,
};
use tempfile::TempDir;

/// A folder with a spec over it.
#[must_use]
struct Project {
    root: TempDir,
    spec: Spec,
    version: &'static str,
}

fn service(engine: &str) -> Service {
    Service {
        name: "db".into(),
        engine: engine.into(),
        database: "shop".into(),
        settings: BTreeMap::new(),
        bin_dir: None,
        position: Position { line: 3, column: 5 },
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
        plan(&self.spec, wanted, &|service| EngineIdentity {
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
    plan(&project.spec, &["big", "shop"], &|_| {
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

#[test]
fn everything_missing_is_reported_at_once_with_its_place() {
    let project = Project::new(vec![
        sql(&["seed/*.sql", "scema.sql", "seed"]),
        run("x", &["data/*.csv", "a[.csv"]),
        migrate("nowhere"),
    ])
    .file("schema.sql", "")
    .file("seed/a.txt", "");
    let text = project.problems();
    let expected = [
        "cowherd.yaml:11:9: can't find a file that matches `seed/*.sql`",
        "cowherd.yaml:11:9: can't find `scema.sql`",
        "  hint: paths start in the folder of the spec; that folder has schema.sql, seed",
        "cowherd.yaml:11:9: can't use `seed`: it is a folder",
        "cowherd.yaml:12:9: can't find a file that matches `data/*.csv`",
        "cowherd.yaml:12:9: can't understand the pattern `a[.csv`: invalid range pattern (character 2)",
        "cowherd.yaml:13:9: can't use the migrations in `nowhere`: can't read",
    ];
    for line in expected {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn patterns_list_each_file_once_in_natural_order() {
    let project = Project::new(vec![sql(&["z.sql", "*.sql", "**/2.sql", "z.sql"])])
        .file("10.sql", "")
        .file("2.sql", "")
        .file("z.sql", "")
        .file("a/b/2.sql", "")
        .file(".hidden.sql", "")
        .file("dir.sql/x", "");
    assert_eq!(
        project.scripts(),
        ["z.sql", "2.sql", "10.sql", "a/b/2.sql", "z.sql"]
    );
}

#[test]
fn a_name_with_pattern_characters_is_taken_as_it_stands_first() {
    let project = Project::new(vec![sql(&["a[1].sql", "./sub/../b.sql"])])
        .file("a[1].sql", "")
        .file("b.sql", "");
    project.write("sub/x", "");
    assert_eq!(project.scripts(), ["a[1].sql", "b.sql"]);
}

#[test]
fn files_outside_of_the_folder_go_by_their_own_name() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("shared.sql");
    fs::write(&path, "SELECT 1;").unwrap();
    let project = |path: &Path| Project::new(vec![sql(&[path.to_str().unwrap()])]);
    let first = project(&path);
    assert_eq!(first.scripts(), ["shared.sql"]);
    let moved = outside.path().join("moved/shared.sql");
    fs::create_dir(moved.parent().unwrap()).unwrap();
    fs::copy(&path, &moved).unwrap();
    assert_eq!(first.keys(), project(&moved).keys());
}

#[test]
fn what_a_script_includes_belongs_to_its_step() {
    let project = Project::new(vec![sql(&["seed/all.sql"])])
        .file(
            "seed/all.sql",
            "\\ir parts/a.sql\n\\copy t from 'data/t.csv'\n\\if :x\n\\i later.sql\n\\endif\n",
        )
        .file("seed/parts/a.sql", "\\ir ../all.sql\n\\i seed/b.sql\n")
        .file("seed/b.sql", "SELECT 1;")
        .file("data/t.csv", "1\n");
    let before = project.keys();
    for file in [
        "seed/b.sql",
        "data/t.csv",
        "seed/parts/a.sql",
        "seed/all.sql",
    ] {
        let old = fs::read_to_string(project.root.path().join(file)).unwrap();
        project.write(file, &format!("{old}\n"));
        assert_eq!(project.kept(&before), 2, "{file}");
        project.write(file, &old);
    }
    project.write("later.sql", "");
    assert_eq!(project.kept(&before), 2, "an optional file that appears");
}

#[test]
fn a_missing_include_is_reported_with_the_line_that_reads_it() {
    let project = Project::new(vec![sql(&["a.sql"])])
        .file(
            "a.sql",
            "SELECT 1;\n\\ir sub/b.sql\n\\copy t from :file\n\\i :dir/x.sql\n",
        )
        .file(
            "sub/b.sql",
            "\n\n\\i b2.sql\n\\ir b3.sql\nCOPY t FROM PROGRAM 'x';",
        );
    let text = project.problems();
    for line in [
        r"cowherd.yaml:11:9: can't find `b2.sql`, which sub/b.sql:3 reads with `\i b2.sql`",
        r"cowherd.yaml:11:9: can't find `b3.sql`, which sub/b.sql:4 reads with `\ir b3.sql`",
        r"cowherd.yaml:11:9: can't find `:file`, which a.sql:3 reads with `\copy t from :file`",
        r"cowherd.yaml:11:9: can't tell what a.sql:4 reads with `\i :dir/x.sql`",
        r"cowherd.yaml:11:9: can't tell what sub/b.sql:5 reads with `COPY … FROM PROGRAM`",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn the_engine_says_whose_commands_a_script_holds() {
    let text = ".read sub.sql\n\\i nowhere.sql\n";
    let mut project = Project::new(vec![sql(&["a.sql"])])
        .file("a.sql", text)
        .file("sub.sql", "");
    project.service().engine = "sqlite".into();
    let before = project.keys();
    project.write("sub.sql", "SELECT 1;");
    assert_eq!(project.kept(&before), 2);
    project.service().engine = "redis".into();
    project.plan();
    project.service().engine = "postgres".into();
    assert!(project.problems().contains("nowhere.sql"));
}

#[test]
fn a_file_that_is_no_sql_is_refused() {
    let project = Project::new(vec![sql(&["a.sql"])]).file("a.sql", "PGDMP\u{1}\u{e}");
    let text = project.problems();
    assert!(
        text.contains("can't run `a.sql`: the file is a PostgreSQL archive"),
        "{text}"
    );
    assert!(text.contains("pg_restore"), "{text}");
}

#[test]
fn a_pipe_is_never_opened() {
    let project = Project::new(vec![sql(&["pipe.sql"]), run("x", &["d"])]).file("d/a", "");
    for path in ["pipe.sql", "d/pipe"] {
        let path = project.root.path().join(path);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let text = project.problems();
    assert!(
        text.contains("can't use `pipe.sql`: it is not a regular file"),
        "{text}"
    );
    assert_eq!(
        text.lines().count(),
        1,
        "below a folder a pipe is passed over: {text}"
    );
}

#[test]
fn inputs_may_be_folders() {
    let project = Project::new(vec![run("x", &["data"])])
        .file("data/b/c.csv", "1")
        .file("data/.hidden", "")
        .file("data/.git/HEAD", "");
    let before = project.keys();
    std::os::unix::fs::symlink("..", project.root.path().join("data/b/up")).unwrap();
    project.write("data/.git/HEAD", "moved");
    assert_eq!(project.kept(&before), 3);
    project.write("data/.hidden", "x");
    assert_eq!(project.kept(&before), 2);
    fs::remove_dir_all(project.root.path().join("data")).unwrap();
    fs::create_dir(project.root.path().join("data")).unwrap();
    assert!(
        project
            .problems()
            .contains("can't find a file that matches `data/**`")
    );
}

#[test]
fn the_files_that_a_command_names_are_inputs_and_what_it_writes_is_not() {
    let project = Project::new(vec![run(
        "python3 'load.py' <in.txt; ./b.sh>out.txt 2> err.txt",
        &[],
    )]);
    for file in ["load.py", "in.txt", "b.sh", "out.txt", "err.txt"] {
        project.write(file, "");
    }
    let before = project.keys();
    for (file, kept) in [
        ("load.py", 2),
        ("in.txt", 2),
        ("out.txt", 3),
        ("err.txt", 3),
    ] {
        project.write(file, "changed");
        assert_eq!(project.kept(&before), kept, "{file}");
        project.write(file, "");
    }
}

#[test]
fn each_gives_one_test_for_one_file() {
    let project = Project::new(Vec::new())
        .file("checks/10.sql", "")
        .file("checks/9.sql", "")
        .file("checks/run.sh", "");
    let patterns = ["checks/run.sh", "checks/*", "checks/run.sh"].map(String::from);
    let cases = expand_each(project.root.path(), &patterns).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["checks/run.sh", "checks/9.sql", "checks/10.sql"]);
    assert_eq!(cases[0].path, project.root.path().join("checks/run.sh"));
    let missing = ["no/*.sql", "gone.sql"].map(String::from);
    assert_eq!(
        expand_each(project.root.path(), &missing)
            .unwrap_err()
            .len(),
        2
    );
}

#[test]
fn entries_become_tests_in_the_order_of_the_spec() {
    let mut project = Project::new(Vec::new())
        .file("c/a.SQL", "")
        .file("c/b.sh", "");
    let entry = |name: &str, kind| Test {
        name: name.into(),
        snapshot: "shop".into(),
        kind,
        timeout: None,
        retries: None,
        environment: BTreeMap::new(),
        working_dir: None,
        files: Files::Copy,
        limits: Limits::default(),
        position: Position {
            line: 40,
            column: 5,
        },
    };
    let shell = |line: &str| CommandLine::Shell(line.into());
    let list = |items: &[&str]| CommandLine::Argv(items.iter().map(|i| (*i).to_owned()).collect());
    let discover = |command| TestKind::Discover {
        discover: shell("list"),
        command,
    };
    project.spec.tests = vec![
        entry("one", TestKind::Command(shell("./x"))),
        entry("files", TestKind::Each(vec!["c/*".into()])),
        entry("list", discover(list(&["pytest", "-q", "{test}"]))),
        entry("shell", discover(shell("pytest {test}"))),
    ];
    let lines = |_: &Test| vec!["a.py::x".into(), String::new(), " it's [a b] ".into()];
    let planned = tests(&project.spec, &lines).unwrap();
    let names: Vec<&str> = planned.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "one",
            "files::c/a.SQL",
            "files::c/b.sh",
            "list::a.py::x",
            "list::it's [a b]",
            "shell::a.py::x",
            "shell::it's [a b]",
        ]
    );
    let command = |index: usize| match &planned[index].action {
        CaseAction::Command(argv) => argv.last().unwrap().clone(),
        CaseAction::Sql(case) => panic!("{case:?}"),
    };
    assert!(matches!(&planned[1].action, CaseAction::Sql(case) if case.name == "c/a.SQL"));
    assert_eq!(
        PathBuf::from(command(2)),
        project.root.path().join("c/b.sh")
    );
    assert_eq!(command(4), "it's [a b]");
    assert_eq!(command(5), "pytest a.py::x");
    assert_eq!(command(6), r"pytest 'it'\''s [a b]'");

    project.spec.tests[1].kind = TestKind::Each(vec!["gone/*".into()]);
    let error = tests(&project.spec, &lines).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cowherd.yaml:40:5: can't find a file"),
        "{error}"
    );
}
