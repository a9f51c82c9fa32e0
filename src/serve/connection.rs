//! One client: its requests, and the containers that it holds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use super::served::{Found, Shared};
use crate::container::{self, ContainerError, Order, ProjectFiles};
use crate::event::in_words;
use crate::front::{self, Built, Container, Snapshot};
use crate::pool::protocol::{
    Address, Answer, Ended, Hello, Named, PROTOCOL, Refusal, Request, Run, Take, Wanted,
};
use crate::pool::{Handed, Wire};
use crate::sandbox::{Command, Exit};

pub(super) struct Connection {
    wire: Wire,
    shared: Arc<Shared>,
    held: BTreeMap<u64, Held>,
    last: u64,
    /// A file that a client may have mapped stays while the client does.
    kept: Vec<Arc<Built>>,
}

enum Held {
    Outside(Box<Container>),
    /// For programs inside.
    Inside(Handed),
}

/// Why a request isn't met.
enum Unmet {
    Error(front::Error),
    /// The client asked for what there isn't, and what it should ask for.
    Wrong(&'static str, &'static str),
    /// The client is gone.
    Gone,
}

impl<E: Into<front::Error>> From<E> for Unmet {
    fn from(error: E) -> Self {
        match error.into() {
            front::Error::Container(error) if matches!(*error, ContainerError::Interrupted) => {
                Self::Gone
            }
            error => Self::Error(error),
        }
    }
}

const UNKNOWN: Unmet = Unmet::Wrong(
    "can't find that container",
    "name one that this connection took and has not dropped; programs run in those taken with `inside`",
);

impl Connection {
    pub(super) fn new(stream: Arc<UnixStream>, shared: Arc<Shared>) -> Self {
        Self {
            wire: Wire::new(stream),
            shared,
            held: BTreeMap::new(),
            last: 0,
            kept: Vec::new(),
        }
    }

    /// Answers until the client is gone or speaks nonsense; then what it held is taken apart.
    pub(super) fn talk(mut self) {
        self.converse();
        self.wire.close();
    }

    fn converse(&mut self) {
        let mut greeted = false;
        loop {
            let answer = match self.wire.receive::<Request>() {
                Ok(Some((Request::Hello(hello), _))) => {
                    let answer = greet(&hello);
                    greeted = matches!(answer, Answer::Hello(_));
                    answer
                }
                Ok(Some(_)) if !greeted => {
                    let begin = format!(
                        "begin with {{\"hello\":{{\"protocol\":{PROTOCOL},\"cowherd\":\"…\"}}}}"
                    );
                    refusal("can't serve a client that doesn't greet", Some(begin), 2)
                }
                Ok(Some((request, descriptors))) => match self.answer(request, descriptors) {
                    Ok(answer) => answer,
                    Err(Unmet::Error(error)) => {
                        refusal(&in_words(&error), error.hint(), error.exit_code())
                    }
                    Err(Unmet::Wrong(message, hint)) => refusal(message, Some(hint.to_owned()), 2),
                    Err(Unmet::Gone) => return,
                },
                Ok(None) => return,
                Err(error) => {
                    let answer = refusal(&format!("can't read the request: {error}"), None, 2);
                    // The conversation is over either way.
                    let _ = self.wire.send(&answer, &[]);
                    return;
                }
            };
            if self.wire.send(&answer, &[]).is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, request: Request, stdio: Vec<OwnedFd>) -> Result<Answer, Unmet> {
        match request {
            Request::Hello(hello) => Ok(greet(&hello)),
            Request::Prepare(wanted) => {
                let snapshot = self.find(wanted)?.name;
                Ok(Answer::Prepared { snapshot })
            }
            Request::Take(take) => self.take(take),
            Request::Frozen(wanted) => {
                let Found { name, built, .. } = self.find(wanted)?;
                let Some(path) = built.frozen.clone() else {
                    return Err(front::Error::NoFile(name).into());
                };
                self.kept.push(built);
                Ok(Answer::File {
                    snapshot: name,
                    path,
                })
            }
            Request::Forward(Named { container }) => match self.held.get(&container) {
                Some(Held::Outside(container)) => {
                    let (port, url) = container.forwarded()?;
                    Ok(Answer::Forwarded { port, url })
                }
                _ => Err(UNKNOWN),
            },
            Request::Run(run) => self.run(run, stdio),
            Request::Drop(named) => match self.held.remove(&named.container) {
                Some(_) => Ok(Answer::Dropped(named)),
                None => Err(UNKNOWN),
            },
        }
    }

    fn find(&self, wanted: Wanted) -> Result<Found, front::Error> {
        let Wanted { spec, snapshot } = wanted;
        self.shared.find(spec.as_deref(), snapshot.as_deref())
    }

    fn take(&mut self, take: Take) -> Result<Answer, Unmet> {
        let Take {
            spec,
            snapshot,
            inside,
            more,
        } = take;
        let Found { name, here, built } = self.find(Wanted { spec, snapshot })?;
        self.shared.raise_open_files();
        // One that holds a container already would wait for itself, if it had to wait for a place.
        let more = more || !self.held.is_empty();
        let stop = Some(self.wire.as_fd());
        self.last += 1;
        let (held, address) = if let Some(inside) = inside {
            let order = Order {
                project: ProjectFiles::Host,
                shown: [&built.order.host.shown[..], &inside.shown[..]].concat(),
                shared: inside.shared,
                ..built.order.clone()
            };
            let handed = self.shared.pool.take_for(&order, more, stop)?;
            let address = Address {
                id: self.last,
                pid: Some(handed.pid()),
                parked: handed.was_parked(),
                snapshot: name,
                url: order.state.url(),
                socket_folder: None,
                file: None,
                environment: handed.environment().into_iter().collect(),
            };
            (Held::Inside(handed), address)
        } else {
            let container = Snapshot::of(&name, built, here).take(more, stop)?;
            let address = container.told_as(self.last);
            (Held::Outside(Box::new(container)), address)
        };
        self.held.insert(self.last, held);
        Ok(Answer::Container(address))
    }

    fn run(&mut self, run: Run, stdio: Vec<OwnedFd>) -> Result<Answer, Unmet> {
        let Some(Held::Inside(handed)) = self.held.get_mut(&run.container) else {
            return Err(UNKNOWN);
        };
        let Ok([input, output, error]) = <[OwnedFd; 3]>::try_from(stdio) else {
            return Err(Unmet::Wrong(
                "can't run a program without its standard input, output and error",
                "send three descriptors with the request (SCM_RIGHTS, unix(7))",
            ));
        };
        if run.command.is_empty() {
            return Err(Unmet::Wrong("can't run nothing", "name a program"));
        }
        let words: Vec<OsString> = run.command.into_iter().map(OsString::from).collect();
        let mut command = Command::from_argv(&words);
        let variables = run.environment.into_iter();
        command
            .envs(variables.map(|(name, value)| (OsString::from(name), OsString::from(value))))
            .envs(handed.environment())
            .current_dir(PathBuf::from(OsString::from(run.folder)));
        let program = handed.spawn(&command, [&input, &output, &error])?;
        // Their end of file is the program's to give.
        drop((input, output, error));
        match handed.wait(program, None, Some(self.wire.as_fd()))? {
            container::Ended::Exited(Exit::Code(code)) => Ok(Answer::Ended(Ended::Code(code))),
            container::Ended::Exited(Exit::Signal(signal)) => {
                Ok(Answer::Ended(Ended::Signal(signal)))
            }
            container::Ended::TimedOut | container::Ended::Stopped => Err(Unmet::Gone),
        }
    }
}

fn greet(hello: &Hello) -> Answer {
    let own = Hello::own();
    if hello.protocol == own.protocol {
        return Answer::Hello(own);
    }
    let Hello { protocol, cowherd } = hello;
    let Hello { cowherd: ours, .. } = own;
    refusal(
        &format!(
            "can't serve Cowherd {cowherd} (protocol {protocol}): this pool is of Cowherd {ours} (protocol {PROTOCOL})"
        ),
        Some(format!(
            "use one version on both sides: `cargo install cowherd --version {cowherd}`, or set the dev-dependency \
             to {ours}"
        )),
        97,
    )
}

fn refusal(message: &str, hint: Option<String>, code: u8) -> Answer {
    Answer::Error(Refusal {
        message: message.to_owned(),
        hint,
        code,
    })
}
