//! Old outputs while their step runs: set aside before, put back if they came out the same or the step failed. Knows
//! no steps but by name.
//!
//! What is set aside lies in the zen folder under its own path, so that no journal is needed to know where it belongs:
//! `aside/set/<step>/<w|z><depth>/<path>`, where `w` are paths below the root and `z` below the zen folder, and what
//! was moved as a whole is `depth` names deep. Each move is one rename. When the step has succeeded the folder becomes
//! `aside/done/<step>`: from then on the new outputs stand, and the rest of the old is only to be tidied up. Where the
//! zen folder is on another file system, the old lies beside its place as `.zen-tmp-…`, and a file `beside` says where.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::inspect::everything;
use super::{FEW, Own, PlaceError, Places, Replaced, TEMPORARY, failed, open_up, relocate, remove_tree, stat};
use crate::artifact::{Artifact, Node};
use crate::digest::Digest;
use crate::model::{Output, Place};
use crate::path::{RelPath, bytes_path, path_bytes};
use crate::scan::own;

/// The old outputs of a step that runs. It is to be given to [`SetAside::finish`] or [`SetAside::abort`]; if zen dies
/// before that, [`Places::recover`] does the latter's work.
#[must_use]
pub struct SetAside<'a> {
    places: Places<'a>,
    step: String,
    outputs: Vec<Place>,
    old: Vec<Old>,
}

/// Something that was moved as a whole.
struct Old {
    /// Where it belongs.
    path: RelPath,
    /// Where it is.
    disk: PathBuf,
}

impl<'a> Places<'a> {
    /// Moves away what is at the places of `outputs`, before `step` (its display id) starts, and makes the folders that
    /// they lie in. The caller holds the locks of these places.
    ///
    /// # Errors
    /// Something in the way, and what moving met; everything is at its place again then.
    pub fn set_aside(&self, step: &str, outputs: &[Output]) -> Result<SetAside<'a>, PlaceError> {
        let outputs: Vec<_> = outputs.iter().map(|output| output.place.clone()).collect();
        for state in ["set", "done"] {
            if !self.olds(&self.aside_folder(state, step))?.is_empty() {
                return Err(PlaceError::Interrupted { step: step.to_owned() });
            }
        }
        let mut aside = SetAside { places: *self, step: step.to_owned(), outputs, old: Vec::new() };
        match aside.fill() {
            Ok(()) => Ok(aside),
            Err(error) => {
                // The first error is the one to tell; what could not be put back, `recover` will.
                let _ = aside.put_back();
                Err(error)
            }
        }
    }

    /// Ends what an earlier run of `step` could not end: its old outputs are put back. What is in their places now may
    /// be the interrupted step's or somebody's work since: it goes to `replaced/`. The caller holds the locks of the
    /// places, and nothing has looked at them yet. Gives what was put back, sorted.
    ///
    /// # Errors
    /// What moving met.
    pub fn recover(&self, step: &str, own: Own<'_>, replaced: &mut Replaced) -> Result<Vec<RelPath>, PlaceError> {
        let (set, done) = (self.aside_folder("set", step), self.aside_folder("done", step));
        let mut recovered = Vec::new();
        for old in self.olds(&set)? {
            let disk = self.disk(&old.path);
            self.make_parents(&old.path)?;
            // An empty folder is most likely the one that zen itself made for the step.
            if stat(&disk)?.is_some_and(|metadata| !metadata.is_dir() || fs::remove_dir(&disk).is_err()) {
                self.replace(&old.path, &disk, replaced)?;
            }
            relocate(&old.disk, &disk)?;
            recovered.push(old.path);
        }
        self.discard(&set)?;
        for old in self.olds(&done)? {
            let disk = self.disk(&old.path);
            if stat(&disk)?.is_none() {
                self.make_parents(&old.path)?;
                relocate(&old.disk, &disk)?;
                recovered.push(old.path);
            } else {
                self.dispose_of_old(&old, &BTreeMap::new(), own, replaced)?;
            }
        }
        self.discard(&done)?;
        recovered.sort_unstable();
        Ok(recovered)
    }

    /// What is set aside, by the display ids of its steps: where it belongs. A step with a name so long that it was cut
    /// is not among them.
    ///
    /// # Errors
    /// What listing met.
    pub fn interrupted(&self) -> Result<BTreeMap<String, Vec<RelPath>>, PlaceError> {
        let mut found: BTreeMap<String, Vec<RelPath>> = BTreeMap::new();
        for state in ["set", "done"] {
            for (name, folder) in list(&self.zen_folder().join("aside").join(state))? {
                let step = std::str::from_utf8(&name).ok().and_then(step_of);
                if let Some(step) = step {
                    found.entry(step).or_default().extend(self.olds(&folder)?.into_iter().map(|old| old.path));
                }
            }
        }
        Ok(found)
    }

    /// Is anything at all set aside? If not, no step needs to be [recovered](Places::recover).
    ///
    /// # Errors
    /// What listing met.
    pub fn is_interrupted(&self) -> Result<bool, PlaceError> {
        let aside = self.zen_folder().join("aside");
        Ok(!list(&aside.join("set"))?.is_empty() || !list(&aside.join("done"))?.is_empty())
    }

    fn aside_folder(&self, state: &str, step: &str) -> PathBuf {
        self.zen_folder().join("aside").join(state).join(file_name(step))
    }

    /// Moves into the zen folder, to a folder that is made, and made again if somebody removes all in between. What is
    /// inside is what moving met.
    fn move_away(&self, disk: &Path, to: &Path) -> Result<io::Result<()>, PlaceError> {
        let folder = to.parent().unwrap_or(to);
        let mut tries = 100;
        loop {
            let made = self.make_own(folder);
            let is_made = made.is_ok();
            match made.and_then(|()| fs::rename(disk, to)) {
                Err(error) if error.kind() == ErrorKind::NotFound && tries > 0 && stat(disk)?.is_some() => tries -= 1,
                Err(error) if !is_made && error.kind() != ErrorKind::NotFound => {
                    return Err(failed(folder, "made", error));
                }
                moved => return Ok(moved),
            }
        }
    }

    /// Makes a folder in the zen folder.
    fn make_own(&self, folder: &Path) -> io::Result<()> {
        let zen = self.zen_folder();
        own::make_folder(&zen, folder.strip_prefix(&zen).unwrap_or(folder)).map(drop)
    }

    /// Is that a folder in the zen folder, reached through no link?
    fn is_real(&self, folder: &Path) -> bool {
        let zen = self.zen_folder();
        folder.strip_prefix(&zen).is_ok_and(|below| own::is_real(&zen, below))
    }

    /// Removes a folder in the zen folder, unless it is behind a link.
    fn discard(&self, folder: &Path) -> Result<(), PlaceError> {
        if !folder.parent().is_some_and(|parent| self.is_real(parent)) {
            return Ok(());
        }
        remove_tree(folder).map_err(|error| failed(folder, "removed", error))
    }

    /// What lies in a folder made by `fill`.
    fn olds(&self, folder: &Path) -> Result<Vec<Old>, PlaceError> {
        let mut olds = Vec::new();
        if !self.is_real(folder) {
            return Ok(olds);
        }
        for (name, area) in list(folder)? {
            let depth = name.get(1..).and_then(|depth| std::str::from_utf8(depth).ok()).and_then(|d| d.parse().ok());
            let (Some(depth), Some(b'w' | b'z')) = (depth, name.first()) else { continue };
            let base = if name[0] == b'z' { self.zen.clone() } else { RelPath::root() };
            at_depth(&area, &base, depth, &mut olds)?;
        }
        // `path`, NUL, name, NUL; a torn tail was never acted on.
        let beside = own::read(&folder.join("beside")).unwrap_or_default();
        let mut fields = beside.split_inclusive(|byte| *byte == 0).filter_map(|field| field.strip_suffix(b"\0"));
        while let (Some(path), Some(name)) = (fields.next(), fields.next()) {
            if name.contains(&b'/') || !name.starts_with(TEMPORARY.as_bytes()) {
                continue;
            }
            let path = RelPath::root().child(path);
            let Some(disk) = self.disk(&path).parent().map(|parent| parent.join(bytes_path(name))) else { continue };
            if stat(&disk)?.is_some() {
                olds.push(Old { path, disk });
            }
        }
        // `fill` writes no others.
        olds.retain(|old| self.may_hold_outputs(&old.path));
        olds.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(olds)
    }

    /// Moves what is at `paths` to `failed/<step>`, instead of what an earlier failure left there.
    fn keep_failed(&self, step: &str, paths: &[RelPath]) -> Result<Option<PathBuf>, PlaceError> {
        let folder = self.zen_folder().join("failed").join(step_folder(step));
        let mut kept = false;
        for path in paths {
            let disk = self.disk(path);
            let Some(metadata) = stat(&disk)? else { continue };
            self.check_parents(path)?;
            // An empty folder is most likely the one that zen itself made for the step.
            if metadata.is_dir() && fs::remove_dir(&disk).is_ok() {
                continue;
            }
            if !kept {
                // Then it is made anew, and no link is in it.
                let parent = folder.parent().unwrap_or(&folder);
                self.make_own(parent).map_err(|error| failed(parent, "made", error))?;
                self.discard(&folder)?;
                kept = true;
            }
            relocate(&disk, &self.mirrored(path).1.to_path(&folder))?;
        }
        Ok(kept.then_some(folder))
    }

    /// Sees to everything in `old`: what `new` has too goes back to its place, with its inode and its mtime; the rest
    /// is removed if it is zen's own.
    fn dispose_of_old(
        &self,
        old: &Old,
        new: &BTreeMap<RelPath, &Node>,
        own: Own<'_>,
        replaced: &mut Replaced,
    ) -> Result<(), PlaceError> {
        let found = everything(&old.disk)?.unwrap_or_default();
        let nodes: Vec<Option<Node>> =
            found.par_iter().with_min_len(FEW).map(|found| self.node(found)).collect::<Result<_, _>>()?;
        let path_of = |below: &RelPath| old.path.under(below);
        let is_new = |below: &RelPath, node: &Option<Node>| {
            node.as_ref().is_some_and(|node| new.get(&path_of(below)) == Some(&node))
        };
        let place = self.disk(&old.path);
        let whole = !found.is_empty()
            && found.iter().zip(&nodes).all(|(found, node)| is_new(&found.path, node))
            && new.keys().filter(|path| path.starts_with(&old.path)).count() == found.len();
        if whole {
            // Folders keep their mtime as well: cargo looks at those of `rerun-if-changed` folders.
            if nodes.first() == Some(&Some(Node::Folder)) {
                remove_tree(&place).map_err(|error| failed(&place, "replaced", error))?;
            }
            fs::rename(&old.disk, &place).map_err(|error| failed(&place, "replaced", error))?;
            return self.state_again(found.iter().zip(&nodes).map(|(found, node)| (path_of(&found.path), node)));
        }
        let mut back = Vec::new();
        // Folders that nobody may write to would keep what is in them.
        open_up(&old.disk).map_err(|error| failed(&old.disk, "opened", error))?;
        if stat(&place)?.is_some() {
            open_up(&place).map_err(|error| failed(&place, "opened", error))?;
        }
        // Children before their folders.
        for (found, node) in found.iter().zip(&nodes).rev() {
            let path = path_of(&found.path);
            if matches!(node, Some(Node::File { .. })) && is_new(&found.path, node) {
                fs::rename(&found.disk, self.disk(&path)).map_err(|error| failed(&found.disk, "put back", error))?;
                back.push((path, node));
            } else {
                self.dispose(&path, &found.disk, node.as_ref(), own, replaced)?;
            }
        }
        self.state_again(back)
    }

    /// The stat cache is to know the files that were put back: a rename changes their ctime.
    fn state_again<'n>(&self, files: impl IntoIterator<Item = (RelPath, &'n Option<Node>)>) -> Result<(), PlaceError> {
        let files: Vec<_> = files
            .into_iter()
            .filter(|(_, node)| matches!(node, Some(Node::File { .. })))
            .map(|(path, _)| path)
            .collect();
        files.par_iter().with_min_len(FEW).try_for_each(|path| {
            let disk = self.disk(path);
            let Some(metadata) = stat(&disk)? else { return Ok(()) };
            self.digest(&disk, &metadata).map(drop)
        })
    }
}

impl SetAside<'_> {
    fn fill(&mut self) -> Result<(), PlaceError> {
        let places = self.places;
        let folder = places.aside_folder("set", &self.step);
        for place in self.outputs.clone() {
            for path in places.units(&place)? {
                let disk = places.disk(&path);
                let (in_zen, below) = places.mirrored(&path);
                let area = format!("{}{}", if in_zen { 'z' } else { 'w' }, below.components().count());
                let mut to = below.to_path(&folder.join(area));
                let moved = match places.move_away(&disk, &to)? {
                    // Moving a folder changes its `..`: it must be writable itself.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied && open_up(&disk).unwrap_or(false) => {
                        fs::rename(&disk, &to)
                    }
                    moved => moved,
                };
                match moved {
                    Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                        to = self.rename_beside(&folder, &path, &disk)?;
                    }
                    moved => moved.map_err(|error| failed(&disk, "set aside", error))?,
                }
                self.old.push(Old { path, disk: to });
            }
        }
        for place in &self.outputs {
            places.make_parents(place.root())?;
            if !matches!(place, Place::Path { folder: false, .. }) {
                let disk = places.disk(place.root());
                fs::create_dir_all(&disk).map_err(|error| failed(&disk, "made", error))?;
            }
        }
        Ok(())
    }

    fn rename_beside(&self, folder: &Path, path: &RelPath, disk: &Path) -> Result<PathBuf, PlaceError> {
        let name = format!("{TEMPORARY}{}-{}", Digest::of(self.step.as_bytes()).short(), self.old.len());
        let entry = [path.as_bytes(), name.as_bytes(), b""].join(&0);
        let journal = folder.join("beside");
        // A rename on the other file system may be on the disk before this is: hence the barrier, in this rare case.
        own::open_or_make(&journal, fs::File::options().append(true))
            .and_then(|mut file| file.write_all(&entry).and_then(|()| file.sync_all()))
            .map_err(|error| failed(&journal, "written", error))?;
        let to = disk.with_file_name(name);
        fs::rename(disk, &to).map_err(|error| failed(disk, "set aside", error))?;
        Ok(to)
    }

    /// The step succeeded and left `artifacts`, one for each output: a file that came out with the same bytes is put
    /// back with its old inode and mtime. Of the rest, what is zen's own is removed, and all else goes to `replaced/`.
    ///
    /// # Errors
    /// What moving met. The new outputs stand; what is left is tidied up by [`Places::recover`].
    pub fn finish(self, artifacts: &[Artifact], own: Own<'_>, replaced: &mut Replaced) -> Result<(), PlaceError> {
        let set = self.places.aside_folder("set", &self.step);
        if self.old.is_empty() {
            return self.places.discard(&set);
        }
        let done = self.places.aside_folder("done", &self.step);
        self.places.discard(&done)?;
        match self.places.move_away(&set, &done)? {
            // The zen folder was removed while the step ran: nothing is set aside any more.
            Err(error) if error.kind() == ErrorKind::NotFound && stat(&set)?.is_none() => return Ok(()),
            moved => moved.map_err(|error| failed(&set, "moved", error))?,
        }
        let entries = self.outputs.iter().zip(artifacts).flat_map(|(place, artifact)| {
            artifact.entries.iter().map(|entry| (place.root().under(&entry.path), &entry.node))
        });
        let new: BTreeMap<_, _> = entries.collect();
        for old in &self.old {
            let disk = old.disk.strip_prefix(&set).map_or_else(|_| old.disk.clone(), |below| done.join(below));
            let old = Old { path: old.path.clone(), disk };
            match self.places.dispose_of_old(&old, &new, own, replaced) {
                // Somebody is just removing the zen folder.
                Err(PlaceError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                disposed => disposed?,
            }
        }
        self.places.discard(&done)
    }

    /// The step failed: what it left goes to `failed/<step>` in the zen folder, which is given if there was anything,
    /// and what was there before is put back.
    ///
    /// # Errors
    /// What moving met; [`Places::recover`] will try again.
    pub fn abort(mut self) -> Result<Option<PathBuf>, PlaceError> {
        let mut left = Vec::new();
        for place in &self.outputs {
            left.append(&mut self.places.units(place)?);
        }
        let kept = self.places.keep_failed(&self.step, &left)?;
        self.put_back()?;
        Ok(kept)
    }

    fn put_back(&mut self) -> Result<(), PlaceError> {
        while let Some(old) = self.old.last() {
            self.places.make_parents(&old.path)?;
            match relocate(&old.disk, &self.places.disk(&old.path)) {
                // The zen folder was removed while the step ran.
                Err(_) if stat(&old.disk)?.is_none() => {}
                moved => moved?,
            }
            self.old.pop();
        }
        self.places.discard(&self.places.aside_folder("set", &self.step))
    }
}

impl Places<'_> {
    /// What is moved as a whole: a path, or each match of a glob.
    fn units(&self, place: &Place) -> Result<Vec<RelPath>, PlaceError> {
        match place {
            Place::Path { path, .. } => {
                self.check_parents(path)?;
                Ok(stat(&self.disk(path))?.map(|_| path.clone()).into_iter().collect())
            }
            Place::Glob(pattern) => {
                let found = self.find(place)?.unwrap_or_default();
                Ok(found.iter().map(|found| pattern.prefix().under(&found.path)).collect())
            }
        }
    }
}

/// A step's folder in `failed/`.
fn step_folder(step: &str) -> PathBuf {
    match step.split_once('/') {
        Some((pipeline, step)) => Path::new(&file_name(pipeline)).join(file_name(step)),
        None => file_name(step).into(),
    }
}

/// A display id, or a part of one, as a name that every file system takes.
fn file_name(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        match byte {
            b':' => name.push('+'),
            b'-' | b'_' | b'.' | b'=' | b',' | b'[' | b']' => name.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            byte => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > 150 {
        name.truncate(100);
        name.push_str(&Digest::of(text.as_bytes()).short());
    }
    name
}

/// The step of which [`file_name`] gives this name.
fn step_of(name: &str) -> Option<String> {
    let plain = percent_encoding::percent_decode_str(name).decode_utf8().ok()?.replace('+', ":");
    (file_name(&plain) == name).then_some(plain)
}

/// What lies exactly `depth` names below `disk`.
fn at_depth(disk: &Path, path: &RelPath, depth: usize, olds: &mut Vec<Old>) -> Result<(), PlaceError> {
    if depth == 0 {
        olds.push(Old { path: path.clone(), disk: disk.to_owned() });
        return Ok(());
    }
    list(disk)?.into_iter().try_for_each(|(name, disk)| at_depth(&disk, &path.child(&name), depth - 1, olds))
}

/// A name in a folder, and where that is.
type Named = (Box<[u8]>, PathBuf);

/// What a folder holds; nothing if it is not there, or is a link to one.
fn list(folder: &Path) -> Result<Vec<Named>, PlaceError> {
    if !stat(folder)?.is_some_and(|metadata| metadata.is_dir()) {
        return Ok(Vec::new());
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, "listed", error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(folder, "listed", error))?;
        if let Some(name) = path_bytes(Path::new(&entry.file_name())) {
            names.push((name, entry.path()));
        }
    }
    Ok(names)
}
