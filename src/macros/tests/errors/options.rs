use cowherd_macros::test;

#[test(snapshoot = "shop")]
fn unknown() {}

#[test("shop")]
fn no_name() {}

#[test(snapshot)]
fn no_value() {}

#[test(snapshot = shop)]
fn no_text() {}

#[test(snapshot = " ")]
fn empty() {}

#[test(snapshot = "a", snapshot = "b")]
fn twice() {}

#[test(timeout = 30)]
fn a_number() {}

#[test(timeout = "30")]
fn no_unit() {}

#[test(timeout = "0s")]
fn no_time() {}

#[test(herd = "herd")]
fn no_path() {}

fn main() {}
