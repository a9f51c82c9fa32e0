//! Snapshots that the store has by itself, as specs.

use std::path::Path;

use super::StoredService;
use crate::spec::{
    self, CommandLine, Health, HealthDeclaration, HealthTest, ServiceDeclaration, Spec, SpecError,
};

/// The spec of a snapshot that the store has by itself, for who works in `folder`: its services, and no steps. It is read and
/// checked as any other.
///
/// # Errors
/// Names, engines or settings that no spec may have.
pub fn spec_of(name: &str, services: &[StoredService], folder: &Path) -> Result<Spec, SpecError> {
    spec::declare(folder, |spec| {
        spec.snapshot(name, |mut snapshot| {
            for service in services {
                snapshot = snapshot.service(&service.name, |declared| again(service, declared));
            }
            snapshot
        })
    })
}

/// The calls by which a spec in Rust would say the same of a service.
fn again(service: &StoredService, mut declared: ServiceDeclaration) -> ServiceDeclaration {
    declared = declared.engine(&service.engine);
    for wanted in &service.depends_on {
        declared = match wanted.healthy {
            true => declared.depends_on(&wanted.service),
            false => declared.depends_on_started(&wanted.service),
        };
    }
    let Some(program) = &service.program else {
        declared = declared.database(&service.database);
        let settings = service.settings.iter();
        return settings.fold(declared, |it, (name, value)| it.setting(name, value));
    };
    declared = declared.command(program.command.clone());
    for (line, key) in [
        (
            &program.init,
            ServiceDeclaration::init as fn(_, CommandLine) -> _,
        ),
        (&program.stop, ServiceDeclaration::stop),
        (&program.client, ServiceDeclaration::client),
    ] {
        if let Some(line) = line {
            declared = key(declared, line.clone());
        }
    }
    for (name, value) in &program.environment {
        declared = declared.environment(name, value);
    }
    for port in &program.ports {
        declared = declared.port(*port);
    }
    if let Some(folder) = program.data_dir.as_deref().and_then(Path::to_str) {
        declared = declared.data_dir(folder);
    }
    if let Some(url) = &program.url {
        declared = declared.url(url);
    }
    declared
        .inputs(program.inputs.iter().map(String::as_str))
        .stop_signal(&program.stop_signal.to_string())
        .stop_grace_period(program.stop_grace_period)
        .healthcheck(|declared| asked_again(&program.health, declared))
}

fn asked_again(health: &Health, declared: HealthDeclaration) -> HealthDeclaration {
    let declared = match &health.test {
        HealthTest::Started => declared.disable(),
        HealthTest::Command(line) => declared.test(line.clone()),
        HealthTest::Tcp(port) => declared.tcp(*port),
        HealthTest::Http { port, path } => declared.http(&format!("http://127.0.0.1:{port}{path}")),
        HealthTest::Log(text) => declared.log(text),
    };
    declared
        .start_interval(health.start_interval)
        .interval(health.interval)
        .timeout(health.timeout)
        .retries(health.retries)
        .start_period(health.start_period)
}
