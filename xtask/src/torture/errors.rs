//! The error sweep: each kind of call fails once, at its first, second, … time, until a run had no such call left.

use std::io;

use super::stage::{DEEDS, Deed, Stage, refusal};
use super::strace::{self, Injection};
use super::sweep::{Found, Length, Progress, Sweep};

/// Calls that do the same.
const CALLS: &[&str] = &[
    "openat",
    "write,pwrite64,writev",
    "rename,renameat,renameat2",
    "fsync,fdatasync",
    "unlink,unlinkat,rmdir",
    "mkdir,mkdirat",
    "read,pread64",
    "flock",
    "link,linkat,symlink,symlinkat",
    "statx,newfstatat,fstat",
    "getdents64",
    "ftruncate,fchmod,chmod,utimensat",
    "copy_file_range,sendfile",
];

const ERRORS: &[&str] = &["EIO", "ENOSPC", "EDQUOT", "EMFILE", "EINTR", "EACCES"];

/// Where std itself panics: an error from a pipe, which the system never gives.
const OF_STD: &str = "library/std/src/sys/process/";

/// Deeds of which each call is given each error in the long form.
const WHOLE: &[&str] = &["run", "restore"];

/// One kind of call, one error, one deed.
#[derive(Debug)]
struct Case {
    deed: &'static Deed,
    calls: &'static str,
    error: &'static str,
}

/// Lets calls of each deed's command fail.
///
/// # Errors
/// That strace is not there, or what the disk says.
pub(crate) fn run(sweep: &Sweep) -> io::Result<Found> {
    strace::require()?;
    let mut cases = Vec::new();
    for (of, deed) in DEEDS.iter().enumerate() {
        for (at, calls) in CALLS.iter().enumerate() {
            for (nth, error) in ERRORS.iter().enumerate() {
                // Each error for each call where most is done; in turns for the others.
                let is_whole = sweep.length == Length::Long && WHOLE.contains(&deed.name);
                if is_whole || nth == (at + of) % ERRORS.len() {
                    cases.push(Case { deed, calls, error });
                }
            }
        }
    }
    let done = sweep.on_all_stages(&cases, |nth, stage, case, progress| {
        fail(case, stage, sweep.length, &sweep.trace(nth), progress)
    })?;
    let mut found = done.found;
    found.say(format!("{} combinations of call, error and command, each until a clean pass", cases.len()));
    Ok(found)
}

fn fail(case: &Case, stage: &Stage, length: Length, trace: &std::path::Path, progress: &Progress) -> io::Result<()> {
    let Case { deed, calls, error } = case;
    let mut nth = 1;
    loop {
        let (prepare, injection) = (|| stage.prepare(deed), Injection::Error(calls, error, nth));
        let (output, seen) = strace::run(prepare, &stage.command(deed.disturbed), trace, Some(injection))?;
        if seen.injected == 0 {
            return Ok(());
        }
        let what = format!("{}: {error} from {calls} number {nth}", deed.name);
        progress.check(stage, &what, || {
            let said = String::from_utf8_lossy(&output.stderr);
            if (said.contains("panicked") && !said.contains(OF_STD))
                || output.status.code().is_none_or(|code| code == 137)
            {
                return Err(refusal(deed.disturbed, &output));
            }
            // What it calls a success is one.
            if output.status.success() && deed.disturbed.starts_with("run") {
                stage.check_now(deed)?;
            }
            stage.check(deed)
        })?;
        nth = match length {
            Length::Long => nth + 1,
            Length::Short => nth + 1 + nth * 2,
        };
    }
}
