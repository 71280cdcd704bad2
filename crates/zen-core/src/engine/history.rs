//! What ran when: one file for each run, written once at its end. Knows no store; losing it costs the past alone.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::artifact::{Key, Production, RunId, Timestamp};
use crate::digest::Digest;
use crate::scan::own;

/// No run has such a number, nor a larger one: whoever says so says nothing.
const LAST: u64 = 1 << 53;

/// The first byte of a run's file: the version of what follows.
const VERSION: u8 = 2;
/// Runs that are kept.
const KEPT: u64 = 1000;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// Its number.
    pub id: RunId,
    /// When it began.
    pub started: Timestamp,
    /// What it took.
    pub duration_ms: u64,
    /// What was asked for, for people.
    pub request: String,
    /// Did nothing fail?
    pub success: bool,
    /// What was checked out when it began: git is asked then, while the first steps begin. `None` if it ran nothing, or if
    /// git did not say in time.
    pub checkout: Option<Checkout>,
    /// The workspace's own compiler, as it calls itself in one line.
    pub toolchain: Option<String>,
    /// Its steps, in topological order.
    pub steps: Vec<StepEntry>,
}

impl RunEntry {
    /// When it ended.
    pub fn ended(&self) -> Timestamp {
        Timestamp(self.started.0.saturating_add(i64::try_from(self.duration_ms).unwrap_or(i64::MAX)))
    }

    /// The time that was saved because steps were cached, in milliseconds.
    pub fn saved_ms(&self) -> u64 {
        self.steps.iter().fold(0, |sum, step| sum.saturating_add(step.saved_ms))
    }
}

/// A state of the workspace, as git knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The commit, in hex.
    pub commit: String,
    /// Did files that git tracks differ from it?
    pub dirty: bool,
}

/// That a step comes after another of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// The other's place in the run's steps.
    pub step: u32,
    /// Why.
    pub tie: Tie,
}

/// Why one step comes after another; the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tie {
    /// It reads an artifact of it.
    Reads,
    /// `after`, `depends`.
    After,
    /// It reads paths that the other writes, and no table says so.
    Overlap,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEntry {
    /// `pipeline/step`
    pub step: String,
    /// `fresh`, `restored`, `ran`, `failed` or `skipped`.
    pub outcome: StepOutcome,
    /// Its key, if it had one.
    pub key: Option<Key>,
    /// What it left: made by it, or reused. `None` if it left nothing.
    pub production: Option<Production>,
    /// The run that made what was reused.
    pub reused: Option<RunId>,
    /// Why it ran, in words.
    pub why: Vec<String>,
    /// When its command began, in milliseconds since the run did; `None` if none was started.
    pub began_ms: Option<u64>,
    /// What it took in this run.
    pub duration_ms: u64,
    /// What the reused production had taken: time that was saved.
    pub saved_ms: u64,
    /// The exit code of its command.
    pub exit_code: Option<i32>,
    /// The object that holds its captured output; of the reused production if it was cached.
    pub log: Option<Digest>,
    /// What went wrong, in one line, or why it was skipped.
    pub failure: Option<String>,
    /// What it measured, if it ran: by output and path in it.
    pub metrics: BTreeMap<String, f64>,
    /// The steps of this run that it came after.
    pub upstream: Vec<Upstream>,
}

/// An outcome, as history keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepOutcome {
    /// See [`Outcome`](crate::event::Outcome).
    Fresh,
    /// See [`Outcome`](crate::event::Outcome).
    Restored,
    /// See [`Outcome`](crate::event::Outcome).
    Ran,
    /// See [`Outcome`](crate::event::Outcome).
    Failed,
    /// See [`Outcome`](crate::event::Outcome).
    Skipped,
}

/// The runs of this workspace.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// The runs below `folder`, which need not exist.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Takes the next number. Two runs at once take two: whoever makes the file has it.
    ///
    /// # Errors
    /// What making the file met.
    pub fn begin(&self) -> io::Result<RunId> {
        fs::create_dir_all(&self.folder)?;
        let hint: Option<u64> = own::read(&self.folder.join("last"))
            .ok()
            .and_then(|text| str::from_utf8(&text).ok()?.trim().parse().ok())
            .filter(|last| *last < LAST);
        let mut id = match hint {
            Some(last) => last + 1,
            None => self.ids()?.last().map_or(1, |last| last + 1),
        };
        loop {
            match OpenOptions::new().write(true).create_new(true).open(self.file(RunId(id))) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => id += 1,
                Err(error) => return Err(error),
            }
        }
        // Only a hint: the loop above finds the right number from any smaller one.
        own::write(&self.folder.join("last"), id.to_string().as_bytes())?;
        if id % 64 == 0 {
            self.prune(id)?;
        }
        Ok(RunId(id))
    }

    /// Writes the entry of a run that has begun.
    ///
    /// # Errors
    /// What writing met.
    pub fn finish(&self, entry: &RunEntry) -> io::Result<()> {
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(entry).map_err(io::Error::other)?);
        // The zen folder may have been removed since.
        fs::create_dir_all(&self.folder)?;
        let file = tempfile::NamedTempFile::new_in(&self.folder)?;
        io::Write::write_all(&mut file.as_file(), &bytes)?;
        file.persist(self.file(entry.id)).map_err(|error| error.error)?;
        Ok(())
    }

    /// The entry of a run; `None` if there is none, if it did not end, or if another version wrote it.
    pub fn read(&self, id: RunId) -> Option<RunEntry> {
        match &*own::read(&self.file(id)).ok()? {
            [VERSION, body @ ..] => postcard::from_bytes(body).ok(),
            _ => None,
        }
    }

    /// The run that `12`, `last` or `last~2` (two before the last) names; `None` if there is none, or no such name. Of revisions
    /// [`Project::find_run`](super::Project::find_run) knows.
    ///
    /// # Errors
    /// What listing met.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<RunEntry>> {
        if let Ok(number) = name.parse() {
            return Ok(self.read(RunId(number)));
        }
        let back = match name.strip_prefix("last") {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix('~').and_then(|back| back.parse().ok()),
            None => None,
        };
        match back {
            Some(back) => Ok(self.newest_first()?.nth(back)),
            None => Ok(None),
        }
    }

    /// All runs that ended, newest first.
    ///
    /// # Errors
    /// What listing met.
    pub fn newest_first(&self) -> io::Result<impl Iterator<Item = RunEntry> + use<'_>> {
        Ok(self.ids()?.into_iter().rev().filter_map(|id| self.read(RunId(id))))
    }

    fn prune(&self, last: u64) -> io::Result<()> {
        for id in self.ids()?.into_iter().filter(|id| id + KEPT <= last) {
            fs::remove_file(self.file(RunId(id)))?;
        }
        Ok(())
    }

    fn ids(&self) -> io::Result<Vec<u64>> {
        let listing = match fs::read_dir(&self.folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut ids: Vec<u64> = Vec::new();
        for entry in listing {
            let name = entry?.file_name();
            ids.extend(
                name.to_str().and_then(|name| name.strip_prefix("run-")?.parse::<u64>().ok()).filter(|id| *id < LAST),
            );
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn file(&self, id: RunId) -> PathBuf {
        self.folder.join(format!("run-{id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: RunId) -> RunEntry {
        RunEntry {
            id,
            started: Timestamp(1),
            duration_ms: 2,
            request: "run".into(),
            success: true,
            checkout: None,
            toolchain: None,
            steps: Vec::new(),
        }
    }

    #[test]
    fn numbers_go_up_and_entries_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(&folder.path().join("runs"));
        assert_eq!(history.begin().unwrap(), RunId(1));
        assert_eq!(history.begin().unwrap(), RunId(2));
        history.finish(&entry(RunId(2))).unwrap();
        assert_eq!(history.read(RunId(2)), Some(entry(RunId(2))));
        assert_eq!(history.read(RunId(1)), None, "it did not end");
        fs::remove_file(folder.path().join("runs/last")).unwrap();
        assert_eq!(history.begin().unwrap(), RunId(3), "the hint is only a hint");
        assert_eq!(history.newest_first().unwrap().count(), 1);
        let found = |name| history.find(name).unwrap().map(|run| run.id.0);
        assert_eq!(["2", "last", "last~0"].map(found), [Some(2); 3]);
        assert_eq!(["1", "last~1", "last~x", "lasted", "HEAD"].map(found), [None; 5]);
    }

    #[test]
    fn a_foreign_or_torn_file_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        let id = history.begin().unwrap();
        history.finish(&entry(id)).unwrap();
        let bytes = fs::read(history.file(id)).unwrap();
        fs::write(history.file(id), &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(history.read(id), None);
        fs::write(history.file(id), [&[9], &bytes[1..]].concat()).unwrap();
        assert_eq!(history.read(id), None);
    }
}
