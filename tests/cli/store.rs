//! `cowherd list`, `cowherd inspect` and `cowherd gc`.

use std::fs;

use super::shop;
use crate::support::{Project, userns};

/// A command's standard output, when it succeeds.
#[track_caller]
fn output(project: &Project, args: &[&str]) -> String {
    project.run(args).code(0).stdout
}

#[track_caller]
fn json(project: &Project, args: &[&str]) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(&output(project, args)).expect("JSON");
    assert_eq!(value["version"], 1);
    value
}

/// The words of the line that begins with `first`.
#[track_caller]
fn line<'a>(text: &'a str, first: &str) -> Vec<&'a str> {
    let mut lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .find(|words| words.first() == Some(&first))
        .unwrap_or_else(|| panic!("no {first} in:\n{text}"))
}

#[test]
fn the_list_tells_what_is_built_and_what_is_not() {
    if !userns() {
        return;
    }
    let project = shop();
    let before = output(&project, &["list"]);
    let of_shop = line(&before, "shop");
    assert_eq!(
        (of_shop[1], &of_shop[4..7]),
        ("no", &["0", "of", "2"][..]),
        "{before}"
    );
    assert_eq!(of_shop[9..], ["never", "cowherd.yaml"], "{before}");

    project.run(&["build", "shop"]).code(0);
    let after = output(&project, &["list"]);
    assert_eq!(line(&after, "shop")[1], "yes", "{after}");
    assert!(after.contains("just now"), "{after}");
    let of_big = line(&after, "big");
    assert_eq!(
        (of_big[1], &of_big[4..7]),
        ("partly", &["2", "of", "3"][..]),
        "{after}"
    );
    assert_eq!(after.lines().count(), 3);
}

#[test]
fn a_snapshot_adds_its_own_size_to_that_of_what_it_lies_on() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let list = json(&project, &["list", "--json"]);
    let [shop, big] = [0, 1].map(|index| &list["snapshots"][index]);
    assert_eq!([&shop["name"], &big["name"]], ["shop", "big"]);
    assert_eq!(shop["own_bytes"], shop["bytes"]);
    let sum = big["own_bytes"].as_u64().unwrap() + shop["bytes"].as_u64().unwrap();
    assert_eq!(big["bytes"], sum);
    assert_eq!(shop["layers"][1], big["layers"][1]);
    assert_eq!(
        [&shop["built"], &shop["in_this_spec"], &shop["spec_exists"]],
        [true, true, true]
    );
}

#[test]
fn the_list_needs_no_spec_and_names_those_of_others() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build", "shop"]).code(0);
    let elsewhere = Project::empty().env("COWHERD_STORE", project.store().to_str().unwrap());
    let spec = project
        .folder()
        .canonicalize()
        .unwrap()
        .join("cowherd.yaml");
    let list = output(&elsewhere, &["list"]);
    assert_eq!(line(&list, "shop").last(), spec.to_str().as_ref(), "{list}");
    assert_eq!(list.lines().count(), 2);
    fs::remove_file(&spec).unwrap();
    assert!(output(&elsewhere, &["list"]).contains("cowherd.yaml (gone)"));

    let empty = Project::empty();
    let none = output(&empty, &["list"]);
    assert_eq!(
        none,
        format!(
            "no snapshots in {}\n",
            empty.store().canonicalize().unwrap().display()
        )
    );
}

#[test]
fn a_snapshot_whose_files_are_missing_does_not_spoil_the_list() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build", "shop"]).code(0);
    fs::remove_file(project.folder().join("more.sql")).unwrap();
    let finished = project
        .run(&["list"])
        .code(0)
        .says("warning: can't tell whether `big` is built: ");
    assert_eq!(line(&finished.stdout, "shop")[1], "yes");
    assert_eq!(line(&finished.stdout, "big")[1], "?");
}

#[test]
fn inspect_shows_each_step_and_what_comes_next() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build", "shop"]).code(0);
    let text = output(&project, &["inspect", "big"]);
    assert_eq!(line(&text, "from"), ["from", "shop"]);
    assert_eq!(line(&text, "1")[1], "cached");
    assert_eq!(line(&text, "3")[1..4], ["missing", "-", "-"]);
    assert!(text.contains("2 of 3 steps are built, "), "{text}");
    assert!(
        text.contains("; next: sql more.sql\n`cowherd build big` builds it"),
        "{text}"
    );

    let value = json(&project, &["inspect", "big", "--json"]);
    assert_eq!([&value["next"], &value["from"]], ["sql more.sql", "shop"]);
    assert_eq!(value["engines"][0]["name"], "SQLite");
    let steps = value["steps"].as_array().unwrap();
    let cached: Vec<_> = steps
        .iter()
        .map(|step| step["cached"].as_bool().unwrap())
        .collect();
    assert_eq!(cached, [true, true, false]);
    assert_eq!(
        [&steps[1]["line"], &steps[1]["label"]],
        [&serde_json::json!(3), &"sql schema.sql".into()]
    );

    project.run(&["build"]).code(0);
    assert!(output(&project, &["inspect", "big"]).contains("3 of 3 steps are built, "));
}

#[test]
fn gc_says_what_goes_and_what_stays_and_why() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let project = project.file("more.sql", "INSERT INTO cow VALUES ('Bella');");
    project.run(&["build"]).code(0);

    let dry = output(&project, &["gc", "--dry-run"]);
    assert!(dry.starts_with("would remove  "), "{dry}");
    assert!(dry.ends_with("; 3 stay\n"), "{dry}");
    let real = output(&project, &["gc"]);
    assert_eq!(real, dry.replace("would remove", "removed"));
    let removed: Vec<&str> = real
        .lines()
        .filter(|line| line.starts_with("removed  "))
        .collect();
    assert_eq!(removed.len(), 1, "{real}");
    assert!(removed[0].ends_with("sql more.sql"), "{real}");
    assert!(real.contains("3 layers of big (cowherd.yaml)\n"), "{real}");
    assert!(real.contains("2 layers of shop (cowherd.yaml)\n"), "{real}");
    assert!(output(&project, &["gc"]).ends_with("removed 0 layers, 0 B; 3 stay\n"));

    assert!(output(&project, &["gc", "--older-than", "1d"]).ends_with("; 3 stay\n"));
    let all = output(&project, &["gc", "--all"]);
    assert!(all.ends_with("; 0 stay\n"), "{all}");
    assert!(all.contains("forgot the snapshot shop: "), "{all}");
    assert_eq!(output(&project, &["list"]).matches("never").count(), 2);
}

#[test]
fn gc_sweeps_what_killed_commands_left() {
    let project = Project::empty();
    output(&project, &["list"]);
    let left = project.store().join("scratch/0123abcd/0");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("file"), [1; 5000]).unwrap();
    assert_eq!(output(&project, &["gc", "-n"]).lines().count(), 1);
    assert!(left.exists());
    let text = output(&project, &["gc"]);
    assert!(
        text.starts_with("swept 1 scratch folder of commands that were killed, "),
        "{text}"
    );
    assert!(!left.exists());
}
