//! The attribute of [`cowherd`](https://docs.rs/cowherd), which exports it: `#[cowherd::test]`.
//!
//! It writes as little as possible: the function as it stands, and around it a call of `cowherd::testing`.

mod expand;
mod function;
mod limit;
mod options;

use proc_macro::TokenStream;

/// Makes a function a test that gets its own copy of a prepared database.
///
/// The types of the arguments say what the test gets, by the traits `FromContainer` and, for async tests,
/// `FromContainerAsync`; there may be any number, and none. All of them belong to one container, which is started
/// before the test and gone after it, also when it panics. `&T` and `&mut T` are lent a `T`.
///
/// | option | meaning |
/// |---|---|
/// | `snapshot = "shop"` | the snapshot; without it, the one that `[package.metadata.cowherd]` names, or `packages:` of the spec, else the only one |
/// | `timeout = "30s"` | the test fails when its body takes longer; it then has a thread of its own |
/// | `herd = path` | a function that returns `Result<Cowherd, Error>`, for snapshots that are declared in code |
/// | `flavor = "multi_thread"` | the runtime of an async test: this, or `current_thread`, the default |
/// | `worker_threads = 2` | how many threads run the tasks, in the flavor `multi_thread` |
/// | `crate = path` | where `cowherd` is, if not at `::cowherd` |
///
/// The runtime of an async test is one of tokio 1, which the test's own tokio has to be.
///
/// A test returns what a test may return. `#[ignore]`, `#[should_panic]`, `#[cfg]` and other attributes stay. A
/// database that can't be had fails a test with `#[should_panic]`, too.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    let expanded = expand::expand(options.into(), item.into());
    expanded
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
