//! All integration tests, as one binary: each module is about one part.

mod sandbox;
mod store;
mod support;
