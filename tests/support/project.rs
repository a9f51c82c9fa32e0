//! A project of its own for one test: a folder, a store, and the program run on them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::processes::{Process, touching};
use super::text;

/// How long anything may take before a test gives up on it.
const LONGEST: Duration = Duration::from_secs(120);

/// A folder with files and a store beside it, both gone at the end of the test.
#[must_use]
pub(crate) struct Project {
    root: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Project {
    /// A project with this `cowherd.yaml`.
    pub(crate) fn new(spec: &str) -> Self {
        Self::empty().file("cowherd.yaml", spec)
    }

    /// A folder with nothing in it.
    pub(crate) fn empty() -> Self {
        let root = tempfile::Builder::new()
            .prefix("cowherd-test-")
            .tempdir()
            .expect("a folder");
        fs::create_dir(root.path().join("project")).expect("a folder");
        Self {
            root,
            variables: Vec::new(),
        }
    }

    /// A project that is the folder `fixtures/NAME` of this repository, copied.
    pub(crate) fn fixture(name: &str) -> Self {
        let project = Self::new("");
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name);
        cowherd::disk::copy_tree(&source, &project.folder()).expect("a copy of the fixture");
        project
    }

    /// Adds or replaces a file.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
        self
    }

    /// Adds an executable file.
    pub(crate) fn program(self, path: &str, content: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let project = self.file(path, content);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(project.folder().join(path), mode).expect("a mode");
        project
    }

    /// Sets a variable for the program.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The project's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// A folder below the project's that everybody may write to, for tests with `files: host`: as root
    /// they run as another user.
    pub(crate) fn open_folder(self, path: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.folder().join(path);
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("a mode");
        self
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }

    /// The text of a file of the project.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder().join(path)).expect("a file")
    }

    /// How many entries a folder of the store has: `layers`, `keys`.
    #[track_caller]
    pub(crate) fn count(&self, folder: &str) -> usize {
        fs::read_dir(self.store().join(folder))
            .expect("a folder of the store")
            .count()
    }

    /// The processes that have to do with this project: the program and everything in its containers, which
    /// have the project's folder mounted.
    pub(crate) fn processes(&self) -> Vec<Process> {
        touching(self.root.path())
    }

    /// Asserts that no process is left, nobody holds a key, and no scratch folder lies about.
    #[track_caller]
    pub(crate) fn leaves_nothing(&self) {
        assert_eq!(self.processes(), [], "processes that should have ended");
        assert_eq!(self.count("scratch"), 0, "scratch folders");
        let locks = fs::read_dir(self.store().join("locks")).expect("locks");
        let keys = locks
            .flatten()
            .filter(|lock| lock.file_name().to_string_lossy().starts_with("key-"));
        assert_eq!(keys.count(), 0, "locked keys");
    }

    /// The program, ready to be run in the project's folder with the project's store.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cowherd"));
        command
            .args(args)
            .current_dir(self.folder())
            .stdin(Stdio::null());
        for name in ["CI", "NO_COLOR", "CLICOLOR_FORCE", "COLUMNS"] {
            command.env_remove(name);
        }
        // Whatever these say to the tests, or to who runs them, is not the program's.
        let own = std::env::vars_os().map(|(name, _)| name);
        for name in own.filter(|name| name.as_encoded_bytes().starts_with(b"COWHERD_")) {
            command.env_remove(name);
        }
        command.env("COWHERD_STORE", self.store());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The same by another program, whose last arguments it is.
    pub(crate) fn command_under(&self, words: &[&str], args: &[&str]) -> Command {
        let alone = self.command(args);
        let mut command = like(&alone, words[0]);
        command
            .args(&words[1..])
            .arg(alone.get_program())
            .args(alone.get_args())
            .stdin(Stdio::null());
        command
    }

    /// Starts the program with its output going to files.
    pub(crate) fn start(&self, args: &[&str]) -> Started {
        Started::new(self.command(args))
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.start(args).wait()
    }
}

/// Another program, in the folder and with the variables of a command.
pub(crate) fn like(own: &Command, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = own.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

fn file() -> File {
    tempfile::tempfile().expect("a file")
}

/// The program, running.
pub(crate) struct Started {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Started {
    /// A command, started with its output going to files.
    pub(crate) fn new(mut command: Command) -> Self {
        let (stdout, stderr) = (file(), file());
        command
            .stdout(stdout.try_clone().expect("a file"))
            .stderr(stderr.try_clone().expect("a file"));
        let child = command.spawn().expect("the program");
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Sends it a signal, as Ctrl-C does.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid());
        nix::sys::signal::kill(pid, signal).expect("a process to signal");
    }

    /// Waits until `holds` is true of it, at most two minutes.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !holds(self) {
            let ended = self.child.try_wait().expect("a status");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no {what}; {ended:?}; it says:\n{}",
                text(&self.stderr)
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it has written this text to standard error.
    #[track_caller]
    pub(crate) fn until_it_says(&mut self, words: &str) {
        self.until(words, |started| started.stderr().contains(words));
    }

    /// Waits for its end, at most two minutes.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Finished {
        let deadline = Instant::now() + LONGEST;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().expect("an end");
                panic!("still running after two minutes: {}", text(&self.stderr));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Finished {
            code,
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
        }
    }
}

impl Drop for Started {
    /// A test that gives up leaves nothing running.
    fn drop(&mut self) {
        // It fails where the program has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit code; 128 and the signal's number when a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Asserts that standard error has this text in it.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in:\n{}",
            self.stderr
        );
        self
    }

    /// Asserts that standard error has not this text in it.
    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Self {
        assert!(
            !self.stderr.contains(text),
            "there is {text:?} in:\n{}",
            self.stderr
        );
        self
    }
}
