//! The GNU make jobserver: one budget of parallel jobs for all that the steps start. Knows no steps.
//!
//! It is offered as cargo offers it to build scripts: by `CARGO_MAKEFLAGS`, which cargo, rustc, the crates `cc` and
//! `cmake` read, and not by `MAKEFLAGS`, which would make a plain `make` run in parallel that nobody asked to. (A step
//! that wants it says `MAKEFLAGS="$CARGO_MAKEFLAGS" make`.) It is of the pipe style, since GNU make before 4.4 dies of
//! `fifo:`. Its two descriptors are inheritable, so that children are started by `posix_spawn` and need no hook.
#![expect(clippy::disallowed_methods, reason = "an edge: looks at open descriptors")]

use std::ffi::{OsStr, OsString};
use std::io;
#[cfg(unix)]
use std::io::{PipeReader, PipeWriter};

use crate::environment::Outer;

/// The variable that offers it.
pub const VARIABLE: &str = "CARGO_MAKEFLAGS";

/// A jobserver; it lasts as long as this value.
#[derive(Debug)]
pub struct Jobserver {
    value: OsString,
    /// Zen never reads: it holds both ends so that the pipe lives when no child does.
    #[cfg(unix)]
    _pipe: Option<(PipeReader, PipeWriter)>,
}

impl Jobserver {
    /// The one that zen itself was given, if it works: must be asked before zen opens files, since descriptors that
    /// were announced and are closed get other meanings.
    pub fn from_outer(outer: &Outer) -> Option<Self> {
        let value = [VARIABLE, "MAKEFLAGS"].iter().find_map(|name| outer.get(OsStr::new(name)))?;
        let text = value.to_str()?;
        let auth = ["--jobserver-auth=", "--jobserver-fds="].iter().find_map(|flag| text.rsplit_once(flag))?.1;
        let auth = auth.split(' ').next().unwrap_or(auth);
        is_alive(auth).then(|| Self {
            value: flags(auth),
            #[cfg(unix)]
            _pipe: None,
        })
    }

    /// A new one for `jobs` parallel jobs. Each child has one job of its own, so `jobs - 1` are for all to share; what
    /// a killed child held is lost, and a new jobserver makes good for it. `None` where the system has no such thing.
    ///
    /// # Errors
    /// The pipe could not be made.
    #[cfg(unix)]
    pub fn new(jobs: usize) -> io::Result<Option<Self>> {
        use std::io::Write;
        use std::os::fd::AsRawFd;

        use rustix::io::{FdFlags, fcntl_setfd};

        let (reader, mut writer) = io::pipe()?;
        // A pipe takes 4096 bytes everywhere before it blocks.
        writer.write_all(&vec![b'|'; jobs.clamp(1, 4096) - 1])?;
        fcntl_setfd(&reader, FdFlags::empty())?;
        fcntl_setfd(&writer, FdFlags::empty())?;
        let auth = format!("{},{}", reader.as_raw_fd(), writer.as_raw_fd());
        Ok(Some(Self { value: flags(&auth), _pipe: Some((reader, writer)) }))
    }

    /// A new one; not on this system.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(unix))]
    pub fn new(_jobs: usize) -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Name and value of the variable that a child gets.
    pub fn variable(&self) -> (&'static str, &OsStr) {
        (VARIABLE, &self.value)
    }
}

/// Old and new spelling, as cargo writes them.
fn flags(auth: &str) -> OsString {
    format!("-j --jobserver-fds={auth} --jobserver-auth={auth}").into()
}

/// Is `auth` (`R,W` or `fifo:PATH`) something that a child can use?
#[cfg(unix)]
fn is_alive(auth: &str) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_fifo = |path: &str| std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
    match auth.split_once(',') {
        Some((read, write)) => {
            [read, write].iter().all(|fd| fd.parse::<u32>().is_ok_and(|fd| is_fifo(&format!("/dev/fd/{fd}"))))
        }
        None => auth.strip_prefix("fifo:").is_some_and(is_fifo),
    }
}

/// Elsewhere it is the name of a semaphore, which outlives nobody.
#[cfg(not(unix))]
fn is_alive(_auth: &str) -> bool {
    true
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn outer(name: &str, value: &OsStr) -> Outer {
        [(name.into(), value.to_owned())].into()
    }

    #[test]
    fn an_outer_one_is_taken_only_if_it_is_alive() {
        let own = Jobserver::new(3).unwrap().unwrap();
        let value = own.variable().1.to_owned();
        for name in [VARIABLE, "MAKEFLAGS"] {
            assert_eq!(Jobserver::from_outer(&outer(name, &value)).unwrap().variable().1, value);
        }
        for dead in ["", "-j4", "--jobserver-auth=-2,-2", "--jobserver-auth=9998,9999", "--jobserver-auth=fifo:/none"] {
            assert!(Jobserver::from_outer(&outer("MAKEFLAGS", OsStr::new(dead))).is_none(), "{dead:?}");
        }
    }
}
