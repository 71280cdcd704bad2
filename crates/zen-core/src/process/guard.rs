//! When zen is killed so that it can do nothing more (SIGKILL, out of memory): a second process, which waits for that
//! and then kills what the run had started. Knows no commands.
//!
//! The guard holds the reading end of a pipe whose other end only zen has. It reads one byte: that zen ends as it
//! should; or the end of the pipe: that zen is dead. Nobody tells it what runs, so that a step costs nothing: it finds
//! that by the environment that each command was given. A child that was just forked has the pipe open until it
//! executes its own program, with that environment, so none is missed.
//!
//! Why not `PR_SET_PDEATHSIG`: it is the thread that counts as the parent, and zen's workers end; it does not reach
//! grandchildren; and to set it between fork and exec takes unsafe code. Ray's reaper and Python's resource tracker work
//! like this one.

use std::ffi::OsStr;

/// The one argument with which zen's own executable is started as guard.
pub const ARGUMENT: &str = "__guard";

/// Is this process to be a guard, by its arguments?
pub fn is_asked(mut args: impl Iterator<Item = impl AsRef<OsStr>>) -> bool {
    args.nth(1).is_some_and(|arg| arg.as_ref() == ARGUMENT) && args.next().is_some()
}

#[cfg(target_os = "linux")]
pub(super) use linux::begin;
#[cfg(target_os = "linux")]
pub use linux::{enable, release, watch};

/// From now on this process has a guard as soon as it starts a command: its own executable, which must call [`watch`]
/// when it [is asked](is_asked) to.
#[cfg(not(target_os = "linux"))]
pub fn enable() {}

/// This process ends as it should.
#[cfg(not(target_os = "linux"))]
pub fn release() {}

/// Guards the process that `args` name.
#[cfg(not(target_os = "linux"))]
pub fn watch(_: impl Iterator<Item = std::ffi::OsString>) {}

#[cfg(target_os = "linux")]
mod linux {
    #![expect(clippy::disallowed_methods, reason = "an edge: starts a process, and lets those that it killed die")]

    use std::collections::BTreeSet;
    use std::ffi::OsString;
    use std::io::{self, PipeWriter, Read, Write};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::sleep;
    use std::time::Duration;

    use rustix::process::getpgrp;

    use super::super::kin::{Deed, Kin, Table};
    use super::ARGUMENT;

    /// A process has one guard, whatever it runs, and so these are the whole process's.
    static ENABLED: AtomicBool = AtomicBool::new(false);
    static GUARD: OnceLock<Option<PipeWriter>> = OnceLock::new();

    /// What was executed a moment ago may not have its environment yet.
    const NAP: Duration = Duration::from_millis(5);
    /// Nobody forks faster than it is stopped for that long.
    const ROUNDS: usize = 200;

    /// From now on this process has a guard as soon as it starts a command: its own executable, which must call
    /// [`watch`] when it [is asked](super::is_asked) to.
    pub fn enable() {
        ENABLED.store(true, Ordering::Relaxed);
    }

    /// Before each command: starts the guard, unless there is one. Without it, all is as it was before.
    pub(in super::super) fn begin() {
        if ENABLED.load(Ordering::Relaxed) {
            GUARD.get_or_init(|| start().ok());
        }
    }

    /// This process ends as it should, and nothing that it started is left.
    pub fn release() {
        if let Some(Some(mut pipe)) = GUARD.get().map(Option::as_ref) {
            // A guard that is gone needs no word.
            let _ = pipe.write_all(b".");
        }
    }

    fn start() -> io::Result<PipeWriter> {
        let (reader, writer) = io::pipe()?;
        // The executable itself, should its file have been replaced meanwhile. In a group of its own it does not hear
        // Ctrl-C; without an environment it is of no run.
        Command::new("/proc/self/exe")
            .arg0("cargo-zen")
            .args([ARGUMENT, &std::process::id().to_string(), &getpgrp().as_raw_pid().to_string()])
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(writer)
    }

    /// Guards the process whose id and group are the last of `args`: waits for its end, and kills what it left.
    pub fn watch(args: impl Iterator<Item = OsString>) {
        let ids: Vec<i32> = args.skip(2).filter_map(|id| id.to_str()?.parse().ok()).collect();
        let me = i32::try_from(std::process::id()).ok().and_then(|id| Table::read().of(id));
        let (&[zen, group], Some(me)) = (ids.as_slice(), me) else { return };
        let mut byte = [0];
        if io::stdin().read_exact(&mut byte).is_err() {
            kill_all(zen, group, me);
        }
    }

    /// First all are stopped, until none that still goes is found twice in a row: while it is killed one after the other,
    /// a parent could start more, which then descend from nobody.
    fn kill_all(zen: i32, group: i32, me: Kin) {
        let mut stopped = BTreeSet::new();
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let found = Table::read().left_by(zen, group, me);
            quiet = if found.is_subset(&stopped) { quiet + 1 } else { 0 };
            if quiet == 2 {
                break;
            }
            found.difference(&stopped).for_each(|kin| kin.signal(Deed::Stop));
            stopped.extend(found);
            sleep(NAP);
        }
        stopped.iter().for_each(|kin| kin.signal(Deed::Kill));
    }
}
