//! An engine without a database, for testing what stands around engines: its data is one file, to which each
//! script is appended. The spec does not offer it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Action, Address, Base, Engine, EngineError, Exec, Place, ScriptFile, Server};
use crate::spec::Service;

pub(super) const KEY: &str = "null";
const FILE: &str = "scripts";

#[derive(Debug)]
pub(super) struct Null {
    place: Place,
}

impl Null {
    pub(super) fn new(service: &Service) -> Self {
        Self {
            place: Place::new(&service.name),
        }
    }

    fn file(&self) -> PathBuf {
        self.place.data().join(FILE)
    }
}

impl Engine for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn base(&self) -> Vec<Base> {
        vec![Base {
            label: "empty file".to_owned(),
            fields: Vec::new(),
            with_server: false,
        }]
    }

    fn base_actions(&self, index: usize) -> Vec<Action> {
        if index > 0 {
            return Vec::new();
        }
        vec![append(Vec::new())]
    }

    fn server(&self, _building: bool) -> Option<Server> {
        None
    }

    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        let text =
            fs::read(&script.host).map_err(|e| EngineError::file("read", &script.host, e))?;
        Ok(vec![append(text)])
    }

    fn seal(&self, _data: &Path) -> Result<(), EngineError> {
        Ok(())
    }

    fn client(&self) -> Exec {
        Exec::new("/bin/sh")
    }

    fn client_script(&self, script: &Path) -> Exec {
        Exec::new("/bin/sh").arg("-e").arg(script)
    }

    fn environment(&self, _address: &Address) -> Vec<(String, String)> {
        vec![("NULL_FILE".to_owned(), self.file().display().to_string())]
    }

    fn url(&self, _address: &Address) -> String {
        format!("file://{}", self.file().display())
    }

    fn database_file(&self) -> Option<PathBuf> {
        Some(FILE.into())
    }
}

fn append(text: Vec<u8>) -> Action {
    Action::InProcess(Box::new(move |data| {
        let path = data.join(FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| EngineError::file("open", &path, e))?;
        file.write_all(&text)
            .map_err(|e| EngineError::file("write", &path, e))
    }))
}
