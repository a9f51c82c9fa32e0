//! More containers than the limits of the host allow.

use std::os::unix::net::UnixStream;

use cowherd::pool::client::Client;
use cowherd::pool::protocol::Inside;

use super::{shop, wanted};
use crate::support::{Started, userns};

#[test]
fn a_soft_limit_on_open_files_is_raised_for_the_containers_and_not_for_the_command() {
    if !userns() {
        return;
    }
    let project = shop();
    let command = "ulimit -Sn; while ! test -e enough; do sleep 0.1; done; ulimit -Sn";
    let socket = project.folder().join("pool.sock");
    let limits = "ulimit -Sn 64; ulimit -Hn 4096; exec \"$@\"";
    let serve = ["serve", "--socket", "pool.sock", "--", "sh", "-c", command];
    let mut server = Started::new(project.command_under(&["sh", "-c", limits, "sh"], &serve));
    server.until("listening socket", |_| UnixStream::connect(&socket).is_ok());
    let mut client = Client::connect(&socket).expect("a pool");
    for _ in 0..60 {
        let taken = client.take_inside(wanted(&project, "lite"), Inside::default());
        taken.expect("a container");
    }
    std::fs::write(project.folder().join("enough"), "").expect("a file");
    let finished = server.wait().code(0);
    assert_eq!(finished.stdout, "64\n64\n");
}

#[test]
fn more_containers_than_the_host_has_room_for_are_not_promised() {
    let project = shop();
    let limit = ["sh", "-c", "ulimit -n 200; exec \"$@\"", "sh"];
    let serve = [
        "serve",
        "--socket",
        "pool.sock",
        "--containers",
        "500",
        "--",
        "true",
    ];
    Started::new(project.command_under(&limit, &serve))
        .wait()
        .code(0)
        .says("--containers 500: ")
        .says(" at once, as there is no room for more, by the hard limit on open files (ulimit -Hn, 200); ");
}
