//! What a user can write: types, parsing with positions, checks of meaning.
//!
//! ```text
//! bytes ─yaml─▶ tree of nodes with places ─read─▶ draft ─check─▶ Spec
//!                  └───────────────────────┴─────────┴─▶ every problem, in the order of the file
//! ```
//!
//! Nothing stops at the first problem but text that isn't YAML. A problem is printed as
//!
//! ```text
//! cowherd.yaml:3:5: unknown key `egnine`; did you mean `engine`?
//!  3 |     egnine: postgres
//!    |     ^^^^^^
//! ```
//!
//! A spec that is [declared](declare()) in Rust becomes such a tree, too.
//!
//! `${NAME}`, `${NAME:-default}` and so on are replaced in values as in Compose, `$$` gives one `$`, and any
//! other `$` stays. Keys and commands (`command`, `discover`) are left as they stand: there `$` is the shell's.

mod check;
mod check_services;
mod check_tests;
mod declare;
mod declare_service;
mod declared;
mod draft;
mod interpolate;
mod load;
mod model;
mod order;
mod problem;
mod program;
mod read;
mod read_services;
mod read_snapshots;
mod read_tests;
mod read_values;
mod source;
mod yaml;

pub use declare::{Declaration, SnapshotDeclaration, declare};
pub use declare_service::{HealthDeclaration, ServiceDeclaration};
pub use load::{find, load, parse, seen_from_here};
pub use model::*;
pub use order::{needed_by, run_beside};
pub use problem::{Problem, Problems, SpecError, excerpt};
pub use program::{DATA, Dependency, Health, HealthTest, ServiceProgram};
pub use read_snapshots::USUAL_NAME;
