//! The network and the IPC objects of a container.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::time::Duration;

use super::{container, line, null, prints, refuses};
use crate::support::{alone_with_ipc, processes, userns};

#[test]
fn the_loopback_interface_is_up_and_the_only_one() {
    if !userns() {
        return;
    }
    let mut container = container();
    let names = prints(&mut container, "tail -n +3 /proc/net/dev | cut -d: -f1");
    assert_eq!(names.trim(), "lo");
    // The only routes are those to itself.
    assert_eq!(prints(&mut container, "tail -n +2 /proc/net/route"), "");
    // A closed port of an interface that is up answers; one that is down has no route.
    refuses(
        &mut container,
        "exec 3<>/dev/null; bash -c ': < /dev/tcp/127.0.0.1/9'",
        "refused",
    );
    refuses(
        &mut container,
        "bash -c ': < /dev/tcp/192.0.2.1/9'",
        "unreachable",
    );
}

#[test]
fn a_port_of_the_host_is_not_seen() {
    if !userns() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut container = container();
    refuses(
        &mut container,
        &format!("bash -c ': < /dev/tcp/127.0.0.1/{port}'"),
        "refused",
    );
}

#[test]
fn two_containers_listen_on_one_port() {
    if !userns() {
        return;
    }
    let serve = "perl -MSocket -e '
        socket(S, PF_INET, SOCK_STREAM, 0) or die; $| = 1;
        bind(S, sockaddr_in(5432, inet_aton(\"127.0.0.1\"))) or die \"bind: $!\"; listen(S, 1) or die;
        print \"listening\\n\"; accept(C, S) or die; print C \"from $ARGV[0]\\n\"; close C' ";
    let mut containers = [container(), container()];
    let mut slots = Vec::new();
    for (index, container) in containers.iter_mut().enumerate() {
        // The end of the pipe says that it listens.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let slot = container.spawn(
            &line(&format!("exec {serve} {index}")),
            [&null(), &writer, &writer],
        );
        slots.push(slot.expect("a server"));
        drop(writer);
        let mut said = String::new();
        let mut reader = std::io::BufReader::new(reader);
        std::io::BufRead::read_line(&mut reader, &mut said).expect("a line");
        assert_eq!(said, "listening\n");
    }
    for (index, container) in containers.iter_mut().enumerate() {
        let answer = prints(container, "bash -c 'cat < /dev/tcp/127.0.0.1/5432'");
        assert_eq!(answer, format!("from {index}\n"));
        let exit = container.wait(slots[index], None, None).expect("an end");
        assert!(exit.success());
    }
}

#[test]
fn system_v_objects_are_private_and_gone_with_the_container() {
    if !userns() {
        return;
    }
    alone_with_ipc(
        "sandbox::network::system_v_objects_are_private_and_gone_with_the_container",
        || {
            let (mut one, mut other) = (container(), container());
            prints(&mut one, "ipcmk -M 1000000 && ipcmk -S 3 && ipcmk -Q");
            let count =
                "cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg | grep -vc key || true";
            assert_eq!(prints(&mut one, count), "3\n");
            assert_eq!(prints(&mut other, count), "0\n");
            assert_eq!(processes::ipc_objects(), 0);
            drop((one, other));
            assert_eq!(processes::ipc_objects(), 0);
        },
    );
}

#[test]
fn a_port_of_a_container_is_reached_from_outside_of_it() {
    if !userns() {
        return;
    }
    let mut container = container();
    let inlet = container.inlet().expect("an inlet");
    let now = Duration::from_secs(1);
    let closed = inlet.connect(5432, now).expect_err("nobody listens");
    assert_eq!(closed.kind(), ErrorKind::ConnectionRefused);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let serve = line(
        "exec perl -MSocket -e '
        socket(S, PF_INET, SOCK_STREAM, 0) or die; $| = 1;
        bind(S, sockaddr_in(5432, inet_aton(\"127.0.0.1\"))) or die \"bind: $!\"; listen(S, 1) or die;
        print \"listening\"; accept(C, S) or die; print C \"from inside\"; close C'",
    );
    container
        .spawn(&serve, [&null(), &writer, &null()])
        .expect("a program");
    let mut said = [0; 9];
    reader.read_exact(&mut said).expect("a server");
    let mut stream = inlet.connect(5432, now).expect("a connection");
    stream.set_nonblocking(false).expect("a stream that waits");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a text");
    assert_eq!(text, "from inside");
    drop(container);
    inlet.connect(5432, now).expect_err("the container is gone");
}
