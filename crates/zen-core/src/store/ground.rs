//! What lies under the locks: the folder that all the locked things are in. It shows what a registry of locks cannot, that somebody is
//! at work whose claims were removed, as `rm -rf target` does. Knows not what is locked.
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// So many times the ground may be shut.
const SHUT: u32 = 40;

/// A folder that outlives the registry of locks on what is in it. Whoever holds such a lock shows by a shared lock on the
/// folder that he is at work, and a new registry is made by nobody but him who is alone here: so what was locked in a
/// registry that is gone stays locked.
#[derive(Debug)]
pub struct Ground {
    folder: PathBuf,
    bury: fn(&Path, &str),
    /// How often it was somebody else's alone.
    shut: AtomicU32,
    /// Somebody died of whom nobody can say what he had.
    is_unknown: AtomicBool,
}

/// A foot on the ground; without a file where that shows nothing.
#[derive(Debug)]
pub(super) enum Foot {
    Set(Option<File>),
    /// Try again.
    Shut,
}

impl Ground {
    /// The ground `folder`. `bury` is what is to be done about a name that a holder had locked alone when it died, before
    /// anybody else can lock it: it is given the folder and the name.
    pub fn new(folder: &Path, bury: fn(&Path, &str)) -> Self {
        Self { folder: folder.to_owned(), bury, shut: AtomicU32::new(0), is_unknown: AtomicBool::new(false) }
    }

    /// Sees to what somebody who died had alone; without names, to whatever the next one takes.
    pub(super) fn bury<'n>(&self, names: Option<impl Iterator<Item = &'n str>>) {
        match names {
            Some(names) => names.for_each(|name| (self.bury)(&self.folder, name)),
            None => self.is_unknown.store(true, Ordering::Relaxed),
        }
    }

    /// Sees to what was just taken, if it may have been somebody's who died.
    pub(super) fn take<'n>(&self, names: impl Iterator<Item = &'n str>) {
        if self.is_unknown.load(Ordering::Relaxed) {
            self.bury(Some(names));
        }
    }

    /// Shows others that somebody is at work, as long as the file is open.
    pub(super) fn set_foot(&self) -> Foot {
        let Ok(file) = File::open(&self.folder) else { return Foot::Set(None) };
        match file.try_lock_shared() {
            Ok(()) => Foot::Set(Some(file)),
            // Of those who lock here, nobody has it alone for longer than a moment: then it is somebody's who locks the
            // folder for reasons of his own.
            Err(TryLockError::WouldBlock) if self.shut.fetch_add(1, Ordering::Relaxed) < SHUT => Foot::Shut,
            // Folders cannot be locked everywhere.
            Err(_) => Foot::Set(None),
        }
    }
}

/// Takes the lock alone, instead of the shared one that it has and may lose.
pub(super) fn is_alone(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lock::{Holder, LockError, Locks, Mode};
    use super::*;

    #[test]
    fn f2_of_one_whose_claim_is_torn_all_that_the_next_one_takes_is_seen_to() {
        let dir = tempfile::tempdir().unwrap();
        let bury = |folder: &Path, name: &str| std::fs::write(folder.join(format!("buried-{name}")), "").unwrap();
        let locks = Locks::open(dir.path().join("l")).over(Ground::new(dir.path(), bury));
        let wanted = names(&[("x", Mode::Exclusive), ("above", Mode::Shared)]);
        let buried = |name: &str| dir.path().join(format!("buried-{name}")).exists();
        drop(locks.try_lock(&wanted, &who(7)).unwrap());
        assert!(!buried("x"));
        std::fs::write(dir.path().join("l/7-0.life"), "").unwrap();
        std::fs::write(dir.path().join("l/7-0.json"), "").unwrap();
        let _guard = locks.try_lock(&wanted, &who(8)).unwrap();
        assert_eq!((buried("x"), buried("above")), (true, false));
    }

    fn who(pid: u32) -> Holder {
        Holder { pid, what: format!("run {pid}"), ancestors: Vec::new() }
    }

    fn names(names: &[(&str, Mode)]) -> Vec<(String, Mode)> {
        names.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect()
    }

    #[test]
    fn f11_what_was_locked_in_a_registry_that_is_gone_stays_locked() {
        let dir = tempfile::tempdir().unwrap();
        let locks = || Locks::open(dir.path().join("l")).over(Ground::new(dir.path(), |_, _| {}));
        let alone = |name: &str| names(&[(name, Mode::Exclusive)]);
        let first = locks().try_lock(&alone("x"), &who(7)).unwrap();
        let second = locks().try_lock(&alone("y"), &who(8)).unwrap();
        assert!(first.stands() && second.stands(), "the registry says who excludes whom");
        std::fs::remove_dir_all(dir.path().join("l")).unwrap();
        assert!(!first.stands() && !second.stands());
        let unknown = |holder: &Holder| matches!(locks().try_lock(&alone("x"), holder), Err(LockError::Unknown));
        assert!(unknown(&who(9)), "nobody knows any more what the others have");
        drop(first);
        assert!(unknown(&who(9)));
        drop(second);
        let third = locks().try_lock(&alone("x"), &who(9)).unwrap();
        assert!(third.stands());
        assert!(matches!(locks().try_lock(&alone("x"), &who(10)), Err(LockError::Contended { .. })));

        std::fs::remove_dir_all(dir.path().join("l")).unwrap();
        let nested = Holder { ancestors: vec![9], ..who(11) };
        let inner = locks().try_lock(&alone("x"), &nested).unwrap();
        assert!(!inner.stands(), "who is part of another's run does not wait for it, and can be sure of nothing");
    }

    #[test]
    fn a_folder_that_somebody_locks_for_reasons_of_his_own_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground::new(dir.path(), |_, _| {});
        let locks = Locks::open(dir.path().join("l")).over(ground);
        let stranger = File::open(dir.path()).unwrap();
        stranger.lock().unwrap();
        let _guard = locks.lock(&names(&[("x", Mode::Exclusive)]), &who(7)).unwrap();
    }
}
