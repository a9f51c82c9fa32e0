//! The `cowherd` command.
fn main() {}
