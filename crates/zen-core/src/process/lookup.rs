//! Finds the file of a program as the step would: in its `PATH`, from its `cwd`. Knows not what it is for.
#![expect(clippy::disallowed_methods, reason = "an edge: looks for programs on the disk")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{SpawnError, shown};

/// The file that `program` names. Where the system has rules of its own (`PATHEXT`), a bare name stays as it is.
pub(super) fn find(program: &OsStr, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, SpawnError> {
    let bare = Path::new(program).components().count() == 1 && !program.as_encoded_bytes().contains(&b'/');
    if !bare {
        let file = cwd.join(program);
        return match executable(&file) {
            Some(true) => Ok(file),
            Some(false) => Err(SpawnError::NotExecutable(shown(Path::new(program)))),
            None => Err(SpawnError::NoSuchFile(shown(Path::new(program)))),
        };
    }
    if !cfg!(unix) {
        return Ok(program.into());
    }
    let mut refused = None;
    for folder in path.iter().flat_map(|path| std::env::split_paths(path)) {
        let file = cwd.join(folder).join(program);
        match executable(&file) {
            Some(true) => return Ok(file),
            Some(false) => refused = refused.or(Some(file)),
            None => {}
        }
    }
    Err(match refused {
        Some(file) => SpawnError::NotExecutable(shown(&file)),
        None => SpawnError::NotInPath {
            program: shown(Path::new(program)),
            path: path.map_or_else(|| "it is not set".to_owned(), |path| shown(Path::new(path))),
        },
    })
}

/// `None`: no file is there.
fn executable(file: &Path) -> Option<bool> {
    let metadata = file.metadata().ok()?;
    #[cfg(unix)]
    let bit = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let bit = true;
    Some(metadata.is_file() && bit)
}
