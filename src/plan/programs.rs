//! What servers without an adapter are, in keys: their commands, and the files that these read.

use super::error::Problem;
use super::files::{self, Folders};
use super::key::Keys;
use super::sources::Reads;
use crate::digest::{Digest, Labelled};
use crate::spec::{CommandLine, Service, ServiceProgram};

impl Keys<'_> {
    /// What is said of those of the services that have no adapter; nothing where all have one.
    pub(super) fn programs<'s>(
        &mut self,
        services: impl IntoIterator<Item = &'s Service>,
    ) -> Option<Digest> {
        let mut all: Option<Labelled> = None;
        for service in services {
            if let Some(program) = &service.program {
                let identity = self.identity(service);
                let key = all.unwrap_or_else(|| Labelled::new("programs"));
                let key = key
                    .field("service", service.name.as_bytes())
                    .field("version", identity.version.as_bytes());
                all = Some(self.with_program(key, service, program));
            }
        }
        all.map(Labelled::finish)
    }

    /// Puts into a key what a server without an adapter is, with the files that its commands read.
    pub(super) fn with_program(
        &mut self,
        mut key: Labelled,
        service: &Service,
        program: &ServiceProgram,
    ) -> Labelled {
        let commands = [
            ("command", Some(&program.command)),
            ("init", program.init.as_ref()),
            ("stop", program.stop.as_ref()),
        ];
        let mut named = Vec::new();
        for (label, command) in commands {
            let argv = command.map(CommandLine::argv).unwrap_or_default();
            for argument in argv {
                key = key.field(label, argument.as_bytes());
            }
            named.extend(
                command
                    .into_iter()
                    .flat_map(|command| self.named_in(command)),
            );
        }
        for (name, value) in &program.environment {
            key = key
                .field("variable", name.as_bytes())
                .field("value", value.as_bytes());
        }
        if let Some(folder) = &program.data_dir {
            key = key.field("data_dir", folder.as_os_str().as_encoded_bytes());
        }
        key = key.field("stop_signal", program.stop_signal.to_string().as_bytes());
        let (paths, errors) = files::expand(self.folder, &program.inputs, Folders::Walked);
        let mut reads = Reads::after(errors);
        for path in named {
            self.sources.add_data("program", &path, &mut reads);
        }
        for path in paths {
            self.sources.add_data("input", &path, &mut reads);
        }
        for error in std::mem::take(&mut reads.errors) {
            let position = service.position;
            let known =
                |it: &Problem| it.position == position && it.error.to_string() == error.to_string();
            // It is read for each of the keys that it is a part of.
            if !self.problems.iter().any(known) {
                self.problems.push(Problem { position, error });
            }
        }
        reads.into_fields(key)
    }
}
