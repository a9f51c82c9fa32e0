//! The databases' programs: where they are, and whether containers can run them.

use super::distribution::install_postgres;
use super::remedy::word;
use super::{Area, Check, Facts, Remedy, Status, Way};
use crate::engine::postgres_find::{Places, Programs};
use crate::engine::{EngineError, for_services};
use crate::event::in_words;
use crate::spec::Service;

/// What is there.
pub(super) struct Found {
    pub(super) sqlite: Result<String, EngineError>,
    pub(super) postgres: Result<Programs, EngineError>,
}

/// Whether what the engines run can be executed in a container; `None` when that couldn't be tried.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) own: Option<bool>,
    pub(super) postgres: Option<Result<(), String>>,
}

pub(super) fn find() -> Found {
    let service = Service {
        name: "db".to_owned(),
        engine: "sqlite".to_owned(),
        database: "db".to_owned(),
        ..Service::default()
    };
    Found {
        sqlite: for_services(&[service]).map(|engines| {
            engines
                .first()
                .map_or_else(String::new, |engine| engine.version().to_owned())
        }),
        postgres: Places::of_this_host().find(None),
    }
}

pub(super) fn examine(found: &Found, inside: &Inside, facts: &Facts) -> Vec<Check> {
    vec![sqlite(found, inside, facts), postgres(found, inside, facts)]
}

fn check(name: &'static str, status: Status, finding: String) -> Check {
    Check::new(Area::Engines, name, status, finding)
}

fn sqlite(found: &Found, inside: &Inside, facts: &Facts) -> Check {
    let version = match &found.sqlite {
        Ok(version) => version,
        Err(error) => return check("SQLite", Status::Missing, in_words(error)),
    };
    if inside.own == Some(false) {
        let program = word(&facts.program);
        let finding = format!("containers can't execute {program}, which is its client there");
        return check("SQLite", Status::Missing, finding).remedy(Remedy::new(
            format!(
                "user {} may not execute this program, or its file system is mounted `noexec`",
                facts.user
            ),
            [Way::new(
                "let everybody execute it",
                format!("chmod a+rx {program}"),
            )],
        ));
    }
    check("SQLite", Status::Ok, format!("{version}, built in"))
}

/// Nobody needs PostgreSQL who has no snapshot of it.
fn postgres(found: &Found, inside: &Inside, facts: &Facts) -> Check {
    let name = "PostgreSQL";
    let programs = match &found.postgres {
        Ok(programs) => programs,
        Err(error @ EngineError::NotFound { program, .. }) => {
            let finding = match program.as_str() {
                "PostgreSQL" => "not installed; only `engine: postgres` needs it".to_owned(),
                program => format!("{program} is not there; only `engine: postgres` needs it"),
            };
            let cause = format!(
                "{}; `bin_dir:` of a service names another folder",
                in_words(error)
            );
            return check(name, Status::Advisory, finding)
                .remedy(Remedy::new(cause, [install_postgres(facts)]));
        }
        Err(error) => {
            let found = check(name, Status::Advisory, in_words(error));
            return match error.hint() {
                Some(hint) => found.remedy(Remedy::new(hint, [install_postgres(facts)])),
                None => found,
            };
        }
    };
    if let Some(Err(said)) = &inside.postgres {
        let finding = format!(
            "in {}, but containers can't run it: {said}",
            programs.folder.display()
        );
        let cause = format!(
            "containers have a /tmp and a /run of their own, and their user ({}) must be able to read {}",
            facts.user,
            programs.folder.display()
        );
        return check(name, Status::Advisory, finding)
            .remedy(Remedy::new(cause, [install_postgres(facts)]));
    }
    check(
        name,
        Status::Ok,
        match programs.psql.parent() {
            Some(folder) if folder == programs.folder => {
                format!("{} in {}", programs.version, folder.display())
            }
            _ => format!(
                "{} in {}; psql is {}",
                programs.version,
                programs.folder.display(),
                programs.psql.display()
            ),
        },
    )
}
