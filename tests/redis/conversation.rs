//! Files of commands, as steps and as tests.

use crate::support::{Project, redis};

fn step(commands: &str) -> Project {
    Project::new(
        "version: 1\nsnapshots: { cache: { engine: redis, steps: [ { redis: seed.redis } ] } }\n",
    )
    .file("seed.redis", commands)
}

#[test]
fn the_first_command_that_is_answered_with_an_error_fails_the_step() {
    if !redis() {
        return;
    }
    for (commands, message) in [
        (
            "SET a 1\n# more\nLPUSH a 2\nSET b\n",
            "can't run seed.redis: line 3: WRONGTYPE Operation against a key",
        ),
        (
            "SET a 1\nSET b\n",
            "line 2: ERR wrong number of arguments for 'set' command",
        ),
        ("GTE a\n", "line 1: ERR unknown command 'GTE'"),
        (
            "EVAL \"\nreturn redis.error_reply('MINE bad')\" 0\n",
            "line 1: MINE bad",
        ),
        // In a transaction, it is the command and not its end.
        (
            "SET a 1\nMULTI\nSET b 1\nLPUSH a 1\nEXEC\n",
            "line 4: WRONGTYPE",
        ),
        (
            "MULTI\nSET b\nEXEC\n",
            "line 2: ERR wrong number of arguments",
        ),
        ("SET a \"b\nc\n", "line 1: a quote is not closed"),
        ("SUBSCRIBE news\n", "line 1: what it answers has no end"),
        ("CLIENT REPLY OFF\n", "line 1: without answers nobody knows"),
        ("SHUTDOWN NOSAVE\n", "line 1: the build ends the server"),
    ] {
        let project = step(commands);
        project.run(&["build"]).code(101).says(message);
        // The empty database; of the step nothing.
        assert_eq!(project.count("keys"), 1, "{commands}");
        project.leaves_nothing();
    }
}

#[test]
fn answers_of_both_protocols_and_many_commands_are_understood() {
    if !redis() {
        return;
    }
    let mut commands =
        "HELLO 3\nHSET h a 1\nHGETALL h\nZADD z 1.5 a\nZSCORE z a\nGET nothing\n".to_owned();
    for number in 0..5000 {
        commands += &format!("SET key:{number} {number}\n");
    }
    commands += "2000 INCR n\nDEL h z\nquit\nthis is not read\n";
    let project = step(&commands);
    project.run(&["build"]).code(0);
    let seen = project.run(&[
        "exec",
        "--",
        "sh",
        "-c",
        "redis-cli dbsize; redis-cli get n",
    ]);
    assert_eq!(seen.stdout, "5001\n2000\n");
}

#[test]
fn a_server_that_logs_without_end_is_listened_to() {
    if !redis() {
        return;
    }
    let project = step(
        "EVAL \"for i = 1, 5000 do redis.log(redis.LOG_WARNING, string.rep('x', 100)) end\" 0\n",
    );
    project.run(&["build"]).code(0);
}

#[test]
fn a_step_that_waits_for_ever_can_be_interrupted() {
    if !redis() {
        return;
    }
    let project = step("BLPOP nothing 0\n");
    let mut build = project.start(&["build"]);
    build.until_it_says("building cache 2/2 redis seed.redis");
    build.signal(nix::sys::signal::Signal::SIGINT);
    build.wait().code(130);
    project.leaves_nothing();
}

#[test]
fn a_server_that_is_gone_in_the_middle_is_told_with_its_last_words() {
    if !redis() {
        return;
    }
    let project = step("SET a 1\nDEBUG SEGFAULT\n").file(
        "cowherd.yaml",
        "version: 1\nsnapshots: { cache: { engine: redis, settings: { enable-debug-command: 'yes' }, steps: [ { redis: seed.redis } ] } }\n",
    );
    project
        .run(&["build"])
        .code(101)
        .says("can't run seed.redis: the server has ended the conversation; ")
        .says("the logs end with:")
        .says("=== REDIS BUG REPORT END");
    project.leaves_nothing();
}

#[test]
fn a_check_prints_what_is_answered_and_ends_at_the_first_error() {
    if !redis() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots: { cache: { engine: redis, steps: [ { redis: seed.redis } ] } }
tests: [ { name: checks, snapshot: cache, each: 'checks/*.redis' } ]
",
    )
    .file("seed.redis", "RPUSH list a b")
    .file(
        "checks/bad.redis",
        "LRANGE list 0 -1\nLLEN list\n\nINCR list\nDEL list\n",
    )
    .file("checks/good.redis", "LLEN list\n");
    let run = project.run(&["run", "--keep", "failed"]).code(100);
    let run = run
        .says("checks::checks/bad.redis: exit code 1\n  │ a\n  │ b\n  │ 2\n")
        .says("can't run checks/bad.redis: line 4: WRONGTYPE Operation against a key")
        .says(": 1 passed, 1 failed\n");
    // What follows the error was not done.
    run.never_says("it changed:");
}
