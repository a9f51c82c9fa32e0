//! Snapshots that are declared in code are those of the same words in YAML.

use cowherd::Cowherd;
use cowherd::digest::Digest;
use cowherd::project::{Project as Opened, ProjectError};
use cowherd::spec::{Declaration, declare};

use super::{count, open, shop};
use crate::support::{Project, postgres};

/// What `SHOP` says.
fn declaration(spec: Declaration) -> Declaration {
    spec.snapshot("shop", |shop| shop.engine("sqlite").sql("seed.sql"))
        .snapshot("shop-pg", |shop| {
            shop.engine("postgres").database("shop").sql("seed.sql")
        })
}

fn keys(project: &Opened, name: &str) -> Result<Vec<Digest>, ProjectError> {
    let (plan, _) = project.plan(&[name])?;
    let snapshot = plan.snapshots.iter().find(|planned| planned.name == name);
    let chain = &snapshot.expect("a plan").chain;
    Ok(chain.iter().map(|step| step.key).collect())
}

#[track_caller]
fn assert_same_keys(project: &Project, name: &str) {
    let file = project.folder().join("cowherd.yaml");
    let written = Opened::open_in(&file, &project.store()).expect("a project");
    let spec = declare(&project.folder(), declaration).expect("a spec");
    let declared = Opened::of_spec_in(spec, &project.store()).expect("a project");
    let written = keys(&written, name).expect("keys");
    assert!(written.len() > 1, "{written:?}");
    assert_eq!(keys(&declared, name).expect("keys"), written);
}

#[test]
fn the_keys_are_the_same() {
    let project = shop();
    assert_same_keys(&project, "shop");
    if postgres() {
        assert_same_keys(&project, "shop-pg");
    }
}

#[test]
fn what_one_has_built_is_there_for_the_other() {
    let project = shop();
    let written = open(&project).snapshot("shop").expect("a snapshot");
    let layers = project.count("layers");
    let declared = Cowherd::declare_in(project.folder(), &project.store(), declaration);
    let declared = declared.expect("a project").snapshot("shop");
    let declared = declared.expect("a snapshot");
    assert_eq!(project.count("layers"), layers);
    for snapshot in [written, declared] {
        assert_eq!(count(&snapshot.sqlite().expect("a copy")), 2);
    }
}

#[test]
fn a_mistake_is_told_as_a_mistake_in_a_spec_is() {
    let project = shop();
    let error = Cowherd::declare_in(project.folder(), &project.store(), |spec| {
        spec.snapshot("shop", |shop| shop.engine("sqlite").sql("sed.sql"))
    });
    // Files are looked for when the snapshot is asked for.
    let error = error.expect("a project").snapshot("shop");
    let told = cowherd::event::in_words(&error.expect_err("no snapshot"));
    assert!(told.contains("tests/front/declared.rs:"), "{told}");
    assert!(told.contains("can't find `sed.sql`"), "{told}");
    assert!(
        told.contains("that folder has broken.sql, cowherd.yaml, seed.sql"),
        "{told}"
    );
}
