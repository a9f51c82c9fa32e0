//! Tests that fail, and how: each passes, until it is run again by another one with something broken.
