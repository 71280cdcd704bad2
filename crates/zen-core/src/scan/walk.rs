//! One parallel walk for all path sets together: from their literal prefixes, pruned. Knows no content.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ground::{Ground, Listed, Probed, Stood};
use super::ignored::Chain;
use super::stamp::Stamp;
use crate::closure::PackageTree;
use crate::glob::PathSet;
use crate::model::Place;
use crate::path::RelPath;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetSpec {
    /// Globs as tables write them.
    Paths(PathSet),
    /// The files of a package.
    Tree(PackageTree),
    /// These files and no others, sorted; a folder of that name is not meant.
    Files(Vec<RelPath>),
}

impl SetSpec {
    /// Does it mean `path`, which the declared output at `place` owns? Asks no ignore file: none concerns outputs.
    pub fn means_output(&self, path: &RelPath, place: &Place) -> bool {
        match self {
            Self::Paths(paths) => paths.matches(path),
            Self::Files(files) => files.binary_search(path).is_ok(),
            Self::Tree(tree) => {
                path.starts_with(&tree.root)
                    && !tree.exclude.iter().any(|exclude| path.starts_with(exclude))
                    && belongs(tree, place)
            }
        }
    }

    /// Could it mean something at or below `path`, or above it?
    pub fn is_near(&self, path: &RelPath) -> bool {
        let near = |root: &RelPath| root.starts_with(path) || path.starts_with(root);
        match self {
            Self::Paths(paths) => paths.include.iter().any(|pattern| near(pattern.prefix())),
            Self::Files(files) => files.iter().any(|file| file.starts_with(path)),
            Self::Tree(tree) => near(&tree.root),
        }
    }
}

/// All sets of a scan, and what concerns them all.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What to look for; results come in the same order.
    pub sets: &'a [Arc<SetSpec>],
    /// The declared outputs of all steps: a package's tree holds them only below its source roots.
    pub outputs: &'a [Place],
    /// Paths that no set means: cargo's target directory, the store.
    pub left_out: &'a [RelPath],
}

/// A file or link that some set means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where.
    pub path: RelPath,
    /// As stated.
    pub stamp: Stamp,
    /// What it is.
    pub kind: Kind,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File {
        /// Has it an executable bit?
        executable: bool,
    },
    /// A symlink, not followed.
    Link,
    /// A FIFO, socket or device.
    Special,
    /// It could not be stated or listed.
    Unreadable(io::ErrorKind),
}

/// What one set found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Indices into [`Walked::seen`], ascending.
    pub members: Vec<u32>,
    /// Indices of the set's include patterns that matched nothing.
    pub unmatched: Vec<usize>,
}

/// The result of a walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// Each path once, in one order that depends on the paths alone.
    pub seen: Vec<Seen>,
    /// In the order of the request's sets.
    pub sets: Vec<Members>,
    /// What else this rests on; nothing unless it was asked for.
    pub ground: Ground,
}

/// Does this name stand for what no glob matches?
pub fn is_never_seen(name: &[u8]) -> bool {
    name == b".git" || name.starts_with(b".zen-tmp-")
}

/// Walks below `root` for all sets of `request` at once.
pub fn walk(root: &Path, request: Request<'_>) -> Walked {
    run(Walker::new(root, request, None))
}

/// [`walk`], and notes what the answer rests on.
pub fn walk_and_note(root: &Path, request: Request<'_>) -> Walked {
    run(Walker::new(root, request, Some(Mutex::default())))
}

fn run(walker: Walker<'_>) -> Walked {
    let starts: Vec<&RelPath> = walker.starts.keys().collect();
    if starts.len() > FEW {
        rayon::scope(|scope| {
            for start in starts {
                let walker = &walker;
                scope.spawn(move |scope| {
                    walker.start(start, &mut |folder| walker.spawn(scope, folder));
                });
            }
        });
    } else {
        walker.walk_few(&starts);
    }
    walker.finish()
}

/// So many folders are walked by the thread that asks: waking others takes longer than that.
const FEW: usize = 16;

/// A set that may still find something below the folder at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Active {
    Pattern { set: u32, pattern: u32 },
    Tree { set: u32, ignored: bool },
    Exact { set: u32 },
}

impl Active {
    fn set(self) -> u32 {
        match self {
            Self::Pattern { set, .. } | Self::Tree { set, .. } | Self::Exact { set } => set,
        }
    }
}

/// A folder that is still to be walked.
struct Folder<'s> {
    path: RelPath,
    active: Vec<Active>,
    /// Declared outputs above it.
    places: Vec<&'s Place>,
    chain: Option<Arc<Chain>>,
}

/// What was found in one folder.
struct Batch {
    folder: RelPath,
    seen: Vec<Seen>,
    /// (set, index into `seen`)
    members: Vec<(u32, u32)>,
}

struct Walker<'a> {
    root: &'a Path,
    request: Request<'a>,
    starts: HashMap<RelPath, Vec<Active>>,
    left_out: HashSet<&'a RelPath>,
    places: HashMap<&'a RelPath, Vec<&'a Place>>,
    matched: Vec<Vec<AtomicBool>>,
    batches: Mutex<Vec<Batch>>,
    /// What stands above starts.
    above: Mutex<HashMap<RelPath, Option<Stood>>>,
    ground: Option<Mutex<Ground>>,
}

impl<'a> Walker<'a> {
    fn new(root: &'a Path, request: Request<'a>, ground: Option<Mutex<Ground>>) -> Self {
        let mut starts: HashMap<RelPath, Vec<Active>> = HashMap::new();
        let mut matched = Vec::with_capacity(request.sets.len());
        for (set, spec) in (0..).zip(request.sets) {
            match &**spec {
                SetSpec::Paths(paths) => {
                    for (pattern, text) in (0..).zip(&paths.include) {
                        starts.entry(text.prefix().clone()).or_default().push(Active::Pattern { set, pattern });
                    }
                    matched.push(paths.include.iter().map(|_| AtomicBool::new(false)).collect());
                }
                SetSpec::Tree(tree) => {
                    starts.entry(tree.root.clone()).or_default().push(Active::Tree { set, ignored: false });
                    matched.push(Vec::new());
                }
                SetSpec::Files(files) => {
                    for file in files {
                        starts.entry(file.clone()).or_default().push(Active::Exact { set });
                    }
                    matched.push(Vec::new());
                }
            }
        }
        let mut places: HashMap<&RelPath, Vec<&Place>> = HashMap::new();
        // Only package trees ask whose output something is.
        let has_trees = request.sets.iter().any(|set| matches!(**set, SetSpec::Tree(_)));
        for place in request.outputs.iter().filter(|_| has_trees) {
            places.entry(place.root()).or_default().push(place);
        }
        let left_out = request.left_out.iter().collect();
        let (batches, above) = (Mutex::default(), Mutex::default());
        Self { root, request, starts, left_out, places, matched, batches, above, ground }
    }

    /// As long as there is little to do, in this thread; what is left then, in all.
    fn walk_few(&self, starts: &[&RelPath]) {
        let mut todo = Vec::new();
        starts.iter().for_each(|start| self.start(start, &mut |folder| todo.push(folder)));
        for _ in 0..FEW {
            let Some(folder) = todo.pop() else { return };
            self.folder(folder, &mut |below| todo.push(below));
        }
        if !todo.is_empty() {
            rayon::scope(|scope| todo.into_iter().for_each(|folder| self.spawn(scope, folder)));
        }
    }

    fn spawn<'s>(&'s self, scope: &rayon::Scope<'s>, folder: Folder<'s>) {
        scope.spawn(move |scope| self.folder(folder, &mut |below| self.spawn(scope, below)));
    }

    fn start<'s>(&'s self, start: &RelPath, found: &mut dyn FnMut(Folder<'s>)) {
        let mut folders = vec![RelPath::root()];
        for name in start.components() {
            let path = folders.last().map_or_else(RelPath::root, |folder| folder.child(name));
            if is_never_seen(name) || self.left_out.contains(&path) {
                return;
            }
            folders.push(path);
        }
        // Ignore files count from the workspace root down, and in a package that lies beside it from its own folder.
        let mut chain = None;
        let mut active: Vec<Active> = Vec::new();
        let mut places: Vec<&Place> = Vec::new();
        for folder in &folders[..folders.len() - 1] {
            active.retain_mut(|active| self.descend(active, folder, &places, chain.as_ref()));
            active.extend(self.starts.get(folder).into_iter().flatten());
            places.extend(self.places.get(folder).into_iter().flatten());
            if !folder.is_outside() && self.has_trees(&active, start) {
                chain = Chain::extend(chain, self.root, folder);
                self.note_ignore_file(folder, || {
                    active.iter().chain(self.starts.get(start).into_iter().flatten()).copied().collect()
                });
            }
        }
        let here = || self.starts.get(start).into_iter().flatten().copied();
        let all: Vec<Active> = active.iter().copied().chain(here()).collect();
        if !self.reachable(&folders[1..], &all) {
            return;
        }
        match start.to_path(self.root).symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {
                self.note(start, Some(&metadata), || here().filter(|it| matches!(it, Active::Exact { .. })).collect());
                active.retain_mut(|active| self.descend(active, start, &places, chain.as_ref()));
                active.extend(here().filter(|active| !matches!(active, Active::Exact { .. })));
                active.sort_by_key(|active| active.set());
                places.extend(self.places.get(start).into_iter().flatten());
                found(Folder { path: start.clone(), active, places, chain });
            }
            Ok(metadata) => {
                self.note(start, Some(&metadata), || all.clone());
                active = all;
                active.sort_by_key(|active| active.set());
                let mut batch = Batch { folder: start.clone(), seen: Vec::new(), members: Vec::new() };
                self.leaf(&mut batch, start.clone(), &active, &places, chain.as_ref(), || Ok(metadata));
                self.push(batch);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                self.note(start, None, || here().collect());
            }
            Err(error) => self.unreadable(start, &all, error.kind()),
        }
    }

    /// Is the way to a start free of symlinks that lead out of the workspace? Links on the way are members as well:
    /// where they lead is part of what the set means.
    fn reachable(&self, way: &[RelPath], active: &[Active]) -> bool {
        let Some((_, above)) = way.split_last() else { return true };
        for folder in above {
            let mut known = self.above.lock().unwrap_or_else(PoisonError::into_inner);
            let stood = *known
                .entry(folder.clone())
                .or_insert_with(|| folder.to_path(self.root).symlink_metadata().ok().map(|it| Stood::of(&it)));
            drop(known);
            if let Some(Stood { stamp, is_link: true, .. }) = stood {
                let seen = vec![Seen { path: folder.clone(), stamp, kind: Kind::Link }];
                let members = active.iter().map(|active| (active.set(), 0)).collect();
                self.push(Batch { folder: folder.clone(), seen, members });
                let inside = folder.to_path(self.root).canonicalize().is_ok_and(|to| to.starts_with(self.root));
                if !inside {
                    return false;
                }
            }
        }
        true
    }

    /// Does an ignore file on the way to `start` matter? Only package trees ask them.
    fn has_trees(&self, active: &[Active], start: &RelPath) -> bool {
        let is_tree = |active: &Active| matches!(active, Active::Tree { .. });
        active.iter().any(is_tree) || self.starts.get(start).is_some_and(|at| at.iter().any(is_tree))
    }

    fn folder<'s>(&'s self, folder: Folder<'s>, found: &mut dyn FnMut(Folder<'s>)) {
        let Folder { path: folder, active, places, chain } = folder;
        let absolute = folder.to_path(self.root);
        let listing = match std::fs::read_dir(&absolute).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.note(&folder, None, || active.clone());
            }
            Err(error) => return self.unreadable(&folder, &active, error.kind()),
        };
        self.note_listing(&folder, &absolute, &active);
        let has_trees = active.iter().any(|active| matches!(active, Active::Tree { .. }));
        if has_trees {
            self.note_ignore_file(&folder, || active.clone());
        }
        let chain = if has_trees && listing.iter().any(|entry| entry.file_name() == ".gitignore") {
            Chain::extend(chain, self.root, &folder)
        } else {
            chain
        };
        let mut batch = Batch { folder: folder.clone(), seen: Vec::new(), members: Vec::new() };
        for entry in listing {
            let Some(name) = crate::path::path_bytes(Path::new(&entry.file_name())) else { continue };
            let path = folder.child(&name);
            if is_never_seen(&name) || self.left_out.contains(&path) || self.starts.contains_key(&path) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let mut below = active.clone();
                below.retain_mut(|active| self.descend(active, &path, &places, chain.as_ref()));
                if !below.is_empty() {
                    let mut places = places.clone();
                    places.extend(self.places.get(&path).into_iter().flatten());
                    found(Folder { path, active: below, places, chain: chain.clone() });
                }
            } else {
                self.leaf(&mut batch, path, &active, &places, chain.as_ref(), || entry.metadata());
            }
        }
        self.push(batch);
    }

    /// A file, link or special file: whose is it?
    fn leaf(
        &self,
        batch: &mut Batch,
        path: RelPath,
        active: &[Active],
        places: &[&Place],
        chain: Option<&Arc<Chain>>,
        metadata: impl FnOnce() -> io::Result<Metadata>,
    ) {
        let index = batch.seen.len() as u32;
        let before = batch.members.len();
        for active in active {
            let known = batch.members[before..].last().is_some_and(|(set, _)| *set == active.set());
            let is_member = match *active {
                Active::Pattern { set, pattern } => self.pattern_means(set, pattern, &path, known),
                Active::Tree { set, ignored } => self.tree_means(set, ignored, &path, places, chain),
                // Dropped on the way into a folder, so what is left of it is the file itself.
                Active::Exact { .. } => true,
            };
            if is_member && !known {
                batch.members.push((active.set(), index));
            }
        }
        if batch.members.len() == before {
            return;
        }
        let seen = match metadata() {
            Ok(metadata) => Seen { stamp: Stamp::of(&metadata), kind: kind_of(&metadata), path },
            // Gone since the folder was listed: as if it had never been there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return batch.members.truncate(before),
            Err(error) => unreadable(path, error.kind()),
        };
        batch.seen.push(seen);
    }

    fn pattern_means(&self, set: u32, pattern: u32, path: &RelPath, known: bool) -> bool {
        let matched = &self.matched[set as usize][pattern as usize];
        if known && matched.load(Ordering::Relaxed) {
            return true;
        }
        let SetSpec::Paths(paths) = &*self.request.sets[set as usize] else { return false };
        let hit = paths.include[pattern as usize].matches(path);
        if hit {
            matched.store(true, Ordering::Relaxed);
        }
        hit && !paths.excludes(path)
    }

    fn tree_means(
        &self,
        set: u32,
        ignored: bool,
        path: &RelPath,
        places: &[&Place],
        chain: Option<&Arc<Chain>>,
    ) -> bool {
        let SetSpec::Tree(tree) = &*self.request.sets[set as usize] else { return false };
        if tree.exclude.binary_search(path).is_ok() {
            return false;
        }
        let here = self.places.get(path).into_iter().flatten().copied();
        let mut owners = places.iter().copied().chain(here).filter(|place| place.owns(path)).peekable();
        if owners.peek().is_some() {
            return owners.any(|place| belongs(tree, place));
        }
        !ignored && !Chain::excludes(chain, path, false)
    }

    /// May `active` still find something in the folder `path`? Updates what it knows on the way down.
    fn descend(&self, active: &mut Active, path: &RelPath, places: &[&Place], chain: Option<&Arc<Chain>>) -> bool {
        match active {
            Active::Exact { .. } => false,
            Active::Pattern { set, pattern } => {
                let SetSpec::Paths(paths) = &*self.request.sets[*set as usize] else { return false };
                paths.include[*pattern as usize].may_match_below(path)
                    && !paths.exclude.iter().any(|exclude| exclude.matches_below(path) || exclude.matches(path))
            }
            Active::Tree { set, ignored } => {
                let SetSpec::Tree(tree) = &*self.request.sets[*set as usize] else { return false };
                if tree.exclude.binary_search(path).is_ok() {
                    return false;
                }
                let here = self.places.get(path).into_iter().flatten().copied();
                let owns_all =
                    |place: &Place| matches!(place, Place::Path { path: root, .. } if path.starts_with(root));
                if let Some(place) = places.iter().copied().chain(here).find(|place| owns_all(place)) {
                    *ignored = true;
                    return belongs(tree, place);
                }
                *ignored |= Chain::excludes(chain, path, true);
                !*ignored
                    || self.request.outputs.iter().any(|place| {
                        belongs(tree, place) && (place.root().starts_with(path) || path.starts_with(place.root()))
                    })
            }
        }
    }

    /// Notes what is at `path`, for the sets of `active`.
    fn note(&self, path: &RelPath, metadata: Option<&Metadata>, active: impl FnOnce() -> Vec<Active>) {
        let Some(ground) = &self.ground else { return };
        let sets = sets_of(&active());
        if sets.is_empty() {
            return;
        }
        let probed = Probed { path: path.clone(), stood: metadata.map(Stood::of), sets };
        ground.lock().unwrap_or_else(PoisonError::into_inner).probed.push(probed);
    }

    /// Notes the ignore file of a folder, there or not, for the package trees of `active`.
    fn note_ignore_file(&self, folder: &RelPath, active: impl FnOnce() -> Vec<Active>) {
        if self.ground.is_some() {
            let file = folder.child(b".gitignore");
            let metadata = file.to_path(self.root).symlink_metadata().ok();
            let is_tree = |active: &Active| matches!(active, Active::Tree { .. });
            self.note(&file, metadata.as_ref(), || active().into_iter().filter(is_tree).collect());
        }
    }

    fn note_listing(&self, folder: &RelPath, absolute: &Path, active: &[Active]) {
        let Some(ground) = &self.ground else { return };
        // What is gone by now has no stamp that could ever be met again.
        let Ok(metadata) = absolute.symlink_metadata() else { return self.note(folder, None, || active.to_vec()) };
        let listed = Listed { folder: folder.clone(), stamp: Stamp::of(&metadata), sets: sets_of(active) };
        ground.lock().unwrap_or_else(PoisonError::into_inner).listed.push(listed);
    }

    fn unreadable(&self, path: &RelPath, active: &[Active], kind: io::ErrorKind) {
        let members = active.iter().map(|active| (active.set(), 0)).collect();
        self.push(Batch { folder: path.clone(), seen: vec![unreadable(path.clone(), kind)], members });
    }

    fn push(&self, batch: Batch) {
        if !batch.seen.is_empty() {
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
        }
    }

    fn finish(self) -> Walked {
        let mut batches = self.batches.into_inner().unwrap_or_else(PoisonError::into_inner);
        batches.sort_unstable_by(|a, b| a.folder.cmp(&b.folder));
        let mut seen = Vec::with_capacity(batches.iter().map(|batch| batch.seen.len()).sum());
        let mut sets: Vec<Members> = self
            .matched
            .iter()
            .map(|patterns| Members {
                members: Vec::new(),
                unmatched: (0..patterns.len()).filter(|at| !patterns[*at].load(Ordering::Relaxed)).collect(),
            })
            .collect();
        for mut batch in batches {
            // A link on the way to several starts is found once for each of them.
            if batch.seen.len() == 1
                && let Some(last) = seen.last().filter(|last: &&Seen| **last == batch.seen[0])
            {
                debug_assert_eq!(last.path, batch.folder);
                let index = seen.len() as u32 - 1;
                batch.members.iter().for_each(|(set, _)| sets[*set as usize].members.push(index));
                continue;
            }
            let first = seen.len() as u32;
            let mut order: Vec<u32> = (0..batch.seen.len() as u32).collect();
            order.sort_unstable_by(|a, b| batch.seen[*a as usize].path.cmp(&batch.seen[*b as usize].path));
            let mut rank = vec![0; order.len()];
            for (new, old) in (0..).zip(&order) {
                rank[*old as usize] = new;
            }
            for (set, index) in batch.members {
                sets[set as usize].members.push(first + rank[index as usize]);
            }
            batch.seen.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            seen.append(&mut batch.seen);
        }
        for set in &mut sets {
            set.members.sort_unstable();
            set.members.dedup();
        }
        let mut ground =
            self.ground.map(|it| it.into_inner().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default();
        ground.above = self.above.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        Walked { seen, sets, ground }
    }
}

/// Their sets, each once, ascending.
fn sets_of(active: &[Active]) -> Vec<u32> {
    let mut sets: Vec<u32> = active.iter().map(|active| active.set()).collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}

/// Does a declared output at `place` belong to the package's closure?
fn belongs(tree: &PackageTree, place: &Place) -> bool {
    tree.source_roots.iter().any(|root| place.root().starts_with(root))
}

fn kind_of(metadata: &Metadata) -> Kind {
    if metadata.is_file() {
        Kind::File { executable: Stamp::of(metadata).is_executable() }
    } else if metadata.is_symlink() {
        Kind::Link
    } else {
        Kind::Special
    }
}

fn unreadable(path: RelPath, kind: io::ErrorKind) -> Seen {
    Seen { path, stamp: Stamp::none(), kind: Kind::Unreadable(kind) }
}
