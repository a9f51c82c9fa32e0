//! The console's report on a terminal of its own, and on pipes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use cowherd::event::Event;
use cowherd::report::{Console, Progress, Reports, When, console};
use nix::pty::{Winsize, openpty};

use super::script::{assert_golden, script};

/// Runs the test `the_console_plays_the_script` again in a process of its own, with the given
/// standard error and environment.
fn player(stderr: Stdio, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "report::terminal::the_console_plays_the_script",
            "--nocapture",
            "--test-threads=1",
        ])
        .env_remove("CI")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("TERM", "xterm")
        .env("PLAY", "1")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    command
}

#[test]
fn the_console_plays_the_script() {
    use std::io::IsTerminal as _;
    if std::env::var_os("PLAY").is_none() {
        let output = player(Stdio::piped(), &[]).output().unwrap();
        assert!(output.status.success());
        assert_golden("plain.txt", &String::from_utf8(output.stderr).unwrap());
        return;
    }
    let progress = if std::env::var_os("PLAY_ALWAYS").is_some() {
        When::Always
    } else {
        When::Auto
    };
    let choice = Console {
        color: When::Auto,
        progress,
    };
    let mut reports = Reports::new(console(choice, io::stderr().is_terminal(), |name| {
        std::env::var_os(name)
    }));
    for event in script() {
        let crash = matches!(&event, Event::AttemptStarted(test) if test.name == "crash");
        if crash && std::env::var_os("PLAY_WAIT").is_some() {
            io::stdin().read_exact(&mut [0]).unwrap();
        }
        reports.event(&event);
    }
    let failed = reports.finish().len();
    assert_eq!(failed, 0);
}

/// What a terminal of the given width shows after the script, scrolled-off lines included, and the
/// raw bytes that it got.
fn on_a_terminal(columns: u16, rows: u16, variables: &[(&str, &str)]) -> (Vec<String>, String) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).unwrap();
    let mut child = player(Stdio::from(pty.slave), variables).spawn().unwrap();
    let mut bytes = Vec::new();
    // The terminal's last holder is gone: Linux says so by EIO.
    let end = File::from(pty.master).read_to_end(&mut bytes);
    assert!(end.is_ok() || end.unwrap_err().raw_os_error() == Some(nix::libc::EIO));
    assert!(child.wait().unwrap().success());
    let raw = String::from_utf8(bytes).unwrap();
    (screen(&raw, columns.into()), raw)
}

#[test]
fn the_live_display_follows_a_resize() {
    let size = |columns| Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size(120), None).unwrap();
    let mut child = player(
        Stdio::from(pty.slave),
        &[("PLAY_WAIT", "1"), ("NO_COLOR", "1")],
    )
    .stdin(Stdio::piped())
    .spawn()
    .unwrap();
    let mut master = File::from(pty.master);
    let narrow = rustix::termios::Winsize {
        ws_row: 24,
        ws_col: 40,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&master, narrow).unwrap();
    child.stdin.take().unwrap().write_all(b"!").unwrap();
    let mut bytes = Vec::new();
    let end = master.read_to_end(&mut bytes);
    assert!(end.is_ok() || end.unwrap_err().raw_os_error() == Some(nix::libc::EIO));
    assert!(child.wait().unwrap().success());
    let raw = String::from_utf8(bytes).unwrap();
    let (_, after) = raw.split_once("(SIGSEGV)").unwrap();
    let bars: Vec<_> = after
        .split(['\r', '\n'])
        .filter(|line| line.contains(['█', '░']))
        .collect();
    assert!(!bars.is_empty(), "{raw:?}");
    for bar in bars {
        assert!(visible(bar).chars().count() < 40, "{bar:?}");
    }
}

/// The text of a piece of the raw bytes without its control sequences.
fn visible(raw: &str) -> String {
    let mut pieces = raw.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + piece
            .split_once(|c: char| c.is_ascii_alphabetic())
            .map_or("", |(_, rest)| rest)
    })
}

/// The least of a terminal that the display needs: text, wrapping, `\r`, `\n`, cursor up and down,
/// erase in line. Anything else is a defect of the display.
fn screen(raw: &str, columns: usize) -> Vec<String> {
    let mut lines: BTreeMap<usize, Vec<char>> = BTreeMap::new();
    let (mut row, mut column) = (0, 0);
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(chars.next(), Some('['), "only control sequences");
                let mut number = String::new();
                let last = chars.by_ref().find(|c| {
                    number.push(*c);
                    c.is_ascii_alphabetic()
                });
                number.pop();
                let n: usize = number.parse().unwrap_or(0);
                let line = lines.entry(row).or_default();
                match last.unwrap() {
                    'A' => row -= n.max(1),
                    'B' => row += n.max(1),
                    'K' if n == 2 => line.clear(),
                    'K' => line.truncate(column),
                    'm' => {}
                    other => panic!("unexpected control sequence: {number}{other}"),
                }
            }
            c => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                let line = lines.entry(row).or_default();
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
    }
    let last = lines.keys().next_back().copied().unwrap_or(0);
    let text = |row| {
        lines.get(&row).map_or(String::new(), |line| {
            line.iter().collect::<String>().trim_end().to_owned()
        })
    };
    let mut lines: Vec<String> = (0..=last).map(text).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

#[test]
fn the_live_display_leaves_only_what_was_printed_for_good() {
    let (shown, raw) = on_a_terminal(200, 50, &[]);
    // The display was there, and is gone.
    assert!(raw.contains("█") || raw.contains("░"), "{raw:?}");
    assert!(
        raw.contains("running") && raw.contains("slow::b"),
        "{raw:?}"
    );
    let text = shown.join("\n") + "\n";
    assert!(!text.contains(['█', '░']), "{text}");
    assert_golden("live.txt", &text);
}

#[test]
fn the_live_display_fits_a_narrow_and_low_terminal() {
    let (shown, raw) = on_a_terminal(30, 4, &[("NO_COLOR", "1")]);
    let text = shown.join("\n");
    assert!(!text.contains(['█', '░']), "{text}");
    assert!(text.contains("to run what failed"), "{text}");
    for line in raw
        .split(['\r', '\n'])
        .filter(|line| line.contains(['█', '░']))
    {
        assert!(visible(line).chars().count() < 30, "{line:?}");
    }
}

#[test]
fn ci_dumb_terminals_and_pipes_get_the_plain_format() {
    for variables in [[("CI", "true")], [("TERM", "dumb")], [("TERM", "")]] {
        let (_, raw) = on_a_terminal(80, 24, &variables);
        assert!(
            raw.contains("PASS") && !raw.contains("\x1b[K"),
            "{variables:?}: {raw:?}"
        );
    }
    let (_, raw) = on_a_terminal(80, 24, &[("CI", "true"), ("PLAY_ALWAYS", "1")]);
    assert!(
        raw.contains("\x1b[K"),
        "the user's word goes over the environment's"
    );
    let output = player(Stdio::piped(), &[]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("PASS") && !text.contains('\x1b'), "{text:?}");
}

#[test]
fn a_terminal_that_is_gone_is_no_panic() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    assert!(
        player(Stdio::from(OwnedFd::from(writer)), &[])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn colours_follow_no_color_then_clicolor_force_then_the_terminal() {
    let coloured = |variables: &[(&str, &str)]| {
        let output = player(Stdio::piped(), variables).output().unwrap();
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("\x1b[1;32m")
    };
    assert!(!coloured(&[]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "0")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")]));
    let (_, raw) = on_a_terminal(80, 24, &[]);
    assert!(raw.contains("\x1b[1;32m"));
    let (_, raw) = on_a_terminal(80, 24, &[("NO_COLOR", "yes")]);
    assert!(!raw.contains("\x1b[1;32m"));
}

#[test]
fn the_live_report_can_be_dropped_at_any_point() {
    let report = Progress::new(false);
    drop(report);
    let choice = Console {
        color: When::Never,
        progress: When::Always,
    };
    drop(console(choice, false, |_| None::<OsString>));
}
