//! A container's namespaces, mounts and processes: an inert description mirrored on
//! `std::process::Command`, compiled to a list of steps, run by one loop after `clone`.
//!
//! # Life of a container
//!
//! 1. [`Sandbox`] is described, then compiled to a [`Program`]: every string a `CString`.
//! 2. `clone` takes all namespace flags at once, but for the network's, which is made beside the steps that follow.
//!    The child walks the program; when a step fails it sends its number and the errno, and the parent turns them
//!    into words.
//! 3. The child stays as *init*, PID 1 of the container: it starts programs on request, reaps
//!    orphans, forwards signals and watches its lifeline ([`Running`] holds the other end).
//! 4. When [`Running`] is dropped, or its process dies however it may, init ends, and the kernel
//!    kills every process of the PID namespace and drops its mounts, network and IPC objects.
//!
//! Architecture invariant: after `clone` the child allocates nothing, takes no lock and never
//! returns into code that does. What it runs is in `extents.rs`, `init.rs`, `program.rs`, `rights.rs` and
//! `sys.rs` alone.

pub mod cgroup;
mod describe;
mod ending;
mod error;
mod extents;
mod identity;
mod idmap;
mod image;
mod init;
mod inlet;
mod message;
mod mounted;
mod open_files;
mod ops;
mod overlay;
mod owners;
mod program;
mod rights;
mod running;
mod sys;
mod taken;
mod terminal;
mod tmpfs;

pub use describe::{RUN, SCRATCH, Sandbox};
pub use ending::end_like;
pub use error::SandboxError;
pub use identity::Identity;
pub use image::Command;
pub use inlet::Inlet;
pub use open_files::set_open_files;
pub use overlay::{Overlay, Upper};
pub use program::Program;
pub use running::{Exit, Running, Slot, Wake};
pub use taken::memory_taken;
pub use terminal::take_terminal_back;
