//! Containers through the library: where their writable layers lie.

use cowherd::container::{Container, Order, Services, Setup, Writable, base_environment};
use cowherd::sandbox::Command;
use cowherd::schedule::Stop;

use crate::support::{Project, require, userns};

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

#[test]
fn the_writable_layer_lies_where_the_spec_says() {
    for (scratch, in_store) in [
        ("", !cowherd::disk::memory_takes_user_xattrs()),
        (
            "scratch: auto\n",
            !cowherd::disk::memory_takes_user_xattrs(),
        ),
        ("scratch: store\n", true),
        ("scratch: memory\n", false),
    ] {
        if !userns() || (scratch.contains("memory") && !memory_carries_overlays()) {
            return;
        }
        let project =
            Project::new(&format!("{scratch}{SPEC}")).file("seed.sql", "CREATE TABLE t (x);");
        let file = project.folder().join("cowherd.yaml");
        let opened =
            cowherd::project::Project::open_in(&file, &project.store()).expect("a project");
        let stop = Stop::new().expect("an order");
        let state = opened.prepare_one("shop", &stop, &mut |_| {});
        let state = state.expect("a project").expect("a state");
        let mut live = Order::unseen(opened.on(), &state)
            .start(None)
            .expect("a container");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo >> /run/cowherd/db/data/shop.db"]);
        command.envs(base_environment());
        live.must_succeed("change a file", &command, None, None)
            .expect("success");
        let mut copies = 0;
        let mut look = |entry: &cowherd::disk::Entry| {
            copies += usize::from(entry.path.ends_with("shop.db"));
            Ok::<(), cowherd::disk::DiskError>(())
        };
        let folder = project.store().join("scratch");
        cowherd::disk::walk(&folder, cowherd::disk::Reach::Force, &mut look).expect("a folder");
        assert_eq!(copies, usize::from(in_store), "{scratch}");
    }
}

fn memory_carries_overlays() -> bool {
    let carries = cowherd::disk::memory_takes_user_xattrs().then_some(());
    require(
        "memory",
        carries.ok_or_else(|| "tmpfs takes no user attributes".to_owned()),
    )
}
