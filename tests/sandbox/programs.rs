//! Programs in a container: how they start, end and are waited for.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use cowherd::sandbox::{Command, Exit, Running, SandboxError, Wake};

use super::{container, line, null, prints, run};
use crate::support::{processes, text, userns};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Starts a shell line that goes on until it is killed, and waits until it says so.
fn sleeper(container: &mut Running, before: &str) -> cowherd::sandbox::Slot {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let slot = container
        .spawn(
            &line(&format!("{before}\necho ready; exec sleep 1000")),
            [&null(), &writer, &null()],
        )
        .expect("a program");
    drop(writer);
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(reader), &mut said).expect("a line");
    assert_eq!(said, "ready\n");
    slot
}

#[test]
fn exit_codes_come_back() {
    if !userns() {
        return;
    }
    let mut container = container();
    for code in [0, 1, 7, 127, 255] {
        let exit = run(&mut container, &line(&format!("exit {code}"))).0;
        assert_eq!(exit, Exit::Code(code));
        assert_eq!(exit.shell_code(), code);
    }
}

#[test]
fn every_signal_that_ends_a_program_comes_back() {
    if !userns() {
        return;
    }
    let mut container = container();
    // Real-time signals among them, for which nix has no name.
    for signal in [1, 2, 6, 9, 11, 13, 15, 31, 34, 40, 64] {
        let exit = run(&mut container, &line(&format!("kill -{signal} $$"))).0;
        assert_eq!(exit, Exit::Signal(signal));
        assert_eq!(exit.shell_code(), 128 + signal);
    }
}

#[test]
fn a_signal_reaches_a_program_and_its_children() {
    if !userns() {
        return;
    }
    let mut container = container();
    for signal in [15, 9, 40] {
        let slot = sleeper(&mut container, "sleep 1000 & sleep 1000 &");
        container.signal(slot, signal).expect("a signal");
        let exit = container.wait(slot, Some(soon()), None).expect("an end");
        assert_eq!(exit, Exit::Signal(signal));
    }
    assert_eq!(
        processes::until_none(|| processes::descendants(container.pid())),
        []
    );
}

#[test]
fn signals_have_their_default_actions() {
    if !userns() {
        return;
    }
    let mut container = container();
    let seen = prints(&mut container, "grep -E '^Sig(Ign|Blk)' /proc/self/status");
    assert_eq!(
        seen,
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
    );
    // `yes` would go on with an error, or for ever, if it ignored the signal.
    let mut bash = Command::new("/bin/bash");
    bash.args(["-c", "yes | head -1; echo ${PIPESTATUS[0]}"])
        .env("PATH", "/usr/bin:/bin");
    assert_eq!(run(&mut container, &bash).1, "y\n141\n");
}

#[test]
fn a_large_environment_and_many_arguments_arrive_intact() {
    if !userns() {
        return;
    }
    let mut container = container();
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "echo $#; echo \"$V15$EMPTY\" | cksum; printf %s \"$*\" | cksum",
        "sh",
    ]);
    command.args((0..10_000).map(|number| format!("argument {number}\n\u{1f411}")));
    let value = |number: usize| format!("{number}=\n{}", "v".repeat(64 * 1024));
    for number in 0..16 {
        command.env(format!("V{number}"), value(number));
    }
    command.env("EMPTY", "").env("PATH", "/usr/bin:/bin");
    let (exit, printed) = run(&mut container, &command);
    assert!(exit.success(), "{exit:?} {printed}");
    let arguments: Vec<String> = (0..10_000)
        .map(|number| format!("argument {number}\n\u{1f411}"))
        .collect();
    let expected = [
        "10000".to_owned(),
        cksum(format!("{}\n", value(15)).as_bytes()),
        cksum(arguments.join(" ").as_bytes()),
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

/// What cksum(1) prints of these bytes.
fn cksum(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut child = std::process::Command::new("cksum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("cksum");
    let mut input = child.stdin.take().expect("an input");
    input.write_all(bytes).expect("the bytes");
    drop(input);
    let output = child.wait_with_output().expect("an end");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

#[test]
fn nothing_but_what_was_given_is_in_the_environment() {
    if !userns() {
        return;
    }
    let mut container = container();
    let mut command = Command::new("/usr/bin/env");
    command.env("A", "1").env("B", "2").env("A", "3");
    assert_eq!(run(&mut container, &command).1, "A=3\nB=2\n");
    // What several commands share lies beneath, whenever it is given.
    let shared = [("A", "shared"), ("C", "4"), ("D", "shared")];
    let shared = shared.map(|(name, value)| (name.into(), value.into()));
    command.beneath(&shared.into()).env("D", "5");
    assert_eq!(run(&mut container, &command).1, "C=4\nA=3\nB=2\nD=5\n");
    let error = container
        .spawn(
            Command::new("/bin/true").env("A", "x\0y"),
            [&null(), &null(), &null()],
        )
        .expect_err("a NUL byte");
    assert!(matches!(error, SandboxError::Stdio(_)), "{error:?}");
}

#[test]
fn new_files_have_the_usual_mode() {
    if !userns() {
        return;
    }
    assert_eq!(prints(&mut container(), "umask"), "0022\n");
}

#[test]
fn a_container_runs_32_programs_at_once_and_refuses_one_more() {
    if !userns() {
        return;
    }
    let mut container = container();
    let mut slots: Vec<_> = (0..32).map(|_| sleeper(&mut container, "")).collect();
    let error = container
        .spawn(&line("true"), [&null(), &null(), &null()])
        .expect_err("one too many");
    assert!(matches!(error, SandboxError::Slots(32)), "{error:?}");
    // One that ends makes room for another.
    let one = slots.swap_remove(7);
    container.signal(one, 9).expect("a signal");
    assert_eq!(
        container.wait(one, Some(soon()), None).expect("an end"),
        Exit::Signal(9)
    );
    slots.push(sleeper(&mut container, ""));
    for slot in &slots {
        container.signal(*slot, 15).expect("a signal");
    }
    for slot in slots {
        assert_eq!(
            container.wait(slot, Some(soon()), None).expect("an end"),
            Exit::Signal(15)
        );
    }
    prints(&mut container, "true");
}

#[test]
fn the_end_of_one_program_is_not_taken_for_that_of_a_later_one() {
    if !userns() {
        return;
    }
    let mut container = container();
    let first = sleeper(&mut container, "");
    container.signal(first, 9).expect("a signal");
    // Its end comes in while others are started, and is told to nobody yet.
    let mut later = Vec::new();
    while container.ended(first).is_none() {
        later.push(sleeper(&mut container, ""));
        assert!(later.len() < 32, "the first never ends");
    }
    let last = sleeper(&mut container, "");
    assert_ne!(first, last);
    // A signal to what has ended doesn't hit who has its place.
    container.signal(first, 9).expect("a signal");
    assert_eq!(
        container.next(Some(soon()), &[]).expect("an end"),
        Wake::Exited(first, Exit::Signal(9))
    );
    container.signal(last, 15).expect("a signal");
    assert_eq!(
        container.wait(last, Some(soon()), None).expect("an end"),
        Exit::Signal(15)
    );
}

#[test]
fn the_order_of_ends_does_not_matter() {
    if !userns() {
        return;
    }
    let mut container = container();
    let slots: Vec<_> = (1..=9)
        .map(|code| {
            container
                .spawn(&line(&format!("exit {code}")), [&null(), &null(), &null()])
                .expect("a program")
        })
        .collect();
    for (index, slot) in slots.into_iter().enumerate().rev() {
        let code = i32::try_from(index).expect("a code") + 1;
        assert_eq!(
            container.wait(slot, Some(soon()), None).expect("an end"),
            Exit::Code(code)
        );
    }
}

#[test]
fn waiting_ends_at_the_deadline_or_at_the_callers_word() {
    if !userns() {
        return;
    }
    let mut container = container();
    let slot = sleeper(&mut container, "");
    let now = Some(Instant::now());
    assert_eq!(container.wait_for(slot, now, None).expect("no end"), None);
    assert_eq!(container.next(now, &[]).expect("no end"), Wake::Deadline);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(writer);
    let stop = Some(reader.as_fd());
    assert_eq!(container.wait_for(slot, None, stop).expect("no end"), None);
    let woken = container.next(None, &[null().as_fd(), reader.as_fd()]);
    assert!(matches!(woken.expect("a word"), Wake::Readable(_)));
}

#[test]
fn orphans_are_reaped() {
    if !userns() {
        return;
    }
    let mut container = container();
    let orphan = "(sh -c 'exit 3' & ) ; (setsid sh -c 'sleep 0.01' & ) ; ";
    prints(&mut container, &orphan.repeat(20));
    assert_eq!(
        processes::until_none(|| processes::descendants(container.pid())),
        []
    );
}

#[test]
fn a_daemon_dies_with_its_container() {
    if !userns() {
        return;
    }
    let mut container = container();
    // Twice forked, a session of its own, all signals ignored, no descriptor left.
    let daemon = "trap '' HUP INT TERM USR1 USR2; \
                  setsid sh -c 'trap \"\" HUP INT TERM; (sleep 1000 <&- >&- 2>&- &) ; exit' ";
    prints(&mut container, daemon);
    // The last of its shells may not have ended yet.
    let mut left = Vec::new();
    let others = || {
        left = processes::descendants(container.pid());
        left.iter()
            .filter(|process| process.name != "sleep")
            .cloned()
            .collect()
    };
    assert_eq!(processes::until_none(others), []);
    assert_eq!(left.len(), 1, "{left:?}");
    container.kill();
    assert_eq!(
        fs::read_to_string(format!("/proc/{}/comm", left[0].pid)).ok(),
        None,
        "gone when `kill` is back"
    );
}

#[test]
fn a_container_whose_init_is_dead_is_gone() {
    if !userns() {
        return;
    }
    let mut container = container();
    let slot = sleeper(&mut container, "");
    let init = nix::unistd::Pid::from_raw(container.pid());
    let inside = processes::descendants(container.pid());
    nix::sys::signal::kill(init, nix::sys::signal::Signal::SIGKILL).expect("a signal");
    let gone = |result: Result<(), SandboxError>| {
        assert!(matches!(result, Err(SandboxError::Gone)), "{result:?}");
    };
    gone(container.wait(slot, Some(soon()), None).map(drop));
    gone(container.next(Some(soon()), &[]).map(drop));
    gone(
        container
            .spawn(&line("true"), [&null(), &null(), &null()])
            .map(drop),
    );
    gone(container.signal(slot, 9));
    container.kill();
    for process in inside {
        assert!(!fs::exists(format!("/proc/{}", process.pid)).expect("/proc"));
    }
}

#[test]
fn a_program_has_a_session_of_its_own_unless_it_is_in_the_foreground() {
    if !userns() {
        return;
    }
    let mut container = container();
    // pid, parent, process group, session (proc_pid_stat(5)); 0 is one outside of the container.
    let stat = "read pid rest < /proc/$$/stat; set -- ${rest#*)}; echo $pid $3 $4";
    let fields = |printed: &str| -> Vec<i32> {
        let fields = printed.split_whitespace();
        fields
            .map(|field| field.parse().expect("a number"))
            .collect()
    };
    let own = fields(&prints(&mut container, stat));
    assert_eq!(
        own,
        [own[0], own[0], own[0]],
        "a leader of its session and group"
    );
    let mut command = line(stat);
    command.foreground(true);
    let front = fields(&run(&mut container, &command).1);
    assert_eq!(front, [front[0], front[0], 0], "a leader of its group only");
    let output = tempfile::tempfile().expect("a file");
    let tty = container.spawn(&line("echo > /dev/tty"), [&null(), &null(), &output]);
    let exit = container.wait(tty.expect("a shell"), Some(soon()), None);
    assert!(
        !exit.expect("an end").success(),
        "no terminal: {}",
        text(&output)
    );
}

#[test]
fn many_containers_live_at_once() {
    if !userns() {
        return;
    }
    let mut containers: Vec<Running> = (0..40).map(|_| container()).collect();
    for (index, container) in containers.iter_mut().enumerate() {
        assert_eq!(
            prints(container, &format!("echo {index}")),
            format!("{index}\n")
        );
    }
}
