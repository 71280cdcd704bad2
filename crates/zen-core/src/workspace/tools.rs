//! Running cargo and rustc for their answers. Knows not what is asked.

#![expect(clippy::disallowed_methods, reason = "an edge: spawns cargo and rustc")]

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::environment::{Environment, var};

/// Whoever runs programs for their answers; tests count with it.
pub trait Tools: Send + Sync + std::fmt::Debug {
    /// Runs `program` in `cwd` with exactly `env`, to its end.
    ///
    /// # Errors
    /// It could not be started.
    fn output(&self, program: &OsStr, args: &[OsString], cwd: &Path, env: &Environment) -> io::Result<Output>;
}

/// The operating system's way.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Tools for System {
    fn output(&self, program: &OsStr, args: &[OsString], cwd: &Path, env: &Environment) -> io::Result<Output> {
        // Looked up by hand, so that it is `env`'s PATH that counts and not this process's.
        let found = find_program(program, cwd, env).ok_or(io::ErrorKind::NotFound)?;
        Command::new(found).args(args).current_dir(cwd).env_clear().envs(env).stdin(Stdio::null()).output()
    }
}

/// Where `program` lies: as it is if it has a folder, else the first in `PATH`.
pub(super) fn find_program(program: &OsStr, cwd: &Path, env: &Environment) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return Some(cwd.join(path)).filter(|path| path.is_file());
    }
    let mut name = program.to_os_string();
    if path.extension().is_none() {
        name.push(std::env::consts::EXE_SUFFIX);
    }
    let folders = var(env, "PATH").unwrap_or_default();
    std::env::split_paths(folders).map(|folder| cwd.join(folder).join(&name)).find(|path| path.is_file())
}

#[cfg(test)]
pub(super) mod counting {
    use std::sync::Mutex;

    use super::*;

    /// Runs for real, and keeps what was run.
    #[derive(Debug, Default)]
    pub(crate) struct Counting(pub(crate) Mutex<Vec<String>>);

    impl Counting {
        /// What was run since the last call: first words of the arguments.
        pub(crate) fn take(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    impl Tools for Counting {
        fn output(&self, program: &OsStr, args: &[OsString], cwd: &Path, env: &Environment) -> io::Result<Output> {
            self.0.lock().unwrap().push(args[0].to_string_lossy().into_owned());
            System.output(program, args, cwd, env)
        }
    }
}
