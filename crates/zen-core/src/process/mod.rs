//! Commands: each in a process group of its own, its output streamed, ended when it should end. Knows no steps, no
//! pools and no store.

mod control;
pub mod guard;
pub mod jobserver;
mod kin;
mod lines;
mod lookup;
#[cfg(not(unix))]
mod portable;
pub mod signals;
#[cfg(unix)]
mod unix;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use control::{Control, JobId};
pub use kin::ANCESTORS;
pub use signals::Signal;

/// How long a process has between being asked to end and being killed.
pub const GRACE: Duration = Duration::from_secs(5);

/// One command to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What [`Control::kill`] calls it; several commands of one job may run one after the other.
    pub job: JobId,
    /// A bare name is looked up in the `PATH` of `env`; one with a separator is relative to `cwd`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The whole environment: nothing else is handed on.
    pub env: BTreeMap<OsString, OsString>,
    /// Where it runs, absolute.
    pub cwd: PathBuf,
    /// When to end it.
    pub timeout: Option<Duration>,
    /// How long it has from being asked to end to being killed: [`GRACE`].
    pub grace: Duration,
    /// What it finds on its standard input.
    pub stdin: Vec<u8>,
    /// What happens to its standard output.
    pub stdout: Stdout,
}

/// What happens to a command's standard output. Standard error is streamed, unless it is inherited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stdout {
    /// One stream together with standard error, in the order in which they were written.
    #[default]
    Merged,
    /// Kept apart, whole, in [`Exit::stdout`].
    Captured,
    /// Nothing is captured: it has zen's own standard streams (its standard output is zen's standard error where zen's
    /// standard output is no terminal, since that holds what zen was asked for), and stays in zen's process group, so
    /// that it may read the terminal. Signals go to it alone.
    Inherited,
}

/// How a command ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// The limit that it overran, if it did.
    pub timed_out: Option<Duration>,
    /// Was it sent a signal through [`Control`]? With neither code nor signal: it was not even started.
    pub killed: bool,
    /// What it wrote to a [captured](Stdout::Captured) standard output.
    pub stdout: Vec<u8>,
}

impl Exit {
    /// Did it do what it was started for? Not if it was told to stop, whatever it then exited with: a program that
    /// ends tidily when interrupted has not finished its work.
    pub fn success(&self) -> bool {
        self.code == Some(0) && self.timed_out.is_none() && !self.killed
    }

    /// In words: `exit status: 3`, `killed by signal 9 (SIGKILL)`, `timed out after 30s`.
    pub fn describe(&self) -> String {
        match (self.timed_out, self.code, self.signal) {
            (Some(limit), ..) => format!("timed out after {limit:?}"),
            (None, Some(code), _) if self.killed => format!("stopped, exit status: {code}"),
            (None, Some(code), _) => format!("exit status: {code}"),
            (None, None, Some(signal)) => match signals::name(signal) {
                Some(name) => format!("killed by signal {signal} ({name})"),
                None => format!("killed by signal {signal}"),
            },
            (None, None, None) => "not started: the run was stopped".to_owned(),
        }
    }
}

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A bare name that no folder of `PATH` has.
    #[error("`{program}` was not found in PATH ({path}); install it, or write its path")]
    NotInPath {
        /// As written.
        program: String,
        /// What `PATH` the command would have had.
        path: String,
    },
    /// A path where nothing is.
    #[error("`{0}` does not exist; a program's path is relative to the step's `cwd`")]
    NoSuchFile(String),
    /// It is there, and may not be executed.
    #[error("`{0}` is not executable; `chmod +x` it, or name its interpreter as the program")]
    NotExecutable(String),
    /// It is executable and no program: no `#!` line, or for another machine.
    #[error("`{0}` is not a program for this machine; a script needs a `#!` line, or its interpreter as the program")]
    NotAProgram(String),
    /// The program that its `#!` line names is not there.
    #[error("`{0}` cannot start: the interpreter that it asks for (its `#!` line) does not exist")]
    NoInterpreter(String),
    /// The folder to run in is not there.
    #[error("the folder `{0}` to run in does not exist; see the step's `cwd`")]
    NoCwd(String),
    /// The system takes no more.
    #[error("`{0}` has too many or too long arguments; let it read ZEN_CONTEXT, or a file that lists them")]
    TooLong(String),
    /// Anything else.
    #[error("`{program}` could not be started")]
    Io {
        /// As written.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs a command to its end, in the calling thread.
///
/// `on_output` gets its output as it comes, in whole lines, the bytes as they are; a line without an end is given
/// after a short quiet, at the end, or when it grows long. Whether the command reads its standard input is its own
/// business. What is left of its process group
/// when the command has ended is killed; a process that made itself a session of its own is left alone, and not
/// waited for even if it holds the output open. If the command was told to end, by a signal or since its time was up,
/// such a process is killed with it, unless it was no longer the command's descendant (a server) when that was told.
///
/// # Errors
/// The command could not be started.
pub fn run(spec: &Spec, control: &Control, on_output: &mut dyn FnMut(&[u8])) -> Result<Exit, SpawnError> {
    if control.stopped().is_some() {
        return Ok(Exit { killed: true, ..Exit::default() });
    }
    #[cfg(target_os = "linux")]
    guard::begin();
    #[cfg(unix)]
    return unix::run(spec, control, on_output);
    #[cfg(not(unix))]
    return portable::run(spec, control, on_output);
}

/// The file that `spec` would start, for messages and keys.
///
/// # Errors
/// It is not there, or not executable.
pub fn find_program(spec: &Spec) -> Result<PathBuf, SpawnError> {
    lookup::find(&spec.program, spec.env.get(std::ffi::OsStr::new("PATH")).map(|path| &**path), &spec.cwd)
}

fn shown(path: &Path) -> String {
    crate::path::escape(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
