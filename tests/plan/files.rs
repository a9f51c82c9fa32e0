//! Which files steps and tests read, and what is said of those that are missing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cowherd::plan::{CaseAction, expand_each, tests};
use cowherd::spec::{CommandLine, Files, Limits, Position, Test, TestKind};

use super::{Project, migrate, run, sql};

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
        threads_required: 1,
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
        CaseAction::Script(case, _) => panic!("{case:?}"),
    };
    assert!(
        matches!(&planned[1].action, CaseAction::Script(case, "sql") if case.name == "c/a.SQL")
    );
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
