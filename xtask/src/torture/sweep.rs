//! What all sweeps share: how long they are, stages for several threads, and what was found. Knows no sweep.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::stage::{self, Stage};

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// For each push.
    Short,
    /// What `docs/reliability.md` has the figures of.
    Long,
}

impl Length {
    /// A number for each length.
    pub(crate) fn of<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// What a sweep works with.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) program: PathBuf,
    /// A folder of its own.
    pub(crate) folder: PathBuf,
    /// Where what went wrong is kept to be looked at.
    pub(crate) keep: PathBuf,
    pub(crate) length: Length,
    pub(crate) seed: u64,
}

/// What a sweep found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// How often something was disturbed and looked at.
    pub(crate) points: usize,
    /// What did not hold.
    pub(crate) wrong: Vec<String>,
    /// What else is worth a line.
    pub(crate) notes: Vec<String>,
}

impl Found {
    /// Adds what another part found.
    pub(crate) fn take(&mut self, other: Self) {
        self.points += other.points;
        self.wrong.extend(other.wrong);
        self.notes.extend(other.notes);
    }

    /// Adds a note.
    pub(crate) fn say(&mut self, note: String) {
        self.notes.push(note);
    }
}

/// What the threads of a sweep have found so far.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    keep: &'a Path,
    found: Mutex<Found>,
}

impl Progress<'_> {
    /// Counts a point, and what does not hold there; the stage is kept then, as it stands.
    ///
    /// # Errors
    /// What the disk says when the stage is kept.
    pub(crate) fn check(&self, stage: &Stage, what: &str, holds: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let held = holds();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.points += 1;
        let Err(error) = held else { return Ok(()) };
        let kept = self.keep.join(format!("{}", found.wrong.len()));
        let message = format!("{what}: {error}\n  the workspace is kept in {}", kept.display());
        eprintln!("wrong: {message}");
        found.wrong.push(message);
        fs::create_dir_all(self.keep)?;
        stage::remove(&kept)?;
        stage::copy(&stage.root, &kept)
    }
}

/// What came of each item, and what was found on the way.
#[derive(Debug)]
pub(crate) struct Done<T> {
    pub(crate) results: Vec<T>,
    pub(crate) found: Found,
}

impl Sweep {
    /// The stage of the nth thread.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn stage(&self, nth: usize) -> io::Result<Stage> {
        Stage::new(&self.folder.join(nth.to_string()), &self.program)
    }

    /// Where strace writes for the nth thread.
    pub(crate) fn trace(&self, nth: usize) -> PathBuf {
        self.folder.join(format!("trace-{nth}"))
    }

    /// Does something with each item, on as many stages as there are processors.
    ///
    /// # Errors
    /// The first error that is none of the product's.
    pub(crate) fn on_all_stages<I: Sync, T: Send>(
        &self,
        items: &[I],
        deed: impl Fn(usize, &Stage, &I, &Progress) -> io::Result<T> + Sync,
    ) -> io::Result<Done<T>> {
        let progress = Progress { keep: &self.keep, found: Mutex::default() };
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let threads = thread::available_parallelism().map_or(2, usize::from).min(items.len());
        let work = |nth: usize| -> io::Result<()> {
            let stage = self.stage(nth)?;
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = deed(nth, &stage, item, &progress)?;
                results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            }
            Ok(())
        };
        thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..threads).map(|nth| scope.spawn(move || work(nth))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
        })?;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Done { results, found: progress.found.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }
}
