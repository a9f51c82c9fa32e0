//! Cowherd gives every test its own copy of a prepared database.
#![deny(rustdoc::broken_intra_doc_links)]

pub mod builder;
pub mod container;
pub mod digest;
pub mod disk;
pub mod engine;
pub mod event;
pub mod migrate;
pub mod plan;
pub mod project;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod spec;
pub mod store;
pub mod units;
