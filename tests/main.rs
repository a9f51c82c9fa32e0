//! All integration tests, as one binary: each module is about one part.

mod migrate;
mod plan;
mod house;
mod sandbox;
mod store;
mod support;
//! Integration tests: one binary.

mod cgroup;
