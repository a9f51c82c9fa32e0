//! Layers that another version of the engine has made.

use std::os::unix::fs::symlink;

use super::{Kind, Served};
use crate::support::Project;

/// The engine's programs with another version, below `bin` in the project's folder.
fn with_version(project: Project, server: &Served, version: u32) -> Project {
    let real = (server.programs)();
    let printed = (server.printed)(version);
    let project = server.asked.iter().fold(project, |project, name| {
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *' --version '*) echo '{printed}'; exit ;; esac\nexec {}/{name} \"$@\"\n",
            real.display()
        );
        project.program(&format!("bin/{name}"), &script)
    });
    // What the programs of an installation look for beside themselves.
    let beside = [
        "psql",
        "initdb",
        "redis-cli",
        "my_print_defaults",
        "resolveip",
    ];
    let share = real.parent().expect("an installation").join("share");
    let own = project.folder().join("bin");
    let places = [(share, "share".to_owned()), (own, "sbin".to_owned())].into_iter();
    let bins = [real.clone(), real.with_file_name("bin")].into_iter();
    let programs = bins.flat_map(|bin| beside.map(|name| (bin.join(name), format!("bin/{name}"))));
    for (from, to) in places.chain(programs) {
        let to = project.folder().join(to);
        if from.exists() && !to.exists() {
            symlink(from, to).expect("a link");
        }
    }
    project
}

/// A project whose engine is of the first version.
fn first(kind: &Kind, server: &Served) -> Project {
    let project = with_version(kind.project("", ""), server, 1);
    let spec = project.read("cowherd.yaml");
    let bin = project.folder().join("bin");
    let spec = spec.replace(
        kind.service,
        &format!("{}, bin_dir: {}", kind.service, bin.display()),
    );
    project.file("cowherd.yaml", spec)
}

pub(super) fn a_layer_of_another_version_is_not_found(kind: &Kind) {
    let server = kind.server.as_ref().expect("a server");
    let project = first(kind, server);
    project.run(&["build"]).code(0);
    let built = project.count("keys");
    let project = with_version(project, server, 2);
    let inspect = project.run(&["inspect"]).code(0).stdout;
    assert!(inspect.contains("0 of "), "{inspect}");
    assert_eq!(Kind::exec(&project, "eval \"$READ\""), "1\n");
    assert_eq!(project.count("keys"), 2 * built);
    // The first is there as it was.
    let project = with_version(project, server, 1);
    project.run(&["build"]).code(0).never_says("building");
}

pub(super) fn a_snapshot_of_another_version_is_not_imported(kind: &Kind) {
    let server = kind.server.as_ref().expect("a server");
    let project = first(kind, server);
    project.run(&["export", "app", "app.tar"]).code(0);
    // What is here is of another version than what it was built with.
    let there = Project::empty();
    let file = project.folder().join("app.tar");
    there
        .run(&["import", file.to_str().expect("a plain path")])
        .code(97)
        .says("`db` was built with ")
        .says(".91")
        .says(", and here is ");
    there.run(&["list"]).code(0);
    assert_eq!(there.count("layers"), 0);
}
