//! Puts an artifact back: everything is fetched first, then put in place by rename. Knows not why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::fold;
use super::inspect::{Found, Seen, one};
use super::{FEW, Own, PlaceError, Places, Replaced, TEMPORARY, failed, remove_tree, symlink, temporary_of};
use crate::artifact::{Artifact, Entry, Node};
use crate::digest::Digest;
use crate::model::Place;
use crate::path::{RelPath, bytes_path, escape};
use crate::store::{FetchError, Objects};

/// What a restore did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Files, links and folders that were right already and were left alone.
    pub kept: usize,
    /// What was written.
    pub written: usize,
    /// What was in the place and not in the artifact.
    pub removed: usize,
}

/// An artifact whose files wait beside its place. Dropped, they are removed.
pub struct Staged<'a> {
    place: &'a Place,
    artifact: &'a Artifact,
    /// What is in the place now.
    found: Vec<Found>,
    nodes: Vec<Option<Node>>,
    /// What is not right already.
    todo: Vec<&'a Entry>,
    fetched: Fetched,
}

/// Why an artifact was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store lacks an object, or it was damaged. The workspace is untouched; the step must run.
    #[error("object {0} is not in the store any more")]
    Lost(Digest),
    /// The store has an object that cannot be opened. The workspace is untouched; the step must run.
    #[error("object {0} in the store cannot be read")]
    Unreadable(Digest, #[source] std::io::Error),
    /// The artifact says what no step can have made: the workspace is untouched.
    #[error("the stored artifact `{name}` is refused: `{path}` {reason}; run the step with --no-cache to replace it")]
    Refused {
        /// The artifact.
        name: String,
        /// The entry.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file system of the place takes two names for one: the workspace is untouched.
    #[error(
        "of the stored artifact `{name}` the names `{one}` and `{other}` are one on this file system; let the step give \
         them names that differ by more than case and accents"
    )]
    OneName {
        /// The artifact.
        name: String,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// Looking or writing failed.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

impl Places<'_> {
    /// Makes `place` hold exactly `artifact`: [stages](Self::stage) it, then [puts](Self::put) it.
    ///
    /// # Errors
    /// See these.
    pub fn restore(
        &self,
        place: &Place,
        artifact: &Artifact,
        objects: &dyn Objects,
        own: Own<'_>,
        replaced: &mut Replaced,
    ) -> Result<RestoreReport, RestoreError> {
        let staged = self.stage(place, artifact, objects)?;
        self.put(&staged, own, replaced)
    }

    /// Looks at `place`, and fetches all that it lacks to beside it. The place is as it was.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn stage<'a>(
        &self,
        place: &'a Place,
        artifact: &'a Artifact,
        objects: &dyn Objects,
    ) -> Result<Staged<'a>, RestoreError> {
        self.refuse(place, artifact)?;
        let found = self.find(place)?.unwrap_or_default();
        let nodes: Vec<Option<Node>> =
            found.par_iter().with_min_len(FEW).map(|found| self.node(found)).collect::<Result<_, _>>()?;
        let present: BTreeMap<&RelPath, Option<&Node>> =
            found.iter().zip(&nodes).map(|(found, node)| (&found.path, node.as_ref())).collect();
        let is_right = |entry: &Entry| present.get(&entry.path) == Some(&Some(&entry.node));
        let todo: Vec<&Entry> = artifact.entries.iter().filter(|entry| !is_right(entry)).collect();
        for entry in &todo {
            if matches!(place, Place::Glob(_)) {
                self.check_parents(&place.root().under(&entry.path))?;
            }
        }
        if !todo.is_empty() {
            self.refuse_doubles(place, artifact)?;
        }
        let fetched = self.fetch(place, &todo, objects)?;
        Ok(Staged { place, artifact, found, nodes, todo, fetched })
    }

    /// Makes the place hold exactly what is staged. What is right already is left alone, its mtime too; what changes has
    /// the mtime of now. What is in the place besides is removed if it is zen's `own`, else moved to `replaced/`.
    ///
    /// # Errors
    /// What writing met: then the place is neither old nor new, and a further restore mends it.
    pub fn put(
        &self,
        staged: &Staged<'_>,
        own: Own<'_>,
        replaced: &mut Replaced,
    ) -> Result<RestoreReport, RestoreError> {
        let Staged { place, artifact, found, nodes, todo, fetched } = staged;
        let root = place.root();
        let wanted: BTreeMap<&RelPath, &Node> = artifact.entries.iter().map(|e| (&e.path, &e.node)).collect();
        let mut report = RestoreReport { kept: artifact.entries.len() - todo.len(), ..RestoreReport::default() };
        for (found, node) in found.iter().zip(nodes).rev() {
            let wants = wanted.get(&found.path).copied();
            if stays(found, node.as_ref(), wants) {
                continue;
            }
            let path = root.under(&found.path);
            // A file of zen's own is replaced by the rename itself, so that its name is never without a file.
            let renamed_over = matches!((node, wants), (Some(Node::File { .. }), Some(Node::File { .. })))
                && node.as_ref().is_some_and(|node| own(&path, node));
            if !renamed_over {
                self.dispose(&path, &found.disk, node.as_ref(), own, replaced)?;
                report.removed += usize::from(wants.is_none());
            }
        }
        if !todo.is_empty() {
            self.make_parents(root)?;
        }
        // Links last: nothing that follows is then written through one.
        let (links, others): (Vec<&Entry>, Vec<&Entry>) =
            todo.iter().copied().partition(|entry| matches!(entry.node, Node::Link { .. }));
        for entry in others.into_iter().chain(links) {
            let disk = self.disk(&root.under(&entry.path));
            put(entry, &disk, fetched, matches!(place, Place::Glob(_)))
                .map_err(|error| failed(&disk, "written", error))?;
            report.written += 1;
        }
        Ok(report)
    }

    /// Removes what zen once left at these paths (sorted), where it still is what zen left: outputs that the tables no
    /// longer define. All else stays. Gives what went. Whoever says what zen left may be wrong: only what lies in the zen
    /// folder, or what is `had` elsewhere, is removed; all else is moved to `replaced/`.
    ///
    /// # Errors
    /// What looking and removing met.
    pub fn remove_own(
        &self,
        entries: &[(RelPath, Node)],
        had: Own<'_>,
        replaced: &mut Replaced,
    ) -> Result<Vec<RelPath>, PlaceError> {
        let mut removed = Vec::new();
        for (path, node) in entries.iter().rev() {
            if self.is_own(path, node)? {
                let disk = self.disk(path);
                if matches!(node, Node::File { .. }) && !path.starts_with(self.zen) && !had(path, node) {
                    self.replace(path, &disk, replaced)?;
                } else {
                    remove_tree(&disk).map_err(|error| failed(&disk, "removed", error))?;
                }
                removed.push(path.clone());
            }
        }
        removed.reverse();
        Ok(removed)
    }

    /// Is at this path what zen once left there? A folder is only if nothing is in it.
    ///
    /// # Errors
    /// What looking met.
    pub fn is_own(&self, path: &RelPath, node: &Node) -> Result<bool, PlaceError> {
        let disk = self.disk(path);
        if !self.may_hold_outputs(path) || self.check_parents(path).is_err() {
            return Ok(false);
        }
        let Some(found) = one(&disk)? else { return Ok(false) };
        let is_empty = || fs::read_dir(&disk).is_ok_and(|mut entries| entries.next().is_none());
        if !found.seen.may_be(node) || (found.seen.is_folder() && !is_empty()) {
            return Ok(false);
        }
        Ok(self.node(&found)?.as_ref() == Some(node))
    }

    /// Could zen have left something at this path? The bytes of a path from a file of zen's were never through the door of
    /// `RelPath::new`.
    pub(super) fn may_hold_outputs(&self, path: &RelPath) -> bool {
        let is_plain = !path.as_bytes().contains(&0) && RelPath::root().under(path).as_bytes() == path.as_bytes();
        let is_here = !path.is_outside() && path.components().all(|part| part != b".git");
        is_plain && !path.is_root() && (is_here || path.starts_with(self.zen))
    }

    /// Refuses an artifact that would write elsewhere than into its place: a store may be somebody else's.
    fn refuse(&self, place: &Place, artifact: &Artifact) -> Result<(), RestoreError> {
        let refused = |path: &[u8], reason| {
            Err(RestoreError::Refused { name: artifact.name.clone(), path: escape(path), reason })
        };
        let mut folders: BTreeSet<&RelPath> = BTreeSet::new();
        let mut last: Option<&RelPath> = None;
        for entry in &artifact.entries {
            let bytes = entry.path.as_bytes();
            // Bytes from a record were never through the door of `RelPath::new`.
            let odd = |part: &[u8]| {
                part.is_empty()
                    || part == b"."
                    || part == b".."
                    || part.contains(&0)
                    || part.starts_with(TEMPORARY.as_bytes())
                    || (cfg!(windows) && part.iter().any(|byte| b"\\:".contains(byte)))
            };
            if !entry.path.is_root() && bytes.split(|byte| *byte == b'/').any(odd) {
                return refused(bytes, "is no plain path below its place");
            }
            if last.is_some_and(|last| *last >= entry.path) {
                return refused(bytes, "is out of order or there twice");
            }
            last = Some(&entry.path);
            let path = place.root().under(&entry.path);
            match place {
                Place::Glob(pattern) if entry.node == Node::Folder || !pattern.matches(&path) => {
                    return refused(bytes, "does not match the output's glob");
                }
                Place::Path { .. } if entry.path.parent().is_some_and(|parent| !folders.contains(&parent)) => {
                    return refused(bytes, "lies in no folder of the artifact");
                }
                _ => {}
            }
            match &entry.node {
                Node::Folder => {
                    folders.insert(&entry.path);
                }
                Node::Link { target } => self.check_link(&path, target)?,
                Node::File { .. } => {}
            }
        }
        Ok(())
    }

    /// Refuses an artifact of another system of which two entries would be one file here: one would overwrite the other.
    fn refuse_doubles(&self, place: &Place, artifact: &Artifact) -> Result<(), RestoreError> {
        let beside = self.beside(place);
        let found = fold::collision(&artifact.entries, &mut |names| fold::ask(&beside, TEMPORARY, names));
        match found.map_err(|error| failed(&beside, "written to", error))? {
            None => Ok(()),
            Some((one, other)) => Err(RestoreError::OneName {
                name: artifact.name.clone(),
                one: one.to_string(),
                other: other.to_string(),
            }),
        }
    }

    /// The nearest folder that is there, above the place (a glob's prefix is above all its files): what is renamed from
    /// there stays on one file system.
    fn beside(&self, place: &Place) -> PathBuf {
        let disk = self.disk(place.root());
        let above = usize::from(matches!(place, Place::Path { .. }));
        disk.ancestors().skip(above).find(|above| above.is_dir()).unwrap_or(self.root).to_owned()
    }

    /// Fetches all files of `todo`, beside where they will lie.
    fn fetch(&self, place: &Place, todo: &[&Entry], objects: &dyn Objects) -> Result<Fetched, RestoreError> {
        let files: Vec<_> = todo
            .iter()
            .filter_map(|entry| match entry.node {
                Node::File { digest, size, executable } => Some((&entry.path, digest, size, executable)),
                Node::Link { .. } | Node::Folder => None,
            })
            .collect();
        if files.is_empty() {
            return Ok(Fetched::default());
        }
        let beside = &self.beside(place);
        let fetch = |(_, digest, size, executable): &(&RelPath, Digest, u64, bool), to: &Path| {
            objects.fetch(*digest, *size, to)?;
            settle(to, *executable).map_err(|error| {
                let _ = fs::remove_file(to);
                FetchError::Io(error)
            })
        };
        let prefix = temporary_of(&place.root().to_string());
        let mut temporary = tempfile::Builder::new();
        temporary.prefix(&prefix);
        if let [file] = &files[..] {
            let mut miss = None;
            let made = temporary.make_in(beside, |to| {
                fetch(file, to).map_err(|error| match missed(error) {
                    Ok(error) => error,
                    Err(lost) => {
                        miss = Some(lost);
                        std::io::ErrorKind::NotFound.into()
                    }
                })
            });
            return match (made, miss) {
                (Ok(made), _) => {
                    let path = made.into_temp_path().keep();
                    let path = path.map_err(|error| failed(beside, "written to", error.error))?;
                    Ok(Fetched::One(file.0.clone(), Waiting(path)))
                }
                (Err(_), Some(miss)) => Err(miss),
                (Err(error), None) => Err(failed(beside, "written to", error).into()),
            };
        }
        let folder = temporary.tempdir_in(beside).map_err(|error| failed(beside, "written to", error))?;
        let folder = Waiting(folder.keep());
        files.par_iter().with_min_len(FEW).enumerate().try_for_each(|(at, file)| {
            let to = folder.0.join(at.to_string());
            fetch(file, &to).map_err(|error| match missed(error) {
                Ok(error) => failed(&to, "written", error).into(),
                Err(miss) => miss,
            })
        })?;
        let staged = files.iter().enumerate().map(|(at, (path, ..))| ((*path).clone(), folder.0.join(at.to_string())));
        Ok(Fetched::Many { files: staged.collect(), _folder: folder })
    }
}

/// Is it the store's doing that an object cannot be had? Else what writing it met.
fn missed(error: FetchError) -> Result<std::io::Error, RestoreError> {
    match error {
        FetchError::Missing(digest) | FetchError::Damaged(digest) | FetchError::TooLarge(digest) => {
            Err(RestoreError::Lost(digest))
        }
        FetchError::Unreadable(digest, error) => Err(RestoreError::Unreadable(digest, error)),
        FetchError::Io(error) => Ok(error),
    }
}

/// Files that wait for their rename. Dropped, they are removed.
#[derive(Default)]
enum Fetched {
    #[default]
    None,
    One(RelPath, Waiting),
    Many {
        files: BTreeMap<RelPath, PathBuf>,
        _folder: Waiting,
    },
}

/// A file, or a folder of files, that is gone when this is dropped. Nobody would remove it later: so it is tried twice.
struct Waiting(PathBuf);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = remove_tree(&self.0).or_else(|_| remove_tree(&self.0));
    }
}

impl Fetched {
    /// Where the file for `path` waits.
    fn file(&self, path: &RelPath) -> Option<&Path> {
        match self {
            Self::One(of, file) if of == path => Some(&file.0),
            Self::None | Self::One(..) => None,
            Self::Many { files, .. } => files.get(path).map(PathBuf::as_path),
        }
    }
}

/// Is what was found to stay where it is, as it is?
fn stays(found: &Found, node: Option<&Node>, wants: Option<&Node>) -> bool {
    match (&found.seen, wants) {
        (Seen::Folder(_), Some(Node::Folder)) => true,
        _ => wants.is_some() && node == wants,
    }
}

fn put(entry: &Entry, disk: &Path, fetched: &Fetched, makes_folders: bool) -> std::io::Result<()> {
    if makes_folders && let Some(folder) = disk.parent() {
        fs::create_dir_all(folder)?;
    }
    match &entry.node {
        Node::Folder => fs::create_dir(disk),
        Node::Link { target } => symlink(&bytes_path(target), disk),
        Node::File { .. } => match fetched.file(&entry.path) {
            Some(from) => fs::rename(from, disk),
            None => Err(std::io::ErrorKind::NotFound.into()),
        },
    }
}

/// A file that was just made has its mode by the umask: adds the executable bit, for all who may read it.
fn settle(file: &Path, executable: bool) -> std::io::Result<()> {
    #[cfg(unix)]
    if executable {
        use std::os::unix::fs::PermissionsExt;
        let plain = fs::symlink_metadata(file)?.permissions().mode() & 0o777;
        fs::set_permissions(file, PermissionsExt::from_mode(plain | (plain & 0o444) >> 2))?;
    }
    #[cfg(not(unix))]
    let _ = (file, executable);
    Ok(())
}
