//! What the attribute says of what can't be a test.

#[test]
fn what_is_no_test_is_told_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/errors/*.rs");
}
