//! What is at a place now. Knows no store.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{FEW, PlaceError, Places, TEMPORARY, failed, stat};
use crate::artifact::{Artifact, Entry, Node};
use crate::model::Place;
use crate::path::{RelPath, path_bytes};
use crate::scan::stamp::Stamp;

/// Something found at a place.
pub(super) struct Found {
    /// Below the place's root, as in an [`Entry`].
    pub(super) path: RelPath,
    /// Where it lies.
    pub(super) disk: PathBuf,
    pub(super) seen: Seen,
}

/// What it is, as far as a stat tells.
pub(super) enum Seen {
    File(Metadata),
    Link(Vec<u8>),
    /// As stated before it was listed.
    Folder(Metadata),
    /// `a FIFO` …
    Special(&'static str),
}

/// How an output's files and folders stand.
#[derive(Debug, Default)]
pub struct Stated {
    /// Folders that were listed, as they stood before.
    pub folders: Vec<(RelPath, Stamp)>,
    /// The output's files.
    pub files: Vec<(RelPath, Stamp)>,
    /// Folders above that must be none other.
    pub above: Vec<(RelPath, Stamp)>,
}

impl Places<'_> {
    /// What is at `place`, sorted by path: files with their digests, symlinks as text, folders too, so that empty ones
    /// come back. `None`: nothing at all. For a glob: the files and links that match.
    ///
    /// # Errors
    /// A FIFO, socket, device or outward symlink, and what reading met.
    pub fn inspect(&self, place: &Place) -> Result<Option<Vec<Entry>>, PlaceError> {
        let Some(found) = self.find(place)? else { return Ok(None) };
        self.check(place, &found)?;
        let entries: Result<_, PlaceError> = found
            .par_iter()
            .with_min_len(FEW)
            .map(|found| Ok(self.node(found)?.map(|node| Entry { path: found.path.clone(), node })))
            .collect::<Result<Vec<_>, _>>()
            .map(|entries| entries.into_iter().flatten().collect());
        entries.map(Some)
    }

    /// Is at `place` exactly what `artifact` says? Looks at stats first and reads files only if those agree.
    ///
    /// # Errors
    /// As [`Places::inspect`].
    pub fn matches(&self, place: &Place, artifact: &Artifact) -> Result<bool, PlaceError> {
        let found = self.find(place)?.unwrap_or_default();
        self.are(place, &found, artifact)
    }

    fn are(&self, place: &Place, found: &[Found], artifact: &Artifact) -> Result<bool, PlaceError> {
        let same = found.len() == artifact.entries.len()
            && found
                .iter()
                .zip(&artifact.entries)
                .all(|(found, entry)| found.path == entry.path && found.seen.may_be(&entry.node));
        if !same {
            return Ok(false);
        }
        self.check(place, found)?;
        found
            .par_iter()
            .with_min_len(FEW)
            .zip(&artifact.entries)
            .map(|(found, entry)| Ok(self.node(found)?.as_ref() == Some(&entry.node)))
            .try_reduce(|| true, |a, b| Ok(a && b))
    }

    /// How all at `place` stands, if it is exactly what `artifact` says: plain files and folders, so that whoever
    /// finds their stamps the same later knows that it still is. `None` if it is not, or if stamps cannot tell.
    ///
    /// # Errors
    /// As [`Places::inspect`].
    pub fn stated(&self, place: &Place, artifact: &Artifact) -> Result<Option<Stated>, PlaceError> {
        let mut stated = Stated::default();
        for folder in self.parents(place.root()) {
            match stat(&self.disk(&folder))? {
                Some(metadata) if metadata.is_dir() => stated.above.push((folder, Stamp::of(&metadata))),
                _ => return Ok(None),
            }
        }
        let Some(found) = self.find_all(place)? else { return Ok(None) };
        let is_of = |found: &Found| self.is_of(place, found);
        for found in found.iter().filter(|found| found.seen.is_folder() || is_of(found)) {
            let path = place.root().under(&found.path);
            match &found.seen {
                Seen::Folder(metadata) => stated.folders.push((path, Stamp::of(metadata))),
                Seen::File(metadata) => stated.files.push((path, Stamp::of(metadata))),
                Seen::Link(_) | Seen::Special(_) => return Ok(None),
            }
        }
        let found: Vec<Found> = found.into_iter().filter(is_of).collect();
        let is_it = !found.is_empty() && self.are(place, &found, artifact)?;
        Ok(is_it.then_some(stated))
    }

    /// All that is at `place`, whatever it is.
    pub(super) fn find(&self, place: &Place) -> Result<Option<Vec<Found>>, PlaceError> {
        let found = self.find_all(place)?;
        Ok(found.map(|found| found.into_iter().filter(|found| self.is_of(place, found)).collect()))
    }

    /// Does it belong to the place? For a glob: does it match?
    fn is_of(&self, place: &Place, found: &Found) -> bool {
        match place {
            Place::Path { .. } => true,
            Place::Glob(pattern) => !found.seen.is_folder() && pattern.matches(&pattern.prefix().under(&found.path)),
        }
    }

    /// [`Places::find`]; for a glob with all else that lies where it looks.
    fn find_all(&self, place: &Place) -> Result<Option<Vec<Found>>, PlaceError> {
        self.check_parents(place.root())?;
        let base = self.disk(place.root());
        match place {
            Place::Path { .. } => tree(&base),
            Place::Glob(pattern) => {
                let prefix = pattern.prefix();
                let top = one(&base)?.filter(|top| top.seen.is_folder());
                let Some(top) = top else { return Ok(Some(Vec::new())) };
                let enters = |below: &RelPath| {
                    let path = prefix.under(below);
                    path != *self.target && path != *self.zen && path.file_name() != Some(b".git")
                };
                Ok(Some(std::iter::once(top).chain(walk(&base, is_no_temporary, &enters)?).collect()))
            }
        }
    }

    /// Refuses what cannot be an output.
    fn check(&self, place: &Place, found: &[Found]) -> Result<(), PlaceError> {
        for found in found {
            let path = || place.root().under(&found.path);
            match &found.seen {
                Seen::Special(kind) => return Err(PlaceError::Special { path: path().to_string(), kind }),
                Seen::Link(target) => self.check_link(&path(), target)?,
                Seen::File(_) | Seen::Folder(_) => {}
            }
        }
        Ok(())
    }

    /// The node of what was found, files by their digest; `None` for what is no node.
    pub(super) fn node(&self, found: &Found) -> Result<Option<Node>, PlaceError> {
        Ok(match &found.seen {
            Seen::File(metadata) => Some(Node::File {
                digest: self.digest(&found.disk, metadata)?,
                size: metadata.len(),
                executable: Stamp::of(metadata).is_executable(),
            }),
            Seen::Link(target) => Some(Node::Link { target: target.clone() }),
            Seen::Folder(_) => Some(Node::Folder),
            Seen::Special(_) => None,
        })
    }
}

impl Seen {
    /// Could it be this node, by all that needs no reading?
    pub(super) fn may_be(&self, node: &Node) -> bool {
        match (self, node) {
            (Self::File(metadata), Node::File { size, executable: x, .. }) => {
                metadata.len() == *size && (Stamp::of(metadata).is_executable() == *x || cfg!(not(unix)))
            }
            (Self::Link(is), Node::Link { target }) => is == target,
            (Self::Folder(_), Node::Folder) => true,
            _ => false,
        }
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }
}

/// All at and below `base`, itself first; `None`: it is not there. Temporary files of zen are not there.
pub(super) fn tree(base: &Path) -> Result<Option<Vec<Found>>, PlaceError> {
    at_and_below(base, is_no_temporary)
}

/// As [`tree`], with files that are named as zen names temporary ones: who knows whose they are.
pub(super) fn everything(base: &Path) -> Result<Option<Vec<Found>>, PlaceError> {
    at_and_below(base, |_| true)
}

fn at_and_below(base: &Path, lists: fn(&[u8]) -> bool) -> Result<Option<Vec<Found>>, PlaceError> {
    let Some(top) = one(base)? else { return Ok(None) };
    let below = if top.seen.is_folder() { walk(base, lists, &|_| true)? } else { Vec::new() };
    Ok(Some(std::iter::once(top).chain(below).collect()))
}

fn is_no_temporary(name: &[u8]) -> bool {
    !name.starts_with(TEMPORARY.as_bytes())
}

/// What is at `disk` itself.
pub(super) fn one(disk: &Path) -> Result<Option<Found>, PlaceError> {
    let Some(metadata) = stat(disk)? else { return Ok(None) };
    Ok(Some(Found { path: RelPath::root(), disk: disk.to_owned(), seen: look(disk, metadata)? }))
}

/// All below the folder `base` whose name it `lists`, sorted by path.
fn walk(base: &Path, lists: fn(&[u8]) -> bool, enters: &dyn Fn(&RelPath) -> bool) -> Result<Vec<Found>, PlaceError> {
    let mut found = Vec::new();
    let mut todo = vec![(RelPath::root(), base.to_owned())];
    while let Some((folder, disk)) = todo.pop() {
        let unreadable = |error| failed(&disk, "listed", error);
        for entry in fs::read_dir(&disk).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let Some(bytes) = path_bytes(Path::new(&name)).filter(|name| lists(name)) else { continue };
            let (path, disk) = (folder.child(&bytes), entry.path());
            // Gone between listing and looking: then it is not there.
            let Some(metadata) = stat(&disk)? else { continue };
            if metadata.is_dir() {
                if !enters(&path) {
                    continue;
                }
                todo.push((path.clone(), disk.clone()));
            }
            let seen = look(&disk, metadata)?;
            found.push(Found { path, disk, seen });
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn look(disk: &Path, metadata: Metadata) -> Result<Seen, PlaceError> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok(Seen::Folder(metadata));
    }
    if kind.is_symlink() {
        let target = fs::read_link(disk).map_err(|error| failed(disk, "read", error))?;
        return Ok(Seen::Link(path_bytes(&target).unwrap_or_default().into()));
    }
    if kind.is_file() {
        return Ok(Seen::File(metadata));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Ok(Seen::Special("a FIFO"));
        }
        if kind.is_socket() {
            return Ok(Seen::Special("a socket"));
        }
    }
    Ok(Seen::Special("a device"))
}
