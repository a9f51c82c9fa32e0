//! `cowherd exec` and `cowherd shell`: input, output, exit codes, and a person at a terminal.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::shop;
use crate::support::{Finished, Project, Terminal, postgres, require, userns};

/// Runs a line of the shell in a container.
fn sh(project: &Project, line: &str) -> Finished {
    project.run(&["exec", "-s", "shop", "--", "sh", "-c", line])
}

#[test]
fn the_exit_code_is_the_commands_own() {
    if !userns() {
        return;
    }
    let project = shop();
    sh(&project, "exit 0").code(0);
    sh(&project, "exit 3").code(3);
    sh(&project, "kill -9 $$").code(137);
    sh(&project, "kill -TERM $$").code(143);
}

#[test]
fn a_command_that_can_not_be_run_has_the_code_of_a_shell() {
    if !userns() {
        return;
    }
    let project = shop().file("notes.txt", "");
    let exec = |program: &str| project.run(&["exec", "-s", "shop", "--", program]);
    exec("no-such-program")
        .code(127)
        .says("error: can't find the program `no-such-program` in PATH\n");
    exec("./no-such-program")
        .code(127)
        .says("can't run ./no-such-program");
    exec("./notes.txt").code(126).says("chmod +x");
}

#[test]
fn a_client_reads_its_standard_input() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build", "big"]).code(0);
    let shell = |input: &str| {
        let mut command = project.command(&["shell", "-s", "big"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let expected = (Some(0), "Daisy\n".to_owned());
    assert_eq!(
        shell("DELETE FROM cow WHERE name <> 'Daisy';\nSELECT name FROM cow;\n"),
        expected
    );
    assert_eq!(
        shell("INSERT INTO cow VALUES ('Bella');\nDELETE FROM cow;").0,
        Some(0)
    );
    assert_eq!(shell("SELECT name FROM cow;\n"), expected);
    assert_eq!(shell("SELEC 1;\n").0, Some(1));
}

#[test]
fn a_command_without_a_terminal_can_end_its_own_group_only() {
    if !userns() {
        return;
    }
    let project = shop();
    project
        .run(&[
            "exec",
            "-s",
            "shop",
            "--",
            "sh",
            "-c",
            "trap 'exit 5' TERM; kill 0; sleep 60",
        ])
        .code(5);
}

#[test]
fn sigterm_to_the_program_ends_all() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let script = "trap '' TERM INT; echo begun; while :; do sleep 1; done";
    let mut command = project.command(&["exec", "-s", "shop", "--", "sh", "-c", script]);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "begun\n");
    let kill = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(kill.success());
    // The end of the pipe is the end of everybody who had it.
    assert_eq!(
        std::io::Read::read_to_string(&mut stdout, &mut line).unwrap(),
        0
    );
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143));
}

#[test]
fn ctrl_c_cancels_a_query_and_ctrl_d_ends_the_shell() {
    if !postgres() {
        return;
    }
    let project = Project::new("version: 1\nsnapshots: { shop: { engine: postgres } }\n");
    project.run(&["build"]).code(0);
    let Some(mut terminal) = Terminal::start(&project, "cowherd shell; echo code $?") else {
        return;
    };
    terminal.wait_for("shop=#");
    terminal.keys("DO $$BEGIN RAISE NOTICE 'beg%', 'un'; PERFORM pg_sleep(300); END$$;\n");
    terminal.wait_for("NOTICE:  begun");
    terminal.keys("\x03");
    terminal.wait_for("canceling statement due to user request");
    terminal.wait_for("shop=#");
    terminal.keys("SELECT 'still ' || 'here';\n");
    terminal.wait_for("still here");
    terminal.wait_for("shop=#");
    terminal.keys("\x04");
    terminal.wait_for("code 0");
    assert_eq!(terminal.end().0, 0);
}

fn bash() -> bool {
    let bash = Command::new("bash").arg("--version").output();
    userns() && require("bash", bash.map(drop).map_err(|error| error.to_string()))
}

#[test]
fn ctrl_z_stops_the_command_and_fg_lets_it_go_on() {
    if !bash() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let Some(mut terminal) = Terminal::start(&project, "bash --norc --noprofile -i") else {
        return;
    };
    terminal.wait_for("bash-");
    terminal.keys("PS1='rea''dy> '\n");
    terminal.wait_for("ready> ");
    let script = "echo beg\"\"un; while read line; do echo got:$line; done";
    terminal.keys(&format!("\"$COWHERD\" exec -s shop -- sh -c '{script}'\n"));
    terminal.wait_for("begun");
    for round in ["one", "two", "three"] {
        terminal.keys("\x1a");
        terminal.wait_for("Stopped");
        terminal.wait_for("ready> ");
        terminal.keys("fg\n");
        // The shell prints what it lets go on, and hands the terminal over after that: who answers has it.
        terminal.wait_for(script);
        terminal.keys(&format!("{round}\n"));
        terminal.wait_for(&format!("got:{round}"));
    }
    terminal.keys("\x04");
    terminal.wait_for("ready> ");
    terminal.keys("exit 3\n");
    assert_eq!(terminal.end().0, 3);
}

#[test]
fn a_command_behind_a_pipe_can_still_ask_the_terminal() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let ask = "sh -c 'cat; read line < /dev/tty; echo got $line'";
    for line in [
        format!("echo in | cowherd exec -s shop -- {ask}"),
        format!("echo in | cowherd exec -s shop -- {ask} | cat"),
    ] {
        let Some(mut terminal) = Terminal::start(&project, &line) else {
            return;
        };
        terminal.wait_for("in\r\n");
        terminal.keys("it\n");
        terminal.wait_for("got it");
        assert_eq!(terminal.end().0, 0);
    }
}

#[test]
fn a_neighbour_behind_a_pipe_keeps_the_terminal() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let ask = "sh -c 'read line; echo $line; read answer < /dev/tty; echo got $answer'";
    let line = format!("cowherd exec -s shop -- sh -c 'echo out; sleep 60' | {ask}");
    let Some(mut terminal) = Terminal::start(&project, &line) else {
        return;
    };
    terminal.wait_for("out");
    terminal.keys("it\n");
    terminal.wait_for("got it");
    // The terminal's own Ctrl-C: it reaches everybody on the line.
    terminal.keys("\x03");
    terminal.end();
}

#[test]
fn an_interactive_shell_has_job_control() {
    if !bash() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let line = "cowherd exec -s shop -- bash --norc --noprofile -i; echo code $?";
    let Some(mut terminal) = Terminal::start(&project, line) else {
        return;
    };
    terminal.wait_for("bash-");
    // What is typed is printed too: it must not look like what is waited for.
    terminal.keys("PS1='rea''dy> '\n");
    terminal.wait_for("ready> ");
    terminal.keys("sh -c 'echo beg\"\"un; exec sleep 300'\n");
    terminal.wait_for("begun");
    terminal.keys("\x1a");
    terminal.wait_for("Stopped");
    terminal.wait_for("ready> ");
    terminal.keys("kill -9 %1; fg; echo do''ne\n");
    terminal.wait_for("done");
    terminal.wait_for("ready> ");
    terminal.keys("exit 7\n");
    terminal.wait_for("code 7");
    let (code, text) = terminal.end();
    assert_eq!(code, 0);
    assert!(!text.contains("job control"), "{text}");
}
