//! The program on a terminal of its own, which script(1) of util-linux makes.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::{Project, like, require};

/// How long anything may take.
const LONGEST: Duration = Duration::from_secs(60);

/// A terminal with a program on it.
pub(crate) struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    /// What was printed, and how much of that was looked at.
    seen: String,
    read: usize,
}

impl Terminal {
    /// Runs a line of the shell in the project's folder, in which `cowherd` is the program; `None` where
    /// there is no script(1).
    pub(crate) fn start(project: &Project, line: &str) -> Option<Self> {
        let there = Command::new("script").arg("--version").output();
        let there = there
            .map(drop)
            .map_err(|error| format!("script(1): {error}"));
        if !require("terminal", there) {
            return None;
        }
        let own = project.command(&[]);
        let mut command = like(&own, "script");
        let line = format!("cowherd() {{ \"$COWHERD\" \"$@\"; }}; {line}");
        command.args(["-qefc", &line, "/dev/null"]);
        command
            .env("COWHERD", own.get_program())
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .env("PAGER", "cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("script");
        let (send, output) = channel();
        let mut stdout = child.stdout.take().expect("a pipe");
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut bytes) {
                if send.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self {
            keys: child.stdin.take(),
            child,
            output,
            seen: String::new(),
            read: 0,
        })
    }

    /// Presses keys.
    #[track_caller]
    pub(crate) fn keys(&mut self, keys: &str) {
        let pipe = self.keys.as_mut().expect("an open terminal");
        pipe.write_all(keys.as_bytes())
            .expect("the terminal takes it");
    }

    /// Waits until this is printed, after what was waited for before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + LONGEST;
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let more = self.more(deadline);
            assert!(more, "no {text:?} in:\n{}", self.seen);
        }
    }

    /// Waits for the end: the exit code and everything that was printed.
    #[track_caller]
    pub(crate) fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + LONGEST;
        while self.more(deadline) {}
        assert!(Instant::now() < deadline, "still running:\n{}", self.seen);
        let status = self.child.wait().expect("a status");
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        (code, std::mem::take(&mut self.seen))
    }

    fn more(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(bytes) => {
                self.seen += &String::from_utf8_lossy(&bytes);
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Closed keys are the end of the terminal; a test that failed doesn't wait for it.
        self.keys = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
