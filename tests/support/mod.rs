//! What several test modules need.

mod abilities;
mod project;

pub(crate) use abilities::{postgres, require, userns};
pub(crate) use project::{Finished, Project, Started};
