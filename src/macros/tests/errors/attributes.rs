use cowherd_macros::test;

#[test]
#[core::prelude::v1::test]
fn twice() {}

#[test]
#[rstest]
#[case(1)]
fn below(#[case] number: i32) {}

#[test]
fn without(#[case] number: i32) {}

fn main() {}
