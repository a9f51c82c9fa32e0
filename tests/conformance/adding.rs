//! The engine of the walk-through (`cowherd::engine::adding`), which no spec can name: built and copied.

#[path = "added.rs"]
mod added;

use std::path::Path;
use std::sync::Arc;

use cowherd::builder::Builder;
use cowherd::container::{Container, Live, Order, base_environment};
use cowherd::digest::Digest;
use cowherd::engine::Engine;
use cowherd::plan::{PlannedSnapshot, PlannedStep, Script, Work};
use cowherd::sandbox::Command;
use cowherd::schedule::Stop;
use cowherd::spec::{Limits, Position};

use crate::support::{Project, require, userns};

fn etcd() -> bool {
    let needed = ["/usr/bin/etcd", "/usr/bin/curl"];
    let missing = needed.iter().find(|program| !Path::new(program).exists());
    let missing = missing.map_or(Ok(()), |program| Err(format!("there is no {program}")));
    userns() && require("etcd", missing)
}

fn step(key: &str, work: Work) -> PlannedStep {
    PlannedStep {
        key: Digest::of(key.as_bytes()),
        parent: None,
        prefixes: Vec::new(),
        alike: None,
        service: "config".to_owned(),
        beside: Vec::new(),
        label: key.to_owned(),
        work,
        position: Position::default(),
    }
}

/// Puts `one` (`b25l`) where it holds `from`, and gives what is there then.
fn replaced(live: &mut Live, to: &str) -> String {
    let put = format!(
        r#"{{"success":[{{"request_put":{{"key":"b25l","value":"{to}","prev_kv":true}}}}]}}"#
    );
    let mut curl = Command::new("/usr/bin/curl");
    curl.args(["-s", "-d", &put, "http://127.0.0.1:2379/v3/kv/txn"]);
    curl.envs(base_environment());
    let container: &mut Container = live;
    container
        .output_of("put a value", &curl, None)
        .expect("an answer")
}

#[test]
fn the_engine_of_the_walk_through_is_built_and_copied() {
    if !etcd() {
        return;
    }
    // "one" is 1.
    let put = r#"{"success":[{"request_put":{"key":"b25l","value":"MQ=="}}]}"#;
    let project = Project::new("version: 1\nsnapshots: { unused: { engine: sqlite } }\n")
        .file("one.json", put)
        .file("bad.json", "{");
    let file = project.folder().join("cowherd.yaml");
    let opened = cowherd::project::Project::open_in(&file, &project.store()).expect("a project");
    let engine: Arc<dyn Engine> = Arc::new(added::Etcd::new("config").expect("etcd"));
    let script = |name: &str| {
        Work::Scripts(vec![Script {
            path: project.folder().join(name),
            name: name.to_owned(),
            transaction: false,
            text: None,
            before: None,
            after: None,
        }])
    };
    let snapshot = |script: PlannedStep| PlannedSnapshot {
        name: "config".to_owned(),
        services: Vec::new(),
        chain: vec![step("empty", Work::Base(0)), script],
        programs: None,
        limits: Limits::default(),
    };
    let (stop, stopped) = (Stop::new().expect("an order"), || false);
    let builder = Builder::on(opened.on(), stop.killed(), &stopped);
    let services = [engine];
    let bad = snapshot(step("bad", script("bad.json")));
    let error = builder
        .build(&bad, &services, &mut |_| {})
        .expect_err("no JSON");
    let error = cowherd::event::in_words(&error);
    assert!(
        error.contains("can't run bad.json: ") && error.contains("unexpected EOF"),
        "{error}"
    );
    let good = snapshot(step("one", script("one.json")));
    let state = builder
        .build(&good, &services, &mut |_| {})
        .expect("a state");
    assert_eq!(state.layers.len(), 2);
    let order = Order::unseen(opened.on(), &Arc::new(state));
    let [mut one, mut other] = [(), ()].map(|()| order.start(None).expect("a container"));
    // "one" was 1 in both, and is 2 and 3 then.
    for (live, to) in [(&mut one, "Mg=="), (&mut other, "Mw==")] {
        let answer = replaced(live, to);
        assert!(answer.contains(r#""value":"MQ==""#), "{answer}");
    }
    assert!(replaced(&mut one, "NA==").contains(r#""value":"Mg==""#));
}
