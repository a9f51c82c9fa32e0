//! Engines: what they say to run, what they do to a plain folder, and how they explain a failure.
//!
//! Nothing here needs a server.

mod mariadb;
mod mariadb_seal;
mod postgres;
mod postgres_find;
mod redis;
mod redis_find;
mod service;
mod sqlite;
mod sqlite_mapped;
mod sqlite_script;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cowherd::engine::{Action, Address, EngineError, ScriptFile, for_service, for_services};
use cowherd::spec::Service;

fn service(engine: &str, database: &str, settings: &[(&str, &str)]) -> Service {
    Service {
        name: "db".to_owned(),
        engine: engine.to_owned(),
        database: database.to_owned(),
        settings: settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        ..Service::default()
    }
}

/// A folder with scripts and a data folder.
struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn script(&self, name: &str, text: impl AsRef<[u8]>) -> ScriptFile {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        ScriptFile {
            name: name.to_owned(),
            host: path.clone(),
            path,
            folder: self.folder.path().to_owned(),
            transaction: false,
            text: None,
            before: None,
            after: None,
        }
    }
}

/// Runs actions that need no container.
#[track_caller]
fn perform(actions: Vec<Action>, data: &Path) -> Result<(), EngineError> {
    actions.into_iter().try_for_each(|action| match action {
        Action::InProcess(work) => work(data),
        action => panic!("this needs a container: {action:?}"),
    })
}

/// The arguments of an action, as text.
#[track_caller]
fn args(action: &Action) -> Vec<String> {
    match action {
        Action::Exec(exec) => exec
            .args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect(),
        action => panic!("this is no command: {action:?}"),
    }
}

/// The database that an action connects to.
#[track_caller]
fn connected(action: &Action) -> String {
    let Action::Exec(exec) = action else {
        panic!("this is no command")
    };
    let mut values = exec.environment.iter();
    values
        .find(|(name, _)| name == "PGDATABASE")
        .unwrap()
        .1
        .clone()
}

#[test]
fn an_unknown_engine_is_refused_with_the_known_ones() {
    let error = for_service(&service("oracle", "shop", &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "can't use the engine `oracle`: there is none of this name"
    );
    assert!(error.hint().unwrap().contains("`postgres`"));
}

#[test]
fn the_null_engine_gathers_its_scripts() {
    let room = Room::new();
    let engine = for_service(&service("null", "x", &[])).unwrap();
    perform(engine.base_actions(0), &room.data()).unwrap();
    for text in ["one\n", "two\n"] {
        perform(
            engine.script(&room.script("s", text)).unwrap(),
            &room.data(),
        )
        .unwrap();
    }
    perform(engine.freeze(), &room.data()).unwrap();
    engine.seal(&room.data()).unwrap();
    let file = room.data().join(engine.database_file().unwrap());
    assert_eq!(fs::read_to_string(file).unwrap(), "one\ntwo\n");
    assert!(engine.server(false).is_none() && engine.base_actions(1).is_empty());
}

#[test]
fn services_of_other_kinds_do_not_move_the_port() {
    let engines = for_services(&[service("sqlite", "a", &[]), service("null", "b", &[])]).unwrap();
    let urls: Vec<String> = engines
        .iter()
        .map(|engine| engine.url(&Address::Inside))
        .collect();
    assert_eq!(
        urls,
        [
            "sqlite:///run/cowherd/db/data/a.db",
            "file:///run/cowherd/db/data/scripts"
        ]
    );
}
