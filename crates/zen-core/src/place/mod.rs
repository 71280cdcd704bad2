//! Outputs on disk: looking at them, collecting them, setting them aside, putting them back. Knows no steps' commands,
//! no keys and no layout of the store.
#![expect(clippy::disallowed_methods, reason = "an edge: reads and writes the workspace")]

mod aside;
mod collect;
mod fold;
mod inspect;
mod restore;

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use crate::artifact::Node;
use crate::digest::Digest;
use crate::path::{RelPath, escape};
use crate::scan::Digests;

pub use aside::SetAside;
pub use inspect::Stated;
pub use restore::{RestoreError, RestoreReport, Staged};

/// Names that start so are zen's temporary files; no place holds them.
pub const TEMPORARY: &str = ".zen-tmp-";

/// How the names of temporary files begin that wait beside the place with this root.
fn temporary_of(root: &str) -> String {
    format!("{TEMPORARY}{}-", Digest::of(root.as_bytes()).short())
}

/// Removes what waited beside the place with this root (as it is shown) for a restore that died. Nobody else may be at
/// work there. What cannot be removed stays: no place holds it.
pub fn remove_leftovers(workspace: &Path, root: &str) {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(root).components().all(is_plain) {
        return;
    }
    let prefix = temporary_of(root);
    for folder in Path::new(root).ancestors().skip(1) {
        for entry in fs::read_dir(workspace.join(folder)).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
                let _ = remove_tree(&entry.path());
            }
        }
    }
}

/// So many files are seen to by one thread: waking the others takes longer than that.
const FEW: usize = 16;

/// The workspace as far as places go.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The workspace root, absolute.
    pub root: &'a Path,
    /// The zen folder. It may lie behind a symlink (`target` often is one) or outside the workspace.
    pub zen: &'a RelPath,
    /// Cargo's target directory: no glob looks into it from above.
    pub target: &'a RelPath,
    /// Digests of files.
    pub digests: &'a dyn Digests,
}

/// Why a place cannot be looked at, collected or set aside.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Reading or writing failed.
    #[error("`{path}` could not be {doing}")]
    Io {
        /// Where.
        path: String,
        /// What was tried, as a participle: `read`, `moved to …`.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Neither file nor folder nor symlink.
    #[error("`{path}` is {kind}, which cannot be an output; let the step remove it, or declare another place")]
    Special {
        /// Where.
        path: String,
        /// `a FIFO` …
        kind: &'static str,
    },
    /// A symlink that cannot be kept.
    #[error("the symlink `{path}` leads out of the workspace (to `{target}`); write a file, or a relative link within")]
    LeadsOut {
        /// Where.
        path: String,
        /// Its text.
        target: String,
    },
    /// Something stands where a real folder must be.
    #[error("`{path}` lies below `{at}`, which is {kind}; zen writes below real folders only: declare the real place")]
    NoFolder {
        /// The place.
        path: String,
        /// What is in the way.
        at: String,
        /// `a symlink` or `no folder`.
        kind: &'static str,
    },
    /// The step did not make it.
    #[error("the step did not make its output `{name}` at `{place}`; say `optional = true` if that may be")]
    Missing {
        /// The output.
        name: String,
        /// Its place.
        place: String,
    },
    /// The output is written with a `/` at its end, and a file is there.
    #[error("the output `{name}` is to be a folder, and the step made a file at `{place}`; write it without the `/`")]
    NotAFolder {
        /// The output.
        name: String,
        /// Its place.
        place: String,
    },
    /// The store did not take it. The step succeeded all the same: collected without a store it is only not recorded.
    #[error("`{path}` could not be stored")]
    NotStored {
        /// Where.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something is set aside already.
    #[error("old outputs of `{step}` are still set aside by a run that was interrupted; run it again to recover them")]
    Interrupted {
        /// Its display id.
        step: String,
    },
    /// It was written to while it was stored.
    #[error("`{path}` changed while it was stored; does a process of the step still run?")]
    Changed {
        /// Where.
        path: String,
    },
}

/// What was moved out of the way because zen cannot prove that it made it.
#[derive(Debug, Default)]
pub struct Replaced {
    /// Part of the names in `replaced/`: what sorts by time (`20261123T071200Z`), or the run.
    pub stamp: String,
    /// From where in the workspace, and where it is now.
    pub moved: Vec<(RelPath, PathBuf)>,
}

impl Replaced {
    /// Nothing yet.
    pub fn new(stamp: impl Into<String>) -> Self {
        Self { stamp: stamp.into(), moved: Vec::new() }
    }
}

/// Is this node, at this path, zen's own: in the ledger of the engine, or an object of the store that verifies?
pub type Own<'a> = &'a dyn Fn(&RelPath, &Node) -> bool;

impl Places<'_> {
    fn disk(&self, path: &RelPath) -> PathBuf {
        path.to_path(self.root)
    }

    fn zen_folder(&self) -> PathBuf {
        self.disk(self.zen)
    }

    /// The components above `path` that zen answers for: below the root, or below the zen folder.
    fn parents(&self, path: &RelPath) -> Vec<RelPath> {
        let ours = |folder: &RelPath| !folder.is_root() && !folder.is_outside() && !self.zen.starts_with(folder);
        let in_zen = |folder: &RelPath| folder.starts_with(self.zen) && folder != self.zen;
        let mut parents: Vec<_> = std::iter::successors(path.parent(), RelPath::parent)
            .filter(|folder| if path.starts_with(self.zen) { in_zen(folder) } else { ours(folder) })
            .collect();
        parents.reverse();
        parents
    }

    /// Checks that everything above `path` that exists is a real folder: what is written there lands there.
    fn check_parents(&self, path: &RelPath) -> Result<(), PlaceError> {
        for folder in self.parents(path) {
            let Some(metadata) = stat(&self.disk(&folder))? else { return Ok(()) };
            if !metadata.is_dir() {
                let kind = if metadata.is_symlink() { "a symlink" } else { "no folder" };
                return Err(PlaceError::NoFolder { path: path.to_string(), at: folder.to_string(), kind });
            }
        }
        Ok(())
    }

    /// Makes the folder that `path` lies in.
    fn make_parents(&self, path: &RelPath) -> Result<(), PlaceError> {
        self.check_parents(path)?;
        make_parent(&self.disk(path))
    }

    /// Moves what is at `disk` (the bytes of `path`) to `replaced/`.
    fn replace(&self, path: &RelPath, disk: &Path, replaced: &mut Replaced) -> Result<(), PlaceError> {
        let base = self.zen_folder().join("replaced");
        let mut folder = base.join(&replaced.stamp);
        let mut count = 1;
        while is_taken(&folder, &self.mirrored(path).1.to_path(&folder))? {
            count += 1;
            folder = base.join(format!("{}.{count}", replaced.stamp));
        }
        let to = self.mirrored(path).1.to_path(&folder);
        relocate(disk, &to)?;
        replaced.moved.push((path.clone(), to));
        Ok(())
    }

    /// `path` as a path without `..`, and whether it is one below the zen folder.
    fn mirrored(&self, path: &RelPath) -> (bool, RelPath) {
        match path.strip_prefix(self.zen) {
            Some(below) if !below.is_empty() => (true, RelPath::root().child(below)),
            _ => (false, path.clone()),
        }
    }

    /// Removes what is zen's own, moves all else to `replaced/`.
    fn dispose(
        &self,
        path: &RelPath,
        disk: &Path,
        node: Option<&Node>,
        own: Own<'_>,
        replaced: &mut Replaced,
    ) -> Result<(), PlaceError> {
        match node {
            // Only an empty one can be removed, and an empty one holds nobody's bytes.
            Some(Node::Folder) => match fs::remove_dir(disk) {
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                    Err(failed(disk, "removed", error))
                }
                _ => Ok(()),
            },
            Some(node) if own(path, node) => fs::remove_file(disk).map_err(|error| failed(disk, "removed", error)),
            _ => self.replace(path, disk, replaced),
        }
    }

    /// Where a symlink at `path` leads, if that is inside: a relative text that stays in the workspace (or, from
    /// within the zen folder, in there), and does not get out by way of another link.
    fn check_link(&self, path: &RelPath, target: &[u8]) -> Result<(), PlaceError> {
        let inside = |to: &RelPath| !to.is_outside() || (path.starts_with(self.zen) && to.starts_with(self.zen));
        let lexically = path.parent().and_then(|folder| follow(folder, target)).is_some_and(|to| inside(&to));
        let disk = self.disk(path);
        let really = || match disk.parent().map(|folder| folder.join(crate::path::bytes_path(target)).canonicalize()) {
            Some(Ok(to)) => [self.root.to_owned(), self.zen_folder()]
                .iter()
                .any(|home| home.canonicalize().is_ok_and(|home| to.starts_with(home))),
            // It dangles: then the text is all that there is.
            _ => true,
        };
        if lexically && really() {
            return Ok(());
        }
        Err(PlaceError::LeadsOut { path: path.to_string(), target: escape(target) })
    }

    fn digest(&self, disk: &Path, metadata: &Metadata) -> Result<Digest, PlaceError> {
        self.digests.digest(disk, metadata).map_err(|error| failed(disk, "read", error))
    }
}

/// `target` as seen from `folder`; `None`: it is absolute, or climbs too far.
fn follow(folder: RelPath, target: &[u8]) -> Option<RelPath> {
    if target.starts_with(b"/") || (cfg!(windows) && target.contains(&b':')) {
        return None;
    }
    target.split(|byte| *byte == b'/').try_fold(folder, |at, part| match part {
        b"" | b"." => Some(at),
        b".." => at.parent(),
        name => Some(at.child(name)),
    })
}

/// What is there, without following a link; `None`: nothing.
fn stat(disk: &Path) -> Result<Option<Metadata>, PlaceError> {
    match fs::symlink_metadata(disk) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(disk, "looked at", error)),
    }
}

fn make_parent(disk: &Path) -> Result<(), PlaceError> {
    let Some(folder) = disk.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|error| failed(folder, "made", error))
}

/// Is something at `to`, or something that is no folder above it, from `folder` on?
fn is_taken(folder: &Path, to: &Path) -> Result<bool, PlaceError> {
    for above in to.ancestors().take_while(|above| above.starts_with(folder)) {
        if stat(above)?.is_some_and(|metadata| above == to || !metadata.is_dir()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Moves a file, link or tree to where nothing is, to another file system if need be.
fn relocate(from: &Path, to: &Path) -> Result<(), PlaceError> {
    make_parent(to)?;
    let moved = match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => copy_tree(from, to).and_then(|()| remove_tree(from)),
        moved => moved,
    };
    moved.map_err(|error| failed(from, &format!("moved to `{}`", shown(to)), error))
}

/// FIFOs, sockets and devices have no bytes to carry over; they stay behind and are removed.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_symlink() {
        symlink(&fs::read_link(from)?, to)
    } else if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else if metadata.is_file() {
        fs::copy(from, to)?;
        fs::File::options().append(true).open(to).and_then(|file| file.set_modified(metadata.modified()?)).or(Ok(()))
    } else {
        Ok(())
    }
}

/// Removes a file, link or tree; what is not there is removed already.
fn remove_tree(disk: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(disk) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(disk),
        Ok(_) => fs::remove_file(disk),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A step may have left folders that nobody may write to.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && open_up(disk)? => remove_tree(disk),
        removed => removed,
    }
}

/// Lets the owner write to the folders at and below `disk`; links are not followed. Says whether that changed anything.
fn open_up(disk: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = fs::symlink_metadata(disk)?;
        if !metadata.is_dir() {
            return Ok(false);
        }
        let mode = metadata.permissions().mode();
        let mut changed = mode & 0o700 != 0o700;
        if changed {
            fs::set_permissions(disk, fs::Permissions::from_mode(mode | 0o700))?;
        }
        for entry in fs::read_dir(disk)? {
            changed |= open_up(&entry?.path())?;
        }
        Ok(changed)
    }
    #[cfg(not(unix))]
    {
        let _ = disk;
        Ok(false)
    }
}

#[cfg(unix)]
pub(crate) fn symlink(target: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
pub(crate) fn symlink(target: &Path, at: &Path) -> io::Result<()> {
    match at.parent().is_some_and(|folder| folder.join(target).is_dir()) {
        true => std::os::windows::fs::symlink_dir(target, at),
        false => std::os::windows::fs::symlink_file(target, at),
    }
}

#[cfg(not(any(unix, windows)))]
pub(crate) fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn failed(disk: &Path, doing: &str, source: io::Error) -> PlaceError {
    PlaceError::Io { path: shown(disk), doing: doing.to_owned(), source }
}

fn shown(disk: &Path) -> String {
    escape(disk.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
