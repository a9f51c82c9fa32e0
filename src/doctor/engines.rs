//! The databases' programs: where they are, and whether containers can run them.

use std::path::Path;

use super::distribution::{install_mariadb, install_postgres, install_redis};
use super::remedy::word;
use super::{Area, Check, Facts, Remedy, Status, Way};
use crate::engine::postgres_find::{Places, Programs};
use crate::engine::{EngineError, for_services, mariadb_find, redis_find};
use crate::event::in_words;
use crate::spec::Service;

/// What is there.
pub(super) struct Found {
    pub(super) sqlite: Result<String, EngineError>,
    pub(super) postgres: Result<Programs, EngineError>,
    pub(super) redis: Result<redis_find::Programs, EngineError>,
    pub(super) mariadb: Result<mariadb_find::Programs, EngineError>,
}

/// Whether what the engines run can be executed in a container; `None` when that couldn't be tried.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) own: Option<bool>,
    pub(super) postgres: Option<Result<(), String>>,
    pub(super) redis: Option<Result<(), String>>,
    pub(super) mariadb: Option<Result<(), String>>,
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
        redis: redis_find::Places::of_this_host().find(None, None),
        mariadb: mariadb_find::Places::of_this_host().find(mariadb_find::Product::MariaDb, None),
    }
}

pub(super) fn examine(found: &Found, inside: &Inside, facts: &Facts) -> Vec<Check> {
    vec![
        sqlite(found, inside, facts),
        postgres(found, inside, facts),
        mariadb(found, inside, facts),
        redis(found, inside, facts),
    ]
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

/// A server that nobody needs who has no snapshot of it.
struct Server<'a> {
    name: &'static str,
    /// The engine's name in a spec.
    engine: &'static str,
    facts: &'a Facts,
    /// How it is installed.
    install: Way,
}

impl Server<'_> {
    fn advised(self, finding: String, cause: String) -> Check {
        let remedy = Remedy::new(cause, [self.install]);
        check(self.name, Status::Advisory, finding).remedy(remedy)
    }

    /// It is not there, or can't be used.
    fn unusable(self, error: &EngineError) -> Check {
        if let EngineError::NotFound { program, .. } = error {
            let what = match program == self.name {
                true => "not installed".to_owned(),
                false => format!("{program} is not there"),
            };
            let finding = format!("{what}; only `engine: {}` needs it", self.engine);
            let cause = format!(
                "{}; `bin_dir:` of a service names another folder",
                in_words(error)
            );
            return self.advised(finding, cause);
        }
        match error.hint() {
            Some(hint) => self.advised(in_words(error), hint),
            None => check(self.name, Status::Advisory, in_words(error)),
        }
    }

    /// It is in `folder`, but containers can't run it.
    fn out_of_reach(self, folder: &Path, said: &str) -> Check {
        let folder = folder.display();
        let finding = format!("in {folder}, but containers can't run it: {said}");
        let cause = format!(
            "containers have a /tmp and a /run of their own, and their user ({}) must be able to read {folder}",
            self.facts.user
        );
        self.advised(finding, cause)
    }
}

fn postgres(found: &Found, inside: &Inside, facts: &Facts) -> Check {
    let server = Server {
        name: "PostgreSQL",
        engine: "postgres",
        facts,
        install: install_postgres(facts),
    };
    let programs = match &found.postgres {
        Ok(programs) => programs,
        Err(error) => return server.unusable(error),
    };
    if let Some(Err(said)) = &inside.postgres {
        return server.out_of_reach(&programs.folder, said);
    }
    let finding = found_in(&programs.version, &programs.folder, "psql", &programs.psql);
    check(server.name, Status::Ok, finding)
}

/// Valkey does where Redis isn't.
fn redis(found: &Found, inside: &Inside, facts: &Facts) -> Check {
    let server = Server {
        name: "Redis",
        engine: "redis",
        facts,
        install: install_redis(facts),
    };
    let programs = match &found.redis {
        Ok(programs) => programs,
        Err(error) => return server.unusable(error),
    };
    if let Some(Err(said)) = &inside.redis {
        return server.out_of_reach(&programs.folder, said);
    }
    let version = match programs.product.name() {
        product if product == server.name => programs.version.clone(),
        product => format!("{product} {}", programs.version),
    };
    let finding = found_in(&version, &programs.folder, "its client", &programs.client);
    check(server.name, Status::Ok, finding)
}

/// Where the programs are, and the client where that is elsewhere.
fn found_in(version: &str, folder: &Path, name: &str, client: &Path) -> String {
    let found = format!("{version} in {}", folder.display());
    match client.parent() == Some(folder) {
        true => found,
        false => format!("{found}; {name} is {}", client.display()),
    }
}

fn mariadb(found: &Found, inside: &Inside, facts: &Facts) -> Check {
    let server = Server {
        name: "MariaDB",
        engine: "mariadb",
        facts,
        install: install_mariadb(facts),
    };
    let programs = match &found.mariadb {
        Ok(programs) => programs,
        Err(error) => return server.unusable(error),
    };
    let folder = programs.server.parent().unwrap_or(&programs.base);
    if let Some(Err(said)) = &inside.mariadb {
        return server.out_of_reach(folder, said);
    }
    let finding = found_in(&programs.version, folder, "its client", &programs.client);
    check(server.name, Status::Ok, finding)
}
