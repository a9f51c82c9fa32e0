//! The front door for async callers.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use cowherd::asynchronous::Cowherd;
use tokio::runtime::Builder;

use super::{count, shop};
use crate::support::processes::{children, own, wait_until_childless};
use crate::support::{Project, alone, inside, postgres};

/// The least runtime that there can be.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

async fn open(project: &Project) -> Cowherd {
    let file = project.folder().join("cowherd.yaml");
    Cowherd::open_in(&file, &project.store())
        .await
        .expect("a project")
}

#[test]
fn any_runtime_will_do() {
    let project = shop();
    let body = async {
        let snapshot = open(&project).await.snapshot("shop").await;
        let snapshot = snapshot.expect("a snapshot");
        let (one, two) = (
            snapshot.container().await.expect("a container"),
            snapshot.sqlite_file().await.expect("a file"),
        );
        assert_eq!(
            one.url(),
            format!("sqlite://{}", one.file().expect("a file").display())
        );
        assert_ne!(one.file(), Some(two.path()));
        assert_eq!(count(&snapshot.sqlite().expect("a copy")), 2);
    };
    block_on(body);
}

#[test]
fn one_worker_does_other_things_while_containers_start() {
    if !postgres() {
        return;
    }
    let project = shop();
    // The only thread there is: were it blocked, the ticker would not tick before the containers are there.
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let snapshot = open(&project).await.snapshot("shop-pg").await;
        let snapshot = snapshot.expect("a snapshot");
        let (ticked, ticks) = mpsc::channel();
        let ticker = tokio::spawn(async move {
            while ticked.send(()).is_ok() {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        });
        let containers = tokio::join!(
            snapshot.container(),
            snapshot.container(),
            snapshot.container()
        );
        let containers = [containers.0, containers.1, containers.2];
        assert!(ticks.try_iter().next().is_some(), "the worker stood still");
        let mut urls: Vec<String> = containers
            .iter()
            .map(|container| container.as_ref().expect("a container").url())
            .collect();
        urls.dedup();
        assert_eq!(urls.len(), 3);
        drop(ticks);
        ticker.await.expect("a task");
    });
}

#[test]
fn what_a_cancelled_call_would_have_given_goes() {
    if !inside() && !postgres() {
        return;
    }
    alone(
        "front::asynchronous::what_a_cancelled_call_would_have_given_goes",
        || {
            let project = shop();
            block_on(async {
                let snapshot = open(&project).await.snapshot("shop-pg").await;
                let snapshot = snapshot.expect("a snapshot");
                {
                    let mut started = pin!(snapshot.container());
                    // Polled once, so that the thread is at work, and given up.
                    let first = started
                        .as_mut()
                        .poll(&mut Context::from_waker(Waker::noop()));
                    assert!(first.is_pending());
                }
                let container = snapshot.container().await.expect("a container");
                assert_ne!(children(own()), []);
                drop(container);
            });
            wait_until_childless();
        },
    );
}
