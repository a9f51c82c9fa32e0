//! What [`#[cowherd::test]`](macro@crate::test) writes, as ordinary code: a test with its fixtures, its runtime and
//! its time limit.
//!
//! ```
//! use cowherd::testing::Test;
//! use cowherd::{Cowherd, SqliteCopy};
//! # use cowherd::Error;
//! # fn herd() -> Result<Cowherd, Error> {
//! #     let folder = std::env::temp_dir().join(format!("cowherd-doc-{}", std::process::id()));
//! #     std::fs::create_dir_all(&folder).map_err(Error::other)?;
//! #     let spec = folder.join("cowherd.yaml");
//! #     std::fs::write(&spec, "version: 1\nsnapshots: { shop: { engine: sqlite, steps: [ sql: a.sql ] } }")
//! #         .and_then(|()| std::fs::write(folder.join("a.sql"), "CREATE TABLE item (name)"))
//! #         .map_err(Error::other)?;
//! #     Cowherd::open_in(&spec, &folder.join("store"))
//! # }
//!
//! let test = Test::new("orders::are_counted").herd(herd).snapshot("shop").arguments(1);
//! let code = test.run(
//!     |given| given.get::<SqliteCopy>(),
//!     |copy| assert_eq!(copy.execute("INSERT INTO item VALUES ('hat')", []), Ok(1)),
//! );
//! # std::fs::remove_dir_all(std::env::temp_dir().join(format!("cowherd-doc-{}", std::process::id()))).unwrap();
//! assert_eq!(code.unwrap(), std::process::ExitCode::SUCCESS);
//! ```
//!
//! A container is started before the body and dropped after it, however the body ends. A test with a time limit has
//! its body on a thread of its own: when the time is up, the test fails and its container goes, which ends what the
//! body waits for in the database. The thread itself can't be ended; it stays until it ends by itself or the process
//! does. The body of an async test is dropped at its next `await`.

mod limit;
mod runtime;

use std::panic;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Termination};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::{Container, Cowherd, Error, FromContainer, FromContainerAsync, Snapshot, herds};

pub use runtime::Flavor;

/// A test, as far as its attribute tells.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Test {
    name: &'static str,
    package: Option<&'static str>,
    herd: Option<fn() -> Result<Cowherd, Error>>,
    snapshot: Option<&'static str>,
    arguments: usize,
}

impl Test {
    /// A test with this name and no arguments. The name is the path of the test's function, crate and all.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            package: None,
            herd: None,
            snapshot: None,
            arguments: 0,
        }
    }

    /// The folder of the test's package, as it was compiled: `option_env!("CARGO_MANIFEST_DIR")`. The variable of
    /// this name counts at run time where that folder is not there.
    pub const fn package(mut self, folder: Option<&'static str>) -> Self {
        self.package = folder;
        self
    }

    /// Where its snapshots are declared, in place of the package's spec.
    pub const fn herd(mut self, herd: fn() -> Result<Cowherd, Error>) -> Self {
        self.herd = Some(herd);
        self
    }

    /// The snapshot that it gets a copy of. Without one it is the one that `[package.metadata.cowherd]` names, or
    /// `packages:` of the spec, else the only one that there is.
    pub const fn snapshot(mut self, name: &'static str) -> Self {
        self.snapshot = Some(name);
        self
    }

    /// How many arguments it has: one alone may do without a container.
    pub const fn arguments(mut self, number: usize) -> Self {
        self.arguments = number;
        self
    }

    /// Makes the fixtures by `setup` and runs `body` with them. The exit code is that of what `body` returns, which
    /// has been printed if it is an error.
    ///
    /// # Errors
    /// When there is no fixture. A panic of the body goes on.
    pub fn run<A, R: Termination>(
        self,
        setup: impl FnOnce(&Given) -> Result<A, Failed>,
        body: impl FnOnce(A) -> R,
    ) -> Result<ExitCode, Failed> {
        // Dropped last.
        let given = Given::new(self)?;
        let fixtures = setup(&given)?;
        Ok(body(fixtures).report())
    }

    /// As [`Test::run`], with the body on a thread of its own.
    ///
    /// # Errors
    /// When there is no fixture, and when the body takes longer than `limit`, the making of the fixtures aside.
    pub fn run_within<A: Send + 'static, R: Termination>(
        self,
        limit: Duration,
        setup: impl FnOnce(&Given) -> Result<A, Failed>,
        body: impl FnOnce(A) -> R + Send + 'static,
    ) -> Result<ExitCode, Failed> {
        let given = Given::new(self)?;
        let fixtures = setup(&given)?;
        limit::within(limit, self.name, move || body(fixtures).report())
    }

    /// As [`Test::run`] for an async body, in a runtime of its own.
    ///
    /// What the body has spawned and not awaited is dropped after the container.
    ///
    /// # Errors
    /// When there is no fixture or no runtime.
    pub fn run_async<A, R: Termination>(
        self,
        flavor: Flavor,
        setup: impl AsyncFnOnce(&Given) -> Result<A, Failed>,
        body: impl AsyncFnOnce(A) -> R,
    ) -> Result<ExitCode, Failed> {
        let runtime = flavor.build(self.name)?;
        let given = Given::new(self)?;
        let fixtures = runtime.block_on(setup(&given))?;
        Ok(runtime.block_on(body(fixtures)).report())
    }

    /// As [`Test::run_async`], with a time limit as in [`Test::run_within`].
    ///
    /// # Errors
    /// As both of them.
    pub fn run_async_within<A: Send + 'static, R: Termination>(
        self,
        limit: Duration,
        flavor: Flavor,
        setup: impl AsyncFnOnce(&Given) -> Result<A, Failed>,
        body: impl AsyncFnOnce(A) -> R + Send + 'static,
    ) -> Result<ExitCode, Failed> {
        let runtime = flavor.build(self.name)?;
        let given = Given::new(self)?;
        let fixtures = runtime.block_on(setup(&given))?;
        let (cancel, cancelled) = runtime::cancel();
        let ended = limit::within(limit, self.name, move || {
            let body = async { body(fixtures).await.report() };
            runtime.block_on(cancelled.or(body))
        });
        drop(cancel);
        ended
    }
}

/// Why a test could not be run to its end: it has failed, and not by what it asserts.
#[derive(Debug)]
pub struct Failed {
    told: String,
}

impl Failed {
    fn new(error: &Error, test: &str) -> Self {
        // As the test harness calls it: without the crate.
        let test = test.split_once("::").map_or(test, |(_, inside)| inside);
        let told = herds::told(error, test);
        Self { told }
    }

    /// Fails the test that is running.
    ///
    /// # Panics
    /// Always, with the cause.
    #[track_caller]
    pub fn raise(self) -> ! {
        panic!("{}", self.told)
    }

    /// Prints the cause, for a test with `#[should_panic]`: it fails when it returns.
    pub fn print(self) {
        eprintln!("{}", self.told);
    }
}

/// What the fixtures of one test are made from: its snapshot, and a container once one is needed.
#[derive(Debug)]
pub struct Given {
    test: Test,
    snapshot: Option<Snapshot>,
    container: OnceLock<Container>,
}

impl Given {
    fn new(test: Test) -> Result<Self, Failed> {
        let snapshot = match test.arguments {
            0 => None,
            _ => Some(snapshot_of(&test).map_err(|error| Failed::new(&error, test.name))?),
        };
        Ok(Self {
            test,
            snapshot,
            container: OnceLock::new(),
        })
    }

    /// One fixture.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn get<T: FromContainer>(&self) -> Result<T, Failed> {
        let alone = self.alone().and_then(T::without_container);
        let made = alone.unwrap_or_else(|| T::from_container(self.container()?));
        made.map_err(|error| Failed::new(&error, self.test.name))
    }

    /// One fixture of an async test.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn get_async<T: FromContainerAsync>(&self) -> Result<T, Failed> {
        let made = match self.alone().and_then(T::without_container_async) {
            Some(made) => made,
            None => match self.container() {
                Ok(container) => T::from_container_async(container).await,
                Err(error) => Err(error),
            },
        };
        made.map_err(|error| Failed::new(&error, self.test.name))
    }

    /// The snapshot, for a fixture that would be the only one.
    fn alone(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref().filter(|_| self.test.arguments == 1)
    }

    fn container(&self) -> Result<&Container, Error> {
        if let Some(container) = self.container.get() {
            return Ok(container);
        }
        let Some(snapshot) = &self.snapshot else {
            return Err(Error::other(
                "can't give a fixture to a test without arguments",
            ));
        };
        // On a thread without the test's runtime: starting a container blocks, which is refused within one.
        let start = || thread::scope(|scope| scope.spawn(|| snapshot.container()).join());
        let container = start().unwrap_or_else(|payload| panic::resume_unwind(payload))?;
        Ok(self.container.get_or_init(|| container))
    }
}

fn snapshot_of(test: &Test) -> Result<Snapshot, Error> {
    let (herd, default) = match test.herd {
        Some(herd) => (herd()?, None),
        None => herds::of_package(&folder_of(test.package))?,
    };
    match test.snapshot {
        Some(name) => herd.snapshot(name),
        None => herd.find(default.as_deref()),
    }
}

/// The package's folder: a test binary may run where its sources are elsewhere, or nowhere.
fn folder_of(compiled: Option<&str>) -> PathBuf {
    let compiled = compiled.map(Path::new).filter(|folder| folder.is_dir());
    let now = || std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    compiled
        .map(Path::to_owned)
        .or_else(now)
        .unwrap_or_else(|| PathBuf::from("."))
}
