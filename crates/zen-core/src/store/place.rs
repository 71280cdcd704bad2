//! The folder of a store: made and marked by zen, or refused. Knows not what lies in it.
//!
//! The marker is `CACHEDIR.TAG` with a line of ours, the one file that cleaners of cargo's target directory leave alone
//! (rule F-17); without the line it is somebody else's. It stands for nothing but "this folder is zen's".
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use crate::scan::hash::open_regular;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::files;

const TAG: &str = "CACHEDIR.TAG";
const OUR_LINE: &str = "# This folder was made by cargo zen and is emptied by it.";
const TEMPORARY: &str = ".zen-tmp-";

/// Why a store cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder holds something and does not bear the marker.
    #[error("`{}` is not empty and was not made by cargo zen; name an empty or a new folder in `store.dir` or ZEN_STORE_DIR", .0.display())]
    Foreign(PathBuf),
    /// The folder is a symlink: what lies behind it may change while zen removes things.
    #[error("`{}` is a symlink; name the folder that it leads to in `store.dir` or ZEN_STORE_DIR", .0.display())]
    Symlink(PathBuf),
    /// Others use it now.
    #[error("other runs use the store in `{}`; try again when they have ended", .0.display())]
    InUse(PathBuf),
    /// Reading or writing failed.
    #[error("cannot use the store in `{}`; check its permissions and the space on its disk", path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

/// A folder that zen made or may make.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
}

impl Place {
    /// The folder of this version's format. Another version has another name and leaves this one alone.
    pub(super) fn v1(&self) -> PathBuf {
        self.dir.join("v1")
    }

    pub(super) fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.dir.clone(), source }
    }

    /// Refuses what is not ours; `false` if there is nothing yet.
    pub(super) fn check(&self) -> Result<bool, StoreError> {
        for path in [&self.dir, &self.v1()] {
            match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_symlink() => return Err(StoreError::Symlink(path.clone())),
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Err(StoreError::Foreign(path.clone())),
                Err(e) if e.kind() == io::ErrorKind::NotFound => break,
                // Something above it is no folder: it cannot be made either, and that is only a warning.
                Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(false),
                Err(e) => return Err(self.io(e)),
            }
        }
        if is_marked(&self.dir) {
            for name in ["objects", "tmp", "locks", "quarantine"] {
                let path = self.v1().join(name);
                if std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
                    return Err(StoreError::Symlink(path));
                }
            }
            return Ok(true);
        }
        let entries = files::list(&self.dir).map_err(|e| self.io(e))?;
        if entries.iter().any(|entry| !entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes())) {
            // Another process may have marked it since.
            return if is_marked(&self.dir) { Ok(true) } else { Err(StoreError::Foreign(self.dir.clone())) };
        }
        Ok(false)
    }

    /// Makes all folders, the marker first.
    pub(super) fn make(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        mark(&self.dir)?;
        for name in ["objects", "tmp", "locks"] {
            std::fs::create_dir_all(self.v1().join(name))?;
        }
        Ok(())
    }

    /// Calls `write`, and once more with all folders made if one was missing: somebody cleared the store meanwhile.
    pub(super) fn with_folders<T>(&self, mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match write() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.make()?;
                write()
            }
            other => other,
        }
    }
}

/// Does `dir` bear zen's marker?
pub fn is_marked(dir: &Path) -> bool {
    let mut text = String::new();
    let read = open_regular(&dir.join(TAG)).and_then(|file| file.take(4096).read_to_string(&mut text));
    read.is_ok() && text.lines().any(|line| line == OUR_LINE)
}

/// Marks `dir`, which must exist, as zen's. Does nothing if it is.
///
/// # Errors
/// What writing met.
pub fn mark(dir: &Path) -> io::Result<()> {
    if is_marked(dir) {
        return Ok(());
    }
    // The signature: https://bford.info/cachedir/
    let text = format!("Signature: 8a477f597d28d172789f06886806bc55\n{OUR_LINE}\n");
    let temporary = dir.join(format!("{TEMPORARY}{:016x}", files::random()));
    // Synced, unlike all else: an empty marker after a power cut would make zen refuse its own store.
    let written = files::create_new(&temporary, false).and_then(|mut file: File| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let done = written.and_then(|()| std::fs::rename(&temporary, dir.join(TAG)));
    if done.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    done
}
