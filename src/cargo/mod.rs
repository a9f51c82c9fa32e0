//! A target runner for Cargo: one container for each test of a Rust package.
//!
//! Cargo, rustdoc and nextest call a runner in place of the programs that they have built, with the program's
//! path and its arguments (`target.<triple>.runner` in Cargo's configuration). A package says which snapshot its tests
//! get, or the spec does ([`wanted`]); the programs of one of which nothing is said are executed as they stand.
//!
//! ```text
//!   cargo test     RUNNER target/debug/deps/shop-0123456789abcdef [FILTER…]     all tests of a binary
//!   rustdoc        RUNNER /tmp/rustdoctest…/rust_out                            one doc test, or several merged
//!   cargo nextest  RUNNER target/debug/deps/shop-0123456789abcdef --list …      which tests there are
//!                  RUNNER … --exact NAME --nocapture                            one test
//! ```
//!
//! A binary with libtest's `main` is asked for its tests, and each of them runs in a process and a container of
//! its own ([`each`]), shown as libtest shows it. Any other program runs in one container, with its
//! arguments untouched.

mod binary;
mod config;
mod each;
mod fixture;
mod frame;
mod life;
mod names;
mod options;
mod seen;
mod show;
mod wanted;

pub use binary::{Binary, BinaryError, Kind, Listed};
pub use config::{CargoConfig, Conditional, ConfigError, cargo_home};
pub use each::{Done, EachError, each};
pub use fixture::{Fixture, FixtureError, Program, RunError};
pub use frame::{Frame, Verdict};
pub use names::{is_test, runner_variable};
pub use options::{Asked, Color, Format, Ignored, Options};
pub use wanted::{Wanted, WantedError, wanted};

/// The subcommand that is the runner.
pub const RUNNER: &str = "cargo-runner";
/// The variable that says that `cowherd cargo` is the parent of a run, and tells of builds.
pub const CARGO: &str = "COWHERD_CARGO";
/// The variable by which the program of merged doc tests is told to execute the runner, and the one by which it says
/// there which of its tests is meant (src/librustdoc/doctest/runner.rs).
pub const MERGED_DOCTESTS: [&str; 2] = [binary::MERGED, "RUSTDOC_DOCTEST_RUN_NB_TEST"];
/// The variable by which the runner knows, when it is executed so, what to execute: the words, one a line.
pub const DOCTESTS: &str = "COWHERD_CARGO_DOCTESTS";
