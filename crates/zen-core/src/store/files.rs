//! The few things that all files of the store need: opening without following, locking, names that are not taken.
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use crate::scan::own;

/// A number that nobody else has: for names of temporary files.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Creates a file that must not exist yet.
pub(super) fn create_new(path: &Path, read_only: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if read_only {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o444);
    }
    #[cfg(not(unix))]
    let _ = read_only;
    options.open(path)
}

/// Opens the file that is locked instead of what it stands for.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    own::open_or_make(path, OpenOptions::new().read(true).write(true).truncate(false))
}

/// Waits for the exclusive lock at `path`. `None` where the file system knows no locks: then it must do without.
pub(super) fn lock_file(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = open_lock(path)?;
        match retry(|| file.lock()) {
            // Whoever cleared the folder meanwhile took the name away: others would lock another file.
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(e) if is_unsupported(&e) => return Ok(None),
            Err(e) => return Err(e),
        }
    }
}

/// As [`lock_file`], of a file that must be there.
pub(super) fn lock_existing(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = own::open(path, OpenOptions::new().read(true).write(true))?;
        match retry(|| file.lock()) {
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(e) if is_unsupported(&e) => return Ok(None),
            Err(e) => return Err(e),
        }
    }
}

/// Is `file` still what `path` names?
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |m: std::fs::Metadata| (m.dev(), m.ino());
        match (file.metadata(), std::fs::symlink_metadata(path)) {
            (Ok(file), Ok(named)) => id(file) == id(named),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Does the file system know no locks (some network file systems)?
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let known = [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS];
        if error.raw_os_error().is_some_and(|code| known.contains(&Errno::from_raw_os_error(code))) {
            return true;
        }
    }
    error.kind() == io::ErrorKind::Unsupported
}

/// Calls again what a signal interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The entries of a folder; none if it is not there, or is a symlink.
pub(super) fn list(dir: &Path) -> io::Result<Vec<std::fs::DirEntry>> {
    match std::fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Ok(Vec::new()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    }
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}
