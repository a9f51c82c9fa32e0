//! All integration tests, as one binary: each module is about one part.

mod attribute;
mod bad_days;
mod build;
mod cargo;
mod carry;
mod cgroup;
mod cli;
mod container;
mod difference;
mod doctor;
mod engine;
mod front;
mod house;
mod kept;
mod leftovers;
mod migrate;
mod package;
mod plan;
mod pool;
mod report;
mod run;
mod sandbox;
mod serve;
mod spec;
mod store;
mod support;
