use cowherd_macros::test;

#[test(flavor = "multi_thread")]
fn no_runtime() {}

#[test(flavor = "multi")]
async fn unknown() {}

#[test(flavor = "multi_thread", worker_threads = 0)]
async fn none() {}

#[test(worker_threads = 2)]
async fn one_thread() {}

#[test(flavor = "current_thread", worker_threads = 2)]
async fn one_thread_still() {}

fn main() {}
