//! Locks that one process takes one after the other, thousands of them: a line for each in one file, in the registry of
//! [`Locks`]. To make and remove two files for each would cost more than all else that a short step needs.
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::files;
use super::lock::{Guard, Holder, LockError, Locks, Mode};
use crate::scan::clock;
use crate::scan::own;
use crate::scan::stamp::Stamp;

/// The locks of one process, taken alone.
#[derive(Debug)]
pub struct Series {
    locks: Locks,
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    registry: Option<File>,
    own: Option<Own>,
    /// The folder's stamp when nobody else was in it.
    alone_at: Option<Stamp>,
}

#[derive(Debug)]
struct Own {
    /// Keeps the claim alive, and takes it away in the end.
    _guard: Guard,
    text: Arc<File>,
}

/// Holds one lock until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is held only as long as this lives"]
pub struct Held {
    name: String,
    /// Nothing where there are no locks.
    text: Option<Arc<File>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(text) = &self.text {
            // If this cannot be written, the lock is free when the process ends.
            let _ = (&**text).write_all(format!("-{}\n", self.name).as_bytes());
        }
    }
}

impl Series {
    /// In the registry in `dir`, which is made when it is needed.
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self { locks: Locks::open(&dir), dir, state: Mutex::default() }
    }

    /// Takes one lock. `holder` is the same each time; that it has this lock already is for the caller to know.
    ///
    /// # Errors
    /// [`LockError::Contended`] if somebody else holds it; what reading or writing met.
    pub fn try_lock(&self, name: &str, holder: &Holder) -> Result<Held, LockError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.lock_registry(&mut state)? {
            return Ok(Held { name: name.to_owned(), text: None });
        }
        let held = self.add(&mut state, name, holder);
        if let Some(registry) = &state.registry {
            registry.unlock()?;
        }
        held
    }

    fn add(&self, state: &mut State, name: &str, holder: &Holder) -> Result<Held, LockError> {
        let now = Stamp::of(&self.dir.symlink_metadata()?);
        if state.alone_at != Some(now) || state.own.is_none() {
            let looked = clock::now();
            let own = state.own.as_ref().map(|own| &own._guard);
            let others = self.locks.others_than(own)?;
            if let Some(other) = others.iter().find(|other| other.holds(name, Mode::Exclusive)) {
                return Err(LockError::Contended { name: name.to_owned(), holder: other.holder().clone() });
            }
            if state.own.is_none() {
                state.own = self.claim(holder)?;
            } else {
                // Who came within the same tick of the clock would not be seen by the stamp.
                state.alone_at = (others.is_empty() && now.newest() < looked - clock::TICK).then_some(now);
            }
        }
        let Some(own) = &state.own else { return Ok(Held { name: name.to_owned(), text: None }) };
        (&*own.text).write_all(format!("+{name}\n").as_bytes())?;
        Ok(Held { name: name.to_owned(), text: Some(Arc::clone(&own.text)) })
    }

    /// Waits for the registry's own lock. Gives whether there is such a thing here.
    fn lock_registry(&self, state: &mut State) -> io::Result<bool> {
        let path = self.dir.join("registry");
        if let Some(registry) = &state.registry {
            files::retry(|| registry.lock())?;
            if files::is_at(registry, &path) {
                return Ok(true);
            }
        }
        // The folder is new, or was cleared meanwhile, and our claim with it.
        *state = State::default();
        std::fs::create_dir_all(&self.dir)?;
        state.registry = files::lock_file(&path)?;
        Ok(state.registry.is_some())
    }

    fn claim(&self, holder: &Holder) -> io::Result<Option<Own>> {
        let guard = self.locks.claim_nothing(holder)?;
        let Some(path) = guard.text() else { return Ok(None) };
        let text = append(path)?;
        (&text).write_all(b"\n")?;
        Ok(Some(Own { text: Arc::new(text), _guard: guard }))
    }
}

fn append(path: &Path) -> io::Result<File> {
    own::append(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(pid: u32) -> Holder {
        Holder { pid, what: format!("run {pid}"), ancestors: Vec::new() }
    }

    fn holder_of(series: &Series, name: &str) -> Option<u32> {
        match series.try_lock(name, &who(9)) {
            Ok(_) => None,
            Err(LockError::Contended { holder, .. }) => Some(holder.pid),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn f_21_each_lock_of_a_series_excludes_others_as_long_as_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = [(); 2].map(|()| Series::open(dir.path().join("l")));
        let x = a.try_lock("x", &who(1)).unwrap();
        let y = a.try_lock("y", &who(1)).unwrap();
        assert_eq!(["x", "y", "z"].map(|name| holder_of(&b, name)), [Some(1), Some(1), None]);
        drop(x);
        assert_eq!(["x", "y"].map(|name| holder_of(&b, name)), [None, Some(1)]);
        let z = b.try_lock("z", &who(9)).unwrap();
        assert_eq!(holder_of(&a, "z"), Some(9), "who came later is seen as well");
        drop((y, z));
        assert_eq!(["x", "y", "z"].map(|name| holder_of(&a, name)), [None; 3]);
        drop(a);
        assert_eq!(holder_of(&b, "x"), None);
        drop(b);
        assert_eq!(std::fs::read_dir(dir.path().join("l")).unwrap().count(), 1, "the registry alone is left");
    }

    #[test]
    fn f_21_many_in_turn_never_have_one_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let holders = Mutex::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (dir, holders) = (dir.path().join("l"), &holders);
                scope.spawn(move || {
                    let series = Series::open(dir);
                    for _ in 0..200 {
                        let Ok(held) = series.try_lock("x", &who(thread)) else { continue };
                        {
                            let mut count = holders.lock().unwrap();
                            *count += 1;
                            assert_eq!(*count, 1, "two had the lock");
                        }
                        *holders.lock().unwrap() -= 1;
                        drop(held);
                    }
                });
            }
        });
    }

    #[test]
    fn a_registry_that_was_cleared_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = [(); 2].map(|()| Series::open(dir.path().join("l")));
        let _x = a.try_lock("x", &who(1)).unwrap();
        std::fs::remove_dir_all(dir.path().join("l")).unwrap();
        let _y = a.try_lock("y", &who(1)).unwrap();
        assert_eq!(holder_of(&b, "y"), Some(1));
    }
}
