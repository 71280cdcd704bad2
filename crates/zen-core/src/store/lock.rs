//! Locks on names, any number of them at once, across processes; and who holds them. Knows not what the names mean.
//!
//! A holder writes the names that it locks into a file of its own and keeps the operating system's lock on another
//! beside it: while that one is locked the holder lives, so death frees everything. Taking locks means comparing with
//! the files of those that live, under a short lock on the registry. Two descriptors thus hold thousands of locks, all
//! or none of them (so that no order of taking can come to a deadlock), and whoever waits knows for whom. (A range lock
//! in one file for each name costs time by the square of their number: 0.1 s for 5,000, 1.2 s for 10,000.)
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::files;
use super::ground::{self, Foot, Ground};
use crate::path::{RelPath, escape};
use crate::scan::hash::open_regular;
use crate::scan::own;

/// How a name is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Together with others that share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// Who holds locks; for messages, and to find an ancestor among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// What it does, for people: `run 13 (cargo zen run training)`.
    pub what: String,
    /// The processes of the runs that it runs in, outermost first.
    pub ancestors: Vec<u32>,
}

/// Why locks were not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds one of them.
    #[error("`{name}` is locked by {}", holder.what)]
    Contended {
        /// The first such name.
        name: String,
        /// Who holds it.
        holder: Holder,
    },
    /// Somebody is at work whose locks are not known, because the registry is new.
    #[error("somebody is at work whose locks were removed")]
    Unknown,
    /// Reading or writing the registry failed.
    #[error("cannot lock; check the permissions and the space on the disk")]
    Io(#[from] io::Error),
}

/// A registry of locks in a folder.
#[derive(Debug)]
pub struct Locks {
    dir: PathBuf,
    warning: Mutex<Option<String>>,
    ground: Option<Ground>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    #[serde(flatten)]
    holder: Holder,
    names: BTreeMap<String, Mode>,
}

/// A [`Claim`] that is being made.
#[derive(Debug, Serialize)]
struct OwnClaim<'a> {
    #[serde(flatten)]
    holder: &'a Holder,
    names: &'a BTreeMap<&'a str, Mode>,
}

/// Somebody else's claim, and the file that is locked while it stands.
pub(super) struct Other {
    claim: Claim,
    life: File,
}

impl Other {
    /// Does it hold this lock in a way that excludes `mode`?
    pub(super) fn holds(&self, name: &str, mode: Mode) -> bool {
        self.claim.names.get(name).is_some_and(|their| mode.max(*their) == Mode::Exclusive)
    }

    /// Who it is.
    pub(super) fn holder(&self) -> &Holder {
        &self.claim.holder
    }
}

impl Locks {
    /// The registry in `dir`, which is made when it is needed.
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), warning: Mutex::new(None), ground: None }
    }

    /// The same, for what lies on that ground.
    #[must_use]
    pub fn over(self, ground: Ground) -> Self {
        Self { ground: Some(ground), ..self }
    }

    /// What to tell the user once: the file system has no locks.
    pub fn warning(&self) -> Option<String> {
        self.warning.lock().ok()?.clone()
    }

    /// Takes all of the locks or none. A name that stands twice is locked as the stronger mode says.
    ///
    /// # Errors
    /// [`LockError::Contended`] if somebody else (or another guard of this process) holds one; [`LockError::Unknown`] if
    /// somebody may.
    pub fn try_lock(&self, names: &[(String, Mode)], holder: &Holder) -> Result<Guard, LockError> {
        self.attempt(&merged(names), holder)?.map_err(|obstacle| match obstacle {
            Obstacle::Held(name, other) => LockError::Contended { name, holder: other.claim.holder },
            Obstacle::Unknown => LockError::Unknown,
        })
    }

    /// Takes all of the locks; waits, holding none of them, until they can be had.
    ///
    /// # Errors
    /// What reading or writing met.
    pub fn lock(&self, names: &[(String, Mode)], holder: &Holder) -> io::Result<Guard> {
        let names = merged(names);
        loop {
            match self.attempt(&names, holder)? {
                Ok(guard) => return Ok(guard),
                Err(Obstacle::Held(_, other)) => files::retry(|| other.life.lock_shared())?,
                Err(Obstacle::Unknown) => std::thread::yield_now(),
            }
        }
    }

    /// Who holds the lock of this name, if somebody does.
    ///
    /// # Errors
    /// What reading met.
    pub fn holder_of(&self, name: &str) -> io::Result<Option<Holder>> {
        std::fs::create_dir_all(&self.dir)?;
        let _registry = files::lock_file(&self.dir.join("registry"))?;
        let others = self.others_than(None)?;
        Ok(others.into_iter().find(|other| other.claim.names.contains_key(name)).map(|other| other.claim.holder))
    }

    fn attempt(&self, names: &BTreeMap<&str, Mode>, holder: &Holder) -> io::Result<Result<Guard, Obstacle>> {
        if names.is_empty() {
            return Ok(Ok(Guard::default()));
        }
        let mut tries = 100;
        loop {
            match self.attempt_once(names, holder) {
                // The folder was removed in between; whoever does that does not do so for ever.
                Err(e) if e.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
                attempted => return attempted,
            }
        }
    }

    fn attempt_once(&self, names: &BTreeMap<&str, Mode>, holder: &Holder) -> io::Result<Result<Guard, Obstacle>> {
        let entry = match self.enter(holder)? {
            Entered::At(entry) => entry,
            Entered::Unlocked => return Ok(Ok(self.unlocked())),
            Entered::Unknown => return Ok(Err(Obstacle::Unknown)),
        };
        for other in self.others_than(None)? {
            if let Some(name) = conflict(names, &other.claim.names) {
                return Ok(Err(Obstacle::Held(name, other)));
            }
        }
        let mut guard = self.claim(&OwnClaim { holder, names })?;
        if let Some(ground) = &self.ground {
            ground.take(alone(names.iter()));
        }
        entry.registry.unlock()?;
        guard.entry = Some(entry);
        Ok(Ok(guard))
    }

    /// Waits for the registry's own lock. It is made if it is not there, by somebody who is alone on the ground.
    fn enter(&self, holder: &Holder) -> io::Result<Entered> {
        let path = self.dir.join("registry");
        let ground = match self.ground.as_ref().map(Ground::set_foot) {
            None => None,
            Some(Foot::Set(ground)) => ground,
            Some(Foot::Shut) => return Ok(Entered::Unknown),
        };
        let at = |registry: Option<File>, ground, alone| match registry {
            Some(registry) => Entered::At(Entry { registry, path: path.clone(), _ground: ground, alone }),
            None => Entered::Unlocked,
        };
        match files::lock_existing(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            locked => return Ok(at(locked?, ground, true)),
        }
        let alone = ground.as_ref().map_or(Ok(true), ground::is_alone)?;
        // Those whose run this one is part of wait for it.
        if !alone && holder.ancestors.is_empty() {
            return Ok(Entered::Unknown);
        }
        let made = std::fs::create_dir_all(&self.dir).and_then(|()| files::lock_file(&path));
        if let Some(file) = ground.as_ref().filter(|_| alone) {
            files::retry(|| file.lock_shared())?;
        }
        Ok(at(made?, ground, alone))
    }

    /// A claim to no name yet. The registry must be locked.
    pub(super) fn claim_nothing(&self, holder: &Holder) -> io::Result<Guard> {
        self.claim(&OwnClaim { holder, names: &BTreeMap::new() })
    }

    fn claim(&self, claim: &OwnClaim<'_>) -> io::Result<Guard> {
        let stem = format!("{}-{:016x}", claim.holder.pid, files::random());
        let [life, text] = ["life", "json"].map(|extension| self.dir.join(format!("{stem}.{extension}")));
        let mut guard = Guard { life: None, paths: vec![life.clone(), text.clone()], entry: None };
        let file = files::create_new(&life, false)?;
        match file.try_lock() {
            Ok(()) => guard.life = Some(file),
            Err(TryLockError::Error(e)) if files::is_unsupported(&e) => return Ok(self.unlocked()),
            Err(e) => return Err(e.into()),
        }
        own::write(&text, &serde_json::to_vec(claim)?)?;
        Ok(guard)
    }

    fn unlocked(&self) -> Guard {
        if let Ok(mut warning) = self.warning.lock() {
            *warning = Some(format!(
                "the file system of `{}` has no locks: let no two runs work on the same outputs at once",
                self.dir.display()
            ));
        }
        Guard::default()
    }

    /// The claims of those that live, but for one's own, sorted by file name. What the dead left is removed. The registry
    /// must be locked: looking whether somebody lives takes his lock for a moment.
    pub(super) fn others_than(&self, own: Option<&Guard>) -> io::Result<Vec<Other>> {
        let mut lives: Vec<_> = files::list(&self.dir)?.into_iter().map(|entry| entry.path()).collect();
        lives.retain(|path| path.extension().is_some_and(|extension| extension == "life"));
        lives.sort();
        let mut others = Vec::new();
        for path in lives.into_iter().filter(|path| own.is_none_or(|own| own.paths.first() != Some(path))) {
            let text = path.with_extension("json");
            let life = match open_regular(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            match life.try_lock_shared() {
                Err(TryLockError::WouldBlock) => {}
                Ok(()) => {
                    self.bury(&text);
                    remove(&[path, text]);
                    continue;
                }
                Err(TryLockError::Error(e)) if files::is_unsupported(&e) => continue,
                Err(TryLockError::Error(e)) => return Err(e),
            }
            match own::read(&text) {
                Ok(text) => others.extend(read(&text).map(|claim| Other { claim, life })),
                // It is about to end.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(others)
    }

    fn bury(&self, claim: &Path) {
        let Some(ground) = &self.ground else { return };
        let claim = own::read(claim).ok().and_then(|text| read(&text));
        ground.bury(claim.as_ref().map(|claim| alone(claim.names.iter())));
    }
}

/// The names that are locked alone.
fn alone<'n, N: AsRef<str> + 'n>(names: impl Iterator<Item = (&'n N, &'n Mode)>) -> impl Iterator<Item = &'n str> {
    names.filter(|(_, mode)| **mode == Mode::Exclusive).map(|(name, _)| name.as_ref())
}

/// A claim as it is written: all at once, or with a line for each name that came (`+`) or went (`-`) later.
fn read(text: &[u8]) -> Option<Claim> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut claim: Claim = serde_json::from_slice(lines.next()?).ok()?;
    for line in lines {
        match std::str::from_utf8(line).ok()?.split_at_checked(1) {
            Some(("+", name)) => drop(claim.names.insert(name.to_owned(), Mode::Exclusive)),
            Some(("-", name)) => drop(claim.names.remove(name)),
            _ => {}
        }
    }
    Some(claim)
}

/// Why there is no guard.
enum Obstacle {
    Held(String, Other),
    Unknown,
}

/// Who stands where the registry is.
enum Entered {
    /// With the registry locked.
    At(Entry),
    /// There are no locks here.
    Unlocked,
    /// See [`LockError::Unknown`].
    Unknown,
}

/// The registry that somebody's claim stands in.
#[derive(Debug)]
struct Entry {
    registry: File,
    path: PathBuf,
    /// Keeps the shared lock on the ground.
    _ground: Option<File>,
    /// Was it made by somebody who was alone, if it was made now?
    alone: bool,
}

/// Holds locks until it is dropped.
#[derive(Debug, Default)]
#[must_use = "the locks are held only as long as this lives"]
pub struct Guard {
    life: Option<File>,
    paths: Vec<PathBuf>,
    entry: Option<Entry>,
}

impl Guard {
    /// Do the locks still keep others away? Not if the registry was removed: others may have entered while that went on.
    pub fn stands(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.alone && files::is_at(&entry.registry, &entry.path))
    }

    /// Where the claim is written; `None` where there are no locks.
    pub(super) fn text(&self) -> Option<&Path> {
        self.paths.get(1).map(PathBuf::as_path)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        remove(&self.paths);
        self.life = None;
        // Only now may others make a new registry.
        self.entry = None;
    }
}

/// The locks for what lies at `paths`: alone on each, shared on the folders above it, so that `dist` and
/// `dist/app.js` exclude one another and siblings do not. Sorted.
pub fn place_locks(paths: &[RelPath]) -> Vec<(String, Mode)> {
    let mut above: HashSet<&[u8]> = HashSet::new();
    for path in paths {
        let bytes = path.as_bytes();
        let ends = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([0]) {
            // Above what is known already all is known.
            if !above.insert(&bytes[..end]) {
                break;
            }
        }
    }
    let mut names: BTreeMap<String, Mode> = above.into_iter().map(|path| (shown(path), Mode::Shared)).collect();
    names.extend(paths.iter().map(|path| (path.to_string(), Mode::Exclusive)));
    names.into_iter().collect()
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { escape(path) }
}

fn merged(names: &[(String, Mode)]) -> BTreeMap<&str, Mode> {
    let mut merged = BTreeMap::new();
    for (name, mode) in names {
        let known = merged.entry(&**name).or_insert(*mode);
        *known = (*known).max(*mode);
    }
    merged
}

fn conflict(mine: &BTreeMap<&str, Mode>, theirs: &BTreeMap<String, Mode>) -> Option<String> {
    let clashes =
        |(name, mode): &(&&str, &Mode)| theirs.get(**name).is_some_and(|their| (**mode).max(*their) == Mode::Exclusive);
    mine.iter().find(clashes).map(|(name, _)| (*name).to_owned())
}

fn remove(paths: &[PathBuf]) {
    for path in paths {
        let _ = std::fs::remove_file(Path::new(path));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn who(pid: u32) -> Holder {
        Holder { pid, what: format!("run {pid}"), ancestors: vec![1] }
    }

    fn names(names: &[(&str, Mode)]) -> Vec<(String, Mode)> {
        names.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect()
    }

    fn contended(locks: &Locks, wanted: &[(String, Mode)]) -> Option<(String, Holder)> {
        match locks.try_lock(wanted, &who(99)) {
            Ok(_) => None,
            Err(LockError::Contended { name, holder }) => Some((name, holder)),
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn f_21_locks_exclude_and_say_who_holds_them() {
        use Mode::{Exclusive, Shared};
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Locks::open(dir.path().join("l")), Locks::open(dir.path().join("l")));
        let guard = a.try_lock(&names(&[("x", Exclusive), ("y", Shared), ("x", Shared)]), &who(7)).unwrap();
        for locks in [&a, &b] {
            assert_eq!(contended(locks, &names(&[("a", Exclusive), ("x", Shared)])), Some(("x".to_owned(), who(7))));
            assert_eq!(contended(locks, &names(&[("y", Exclusive)])), Some(("y".to_owned(), who(7))));
            assert_eq!(contended(locks, &names(&[("y", Shared), ("z", Exclusive)])), None);
            assert_eq!(contended(locks, &[]), None);
            assert_eq!(locks.holder_of("x").unwrap(), Some(who(7)));
            assert_eq!(locks.holder_of("z").unwrap(), None);
        }
        drop(guard);
        assert_eq!(contended(&b, &names(&[("x", Exclusive)])), None);
        assert_eq!(b.holder_of("x").unwrap(), None);
        let left: Vec<_> = std::fs::read_dir(dir.path().join("l")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["registry"], "guards take their files along");
    }

    #[test]
    fn f1_what_the_dead_held_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::open(dir.path());
        let held = names(&[("x", Mode::Exclusive)]);
        let guard = locks.try_lock(&held, &who(7)).unwrap();
        let copies: Vec<_> = guard.paths.iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        drop(guard);
        for (path, bytes) in &copies {
            std::fs::write(path, bytes).unwrap();
        }
        assert_eq!(locks.holder_of("x").unwrap(), None);
        assert!(copies.iter().all(|(path, _)| !path.exists()), "and removed");
        assert_eq!(contended(&locks, &held), None);
    }

    #[test]
    fn f1_what_the_dead_had_alone_is_seen_to_before_others_can_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let bury = |folder: &Path, name: &str| std::fs::write(folder.join(format!("buried-{name}")), "").unwrap();
        let locks = Locks::open(dir.path().join("l")).over(Ground::new(dir.path(), bury));
        let held = names(&[("x", Mode::Exclusive), ("above", Mode::Shared)]);
        let guard = locks.try_lock(&held, &who(7)).unwrap();
        let copies: Vec<_> = guard.paths.iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        assert_eq!(contended(&locks, &names(&[("y", Mode::Exclusive)])), None);
        drop(guard);
        let buried = |name: &str| dir.path().join(format!("buried-{name}")).exists();
        assert!(!buried("x"), "neither the living nor those that ended are");
        for (path, bytes) in &copies {
            std::fs::write(path, bytes).unwrap();
        }
        assert_eq!(contended(&locks, &names(&[("y", Mode::Exclusive)])), None, "whatever it is that is wanted");
        assert_eq!((buried("x"), buried("above")), (true, false));
    }

    #[test]
    fn f9_whoever_waits_gets_the_lock_and_nobody_deadlocks() {
        let dir = tempfile::tempdir().unwrap();
        let inside = [const { AtomicU32::new(0) }; 3];
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let (dir, inside) = (&dir, &inside);
                scope.spawn(move || {
                    let locks = Locks::open(dir.path());
                    for round in 0..25 {
                        // In every order, so that taking them one by one would deadlock.
                        let mine = [(thread + round) % 3, (thread + round * 2 + 1) % 3];
                        let wanted: Vec<_> = mine.iter().map(|n| (n.to_string(), Mode::Exclusive)).collect();
                        let _guard = locks.lock(&wanted, &who(thread as u32)).unwrap();
                        let mut mine = mine.to_vec();
                        mine.dedup();
                        for n in &mine {
                            assert_eq!(inside[*n].fetch_add(1, Ordering::SeqCst), 0, "two in {n}");
                        }
                        for n in &mine {
                            inside[*n].fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn f9_places_exclude_what_lies_above_and_below() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::open(dir.path());
        let places = |paths: &[&str]| place_locks(&paths.iter().map(|p| RelPath::new(p).unwrap()).collect::<Vec<_>>());
        assert_eq!(
            places(&["dist/app.js", "dist"]),
            names(&[(".", Mode::Shared), ("dist", Mode::Exclusive), ("dist/app.js", Mode::Exclusive)])
        );
        let _guard = locks.try_lock(&places(&["a/dist/app.js"]), &who(1)).unwrap();
        for (path, free) in [
            ("a/dist", false),
            ("a", false),
            ("a/dist/app.js", false),
            ("a/dist/app.js/x", false),
            ("a/dist/b", true),
            ("b", true),
        ] {
            assert_eq!(contended(&locks, &places(&[path])).is_none(), free, "{path}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let locks = Locks::open(dir.path().join("file/l"));
        assert!(matches!(locks.try_lock(&names(&[("x", Mode::Shared)]), &who(1)), Err(LockError::Io(_))));
    }
}
