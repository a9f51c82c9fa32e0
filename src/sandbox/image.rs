//! A program as init takes it: one block of memory that needs no allocation to be executed.
//!
//! ```text
//!   word 0  number of candidate paths           c
//!   word 1  number of argument pointers         a, the closing null included
//!   word 2  number of variable pointers         v, the closing null included
//!   word 3  1 when there is a working folder    f, else 0
//!   word 4  unused, word 5 unused
//!   then c + a + v + f offsets into this block, 0 standing for the null pointer,
//!   then the strings, each ended by a NUL, and NULs up to a whole word.
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::sys;

/// Turns the offsets of an image that lies at `base` into addresses.
pub(super) fn relocate(words: &mut [usize], base: usize) -> Result<(), Errno> {
    let length = size_of_val(words);
    // The last byte ends the last string, so every string inside ends inside.
    let last = words
        .last()
        .map_or(1, |word| word.to_ne_bytes()[size_of::<usize>() - 1]);
    let sum = |sum: usize, count: &usize| sum.checked_add(*count);
    let count = words[..4].iter().try_fold(0, sum).ok_or(Errno::EINVAL)?;
    let pointers = words[sys::IMAGE_HEAD..].get_mut(..count);
    for pointer in pointers.filter(|_| last == 0).ok_or(Errno::EINVAL)? {
        match *pointer {
            0 => {}
            offset if offset < length => *pointer = base + offset,
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(())
}

/// A program to run in a container, as `std::process::Command` describes one on the host.
///
/// Nothing is inherited: the environment is what [`Command::env`] and [`Command::beneath`] gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    beneath: Arc<[(OsString, OsString)]>,
    folder: Option<PathBuf>,
    foreground: bool,
}

impl Command {
    /// A program: a path, or a name that is looked up in the command's own `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            ..Self::default()
        }
    }

    /// A program with its arguments, from a list that isn't empty.
    pub fn from_argv<S: AsRef<OsStr>>(argv: &[S]) -> Self {
        let mut command = Self::new(argv.first().map_or(OsStr::new(""), AsRef::as_ref));
        command.args(argv.iter().skip(1));
        command
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = S>) -> &mut Self {
        self.arguments
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable; a later value replaces an earlier one.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        match self
            .environment
            .iter_mut()
            .find(|(known, _)| *known == name)
        {
            Some(known) => known.1 = value,
            None => self.environment.push((name, value)),
        }
        self
    }

    /// Sets several variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Gives it these variables too, but for those that [`Command::env`] sets, before or after. Commands that have
    /// them in common hold them once: a run of thousands of tests has as many commands.
    pub fn beneath(&mut self, variables: &Arc<[(OsString, OsString)]>) -> &mut Self {
        self.beneath = Arc::clone(variables);
        self
    }

    fn variables(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        let own = |wanted: &OsString| self.environment.iter().any(|(name, _)| name == wanted);
        let beneath = self.beneath.iter().filter(move |(name, _)| !own(name));
        let all = beneath.chain(&self.environment);
        all.map(|(name, value)| (name, value))
    }

    /// Sets the working folder.
    pub fn current_dir(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.folder = Some(folder.into());
        self
    }

    /// Leaves the program in the caller's session, in the foreground of its terminal: for a person
    /// at a keyboard. When it is stopped there (Ctrl-Z), the caller stops too, and both go on together.
    /// Without this the program gets a session of its own.
    pub fn foreground(&mut self, foreground: bool) -> &mut Self {
        self.foreground = foreground;
        self
    }

    /// The program as it was named.
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    pub(super) fn is_foreground(&self) -> bool {
        self.foreground
    }

    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn candidates(&self) -> Vec<PathBuf> {
        // An empty name would be each folder itself (execvp(3)).
        if self.program.is_empty() || self.program.as_bytes().contains(&b'/') {
            return vec![self.program.clone().into()];
        }
        let path = self.variables().find(|(name, _)| *name == "PATH");
        let path = path.map_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"), |(_, value)| {
            value
        });
        std::env::split_paths(path)
            .map(|folder| Path::new(&folder).join(&self.program))
            .collect()
    }

    /// Writes the image to a file in memory.
    ///
    /// # Errors
    /// `InvalidInput` for a string with a NUL byte in it, and what creating the file gives.
    pub(super) fn image(&self) -> io::Result<OwnedFd> {
        let candidates = self.candidates();
        let variables: Vec<OsString> = self
            .variables()
            .map(|(name, value)| {
                let mut both = name.clone();
                both.push("=");
                both.push(value);
                both
            })
            .collect();
        let argv: Vec<&OsStr> = [self.program.as_os_str()]
            .into_iter()
            .chain(self.arguments.iter().map(OsString::as_os_str))
            .collect();
        let strings = candidates
            .iter()
            .map(|path| Some(path.as_os_str()))
            .chain(argv.iter().copied().map(Some))
            .chain([None])
            .chain(variables.iter().map(|variable| Some(variable.as_os_str())))
            .chain([None])
            .chain(self.folder.iter().map(|folder| Some(folder.as_os_str())));
        let mut words = vec![
            candidates.len(),
            argv.len() + 1,
            variables.len() + 1,
            usize::from(self.folder.is_some()),
            0,
            0,
        ];
        debug_assert_eq!(words.len(), sys::IMAGE_HEAD, "the head as sys reads it");
        let start = (words.iter().sum::<usize>() + sys::IMAGE_HEAD) * size_of::<usize>();
        let mut text = Vec::new();
        for string in strings {
            let Some(string) = string else {
                words.push(0);
                continue;
            };
            if string.as_bytes().contains(&0) {
                let message = format!("a NUL byte in {}", string.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            words.push(start + text.len());
            text.extend_from_slice(string.as_bytes());
            text.push(0);
        }
        let mut block: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        block.append(&mut text);
        block.resize(block.len().next_multiple_of(size_of::<usize>()), 0);
        let mut file = File::from(memfd_create(c"cowherd-program", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&block)?;
        Ok(file.into())
    }
}
