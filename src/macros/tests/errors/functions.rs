use cowherd_macros::test;

#[test]
struct NoFunction;

#[test]
fn generic<T>(fixture: T) {}

#[test]
const fn constant() {}

#[test]
unsafe fn careless() {}

#[test]
extern "C" fn foreign() {}

struct Suite;

impl Suite {
    #[test]
    fn method(&self) {}
}

#[test]
fn anything(url: impl AsRef<str>) {}

#[test]
fn text(url: &str) {}

#[test]
#[should_panic]
fn both() -> Result<(), String> {
    Ok(())
}

fn main() {}
