//! Programs in a container that must succeed.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::BorrowedFd;

use super::stdio::{Keep, Printed, Tail, memory_file, null, pipe};
use super::{Container, ContainerError, Ended, error};
use crate::sandbox::{Command, Slot};

impl Container {
    /// Runs a program that reads `input` and must succeed.
    ///
    /// # Errors
    /// [`ContainerError::Command`] with the end of what it printed when it doesn't.
    pub fn must_succeed(
        &mut self,
        what: &str,
        command: &Command,
        input: Option<&[u8]>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
        let input = match input {
            Some(bytes) => memory_file(bytes).map_err(ContainerError::Writable)?,
            None => null()?,
        };
        let program = self.spawn_keeping_end(command, &input)?;
        self.succeed(what, program, stop)
    }

    /// Starts a program that reads `input`, and of whose output the end is kept.
    fn spawn_keeping_end(
        &mut self,
        command: &Command,
        input: &File,
    ) -> Result<Slot, ContainerError> {
        let pipe = pipe(self.owner).map_err(ContainerError::Output)?;
        let program = self.spawn(command, [input, &pipe.1, &pipe.1])?;
        let keep = Keep::End(Tail::default());
        self.printed.push(Printed::new(program, pipe, keep));
        Ok(program)
    }

    /// Starts a program that belongs to a service, which `called` names.
    pub(super) fn spawn_for_service(
        &mut self,
        called: String,
        command: &Command,
    ) -> Result<Slot, ContainerError> {
        match self.spawn_keeping_end(command, &null()?) {
            Err(ContainerError::Sandbox(source)) => Err(ContainerError::Start {
                service: called,
                source,
            }),
            spawned => spawned,
        }
    }

    /// Runs a program that must succeed, and returns what it wrote to its standard output.
    ///
    /// # Errors
    /// [`ContainerError::Command`] with the end of its standard error when it doesn't.
    pub fn output_of(
        &mut self,
        what: &str,
        command: &Command,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<String, ContainerError> {
        let mut output = memory_file(b"").map_err(ContainerError::Output)?;
        let all = Keep::All(output.try_clone().map_err(ContainerError::Output)?);
        let [out, err] = [pipe(self.owner), pipe(self.owner)];
        let (out, err) = (
            out.map_err(ContainerError::Output)?,
            err.map_err(ContainerError::Output)?,
        );
        let program = self.spawn(command, [&null()?, &out.1, &err.1])?;
        let end = Keep::End(Tail::default());
        self.printed.push(Printed::new(program, out, all));
        self.printed.push(Printed::new(program, err, end));
        self.succeed(what, program, stop)?;
        let mut bytes = Vec::new();
        output
            .rewind()
            .and_then(|()| output.read_to_end(&mut bytes))
            .map_err(ContainerError::Output)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn succeed(
        &mut self,
        what: &str,
        program: Slot,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
        match self.wait(program, None, stop)? {
            Ended::Exited(exit) if exit.success() => Ok(()),
            Ended::Exited(exit) => {
                let of_program = |printed: &&Printed| printed.program == program;
                let printed = self.printed.iter().filter(of_program);
                Err(ContainerError::Command {
                    what: what.to_owned(),
                    exit: error::ending(exit),
                    output: printed.map(Printed::end).collect(),
                })
            }
            Ended::TimedOut | Ended::Stopped => Err(ContainerError::Interrupted),
        }
    }
}
