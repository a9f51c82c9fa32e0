//! Containers through the library: where their writable layers lie.

use cowherd::container::{Container, Services, Setup, Writable, base_environment};
use cowherd::sandbox::Command;
use cowherd::schedule::Stop;

use crate::support::{Project, userns};

const SPEC: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: seed.sql } ] }
";

#[test]
fn a_writable_layer_on_disk_holds_the_project_too_and_leaves_nothing() {
    if !userns() {
        return;
    }
    let project = Project::new(SPEC)
        .file("seed.sql", "CREATE TABLE t (x);")
        .file("kept/file", "kept");
    let file = project.folder().join("cowherd.yaml");
    let opened = cowherd::project::Project::open_in(&file, &project.store()).expect("a project");
    let stop = Stop::new().expect("an order");
    let mut prepared = opened
        .prepare(&["shop"], &stop, &mut |_| {})
        .expect("a state");
    let state = prepared.remove(0).1.expect("a state");
    let host = opened.on();
    let scratch = host.store.scratch().expect("a folder");
    let setup = Setup {
        identity: host.identity,
        project: Some((&host.project, false)),
        shown: &[],
        shared: &[],
        writable: Writable::Scratch(&scratch),
        limits: None,
        services: Services::All,
        stop: None,
    };
    let mut container = Container::start(&state, &setup).expect("a container");
    // A folder of the layer below is removed and made again, which is what a kernel without user
    // attributes on the writable layer refuses.
    let mut command = Command::new("/bin/sh");
    command.args([
        "-ec",
        "rm -r kept; mkdir kept; echo new > kept/file; echo >> /run/cowherd/db/data/shop.db",
    ]);
    command.envs(base_environment()).current_dir(&host.project);
    container
        .must_succeed("change files", &command, None, None)
        .expect("success");
    assert!(container.copied_up().bytes > 0);
    let on_disk = cowherd::disk::tree_size(scratch.path(), cowherd::disk::Reach::Force);
    assert!(on_disk.expect("a size").entries >= 2);
    drop(container);
    let path = scratch.path().to_owned();
    drop(scratch);
    assert!(!path.exists());
    assert_eq!(
        std::fs::read(project.folder().join("kept/file")).expect("a file"),
        b"kept"
    );
}
