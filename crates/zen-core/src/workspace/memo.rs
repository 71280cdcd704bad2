//! What a slow program answered, kept in a file together with all that the answer depends on. Knows neither cargo nor
//! rustc.
//!
//! A stat is trusted under git's racy rule alone; where it is not, content decides. Losing a memo costs one call.

#![expect(clippy::disallowed_methods, reason = "an edge: states files and reads the clock for the racy rule")]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::environment::Environment;
use crate::digest::{Digest, FieldHasher};
use crate::scan::{cores, own};

/// From so many dependencies on, a second thread is worth its start.
const MANY: usize = 1_000;

/// Something that an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Subject {
    /// A file's content, or its absence. Symlinks are followed.
    File(PathBuf),
    /// A program: too big to be hashed, so its stat alone.
    Program(PathBuf),
    /// Whether there is anything at this path.
    Presence(PathBuf),
    /// The names in a folder, which of them are folders, and which of those hold a file called `marker`.
    Listing {
        /// The folder.
        dir: PathBuf,
        /// `Cargo.toml`, `main.rs`
        marker: String,
    },
    /// An environment variable, or with a `*` at its end all that start so.
    Env(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Absent,
    Present,
    Content { stat: Stat, settled: bool, digest: Digest },
    Stat(Stat),
    Digest(Digest),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stat {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Dep {
    subject: Subject,
    state: State,
}

/// An answer and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memo<T> {
    deps: Vec<Dep>,
    /// The answer.
    pub(super) value: T,
}

/// What a look at a memo's dependencies says, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freshness {
    /// Nothing changed.
    Current,
    /// Only stats did; the memo holds the new ones now and is worth writing again.
    Moved,
    /// It is of no use.
    Stale,
}

/// Asks for the answer, and states what it depends on in such a way that no edit meanwhile is missed: where something
/// is too young to tell whether it changed before or after the answer, a second answer is asked for, and the memo is
/// made only if all stayed as it was. `None`: the answer holds, but cannot be kept.
pub(super) fn answer<T, E>(
    env: &Environment,
    mut ask: impl FnMut() -> Result<(T, Option<Vec<Subject>>), E>,
) -> Result<(T, Option<Memo<T>>), E>
where
    T: Clone,
{
    let mut before: Option<Vec<Dep>> = None;
    loop {
        let start = SystemTime::now();
        let (value, subjects) = ask()?;
        let Some(mut subjects) = subjects else { return Ok((value, None)) };
        subjects.sort();
        subjects.dedup();
        let mut young = false;
        let deps: io::Result<Vec<Dep>> = subjects
            .into_iter()
            .map(|subject| {
                let state = observe(&subject, env)?;
                young |= newest(&subject).is_some_and(|stamp| !is_settled(stamp, start));
                Ok(Dep { subject, state })
            })
            .collect();
        let Ok(deps) = deps else { return Ok((value, None)) };
        let same = |before: &Vec<Dep>| before.len() == deps.len() && before.iter().zip(&deps).all(|(a, b)| a.is_as(b));
        if !young || before.as_ref().is_some_and(same) {
            return Ok((value.clone(), Some(Memo { deps, value })));
        }
        if before.is_some() {
            return Ok((value, None));
        }
        before = Some(deps);
    }
}

impl<T: Serialize + DeserializeOwned> Memo<T> {
    /// Reads the memo at `path`; `None` if there is none of this `domain`, or it is damaged.
    pub(super) fn load(path: &Path, domain: &str) -> Option<Self> {
        let bytes = own::read(path).ok()?;
        let (digest, body) = bytes.split_first_chunk::<32>()?;
        (checksum(domain, body).0 == *digest).then(|| postcard::from_bytes(body).ok())?
    }

    /// Writes it to `path`, whose folder exists, in one step.
    ///
    /// # Errors
    /// What writing met, and names that cannot be written down.
    pub(super) fn save(&self, path: &Path, domain: &str) -> io::Result<()> {
        let body = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
        let mut file = tempfile::Builder::new().prefix(".zen-tmp-").tempfile_in(folder)?;
        file.write_all(&checksum(domain, &body).0)?;
        file.write_all(&body)?;
        file.persist(path)?;
        Ok(())
    }

    /// The digests of the files that the answer depends on, as they were when it was last looked at.
    pub(super) fn contents(&self) -> HashMap<&Path, Digest> {
        let contents = self.deps.iter().filter_map(|dep| match (&dep.subject, &dep.state) {
            (Subject::File(path), State::Content { digest, .. }) => Some((&**path, *digest)),
            _ => None,
        });
        contents.collect()
    }

    /// Looks at all that the answer depends on; at much by several threads.
    pub(super) fn check(&mut self, env: &Environment) -> Freshness {
        let threads = if self.deps.len() < MANY { 1 } else { cores() };
        let share = self.deps.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            let mut shares = self.deps.chunks_mut(share);
            let mine = shares.next().unwrap_or_default();
            let others: Vec<_> = shares.map(|deps| scope.spawn(|| check_all(deps, env))).collect();
            let mine = check_all(mine, env);
            let theirs = others.into_iter().map(|other| other.join().expect("a look does not panic"));
            theirs.fold(mine, Freshness::max)
        })
    }
}

fn check_all(deps: &mut [Dep], env: &Environment) -> Freshness {
    let mut freshness = Freshness::Current;
    for dep in deps {
        match dep.check(env) {
            Ok(found @ (Freshness::Current | Freshness::Moved)) => freshness = freshness.max(found),
            Ok(Freshness::Stale) | Err(_) => return Freshness::Stale,
        }
    }
    freshness
}

impl Dep {
    /// Was the same thing found? A stat may have come of age meanwhile.
    fn is_as(&self, other: &Self) -> bool {
        let states = match (&self.state, &other.state) {
            (State::Content { stat: a, digest: x, .. }, State::Content { stat: b, digest: y, .. }) => (a, x) == (b, y),
            (a, b) => a == b,
        };
        states && self.subject == other.subject
    }

    fn check(&mut self, env: &Environment) -> io::Result<Freshness> {
        if let (Subject::File(path), State::Content { stat, settled: true, .. }) = (&self.subject, &self.state)
            && metadata(path)?.is_some_and(|found| Stat::of(&found) == *stat)
        {
            return Ok(Freshness::Current);
        }
        let found = observe(&self.subject, env)?;
        Ok(match (&self.state, &found) {
            (State::Content { digest: old, .. }, State::Content { digest: new, .. }) if old == new => {
                let moved = self.state != found;
                self.state = found;
                if moved { Freshness::Moved } else { Freshness::Current }
            }
            (old, new) if old == new => Freshness::Current,
            _ => Freshness::Stale,
        })
    }
}

fn checksum(domain: &str, body: &[u8]) -> Digest {
    FieldHasher::new("zen memo 1").field(domain.as_bytes()).field(body).finish()
}

fn observe(subject: &Subject, env: &Environment) -> io::Result<State> {
    Ok(match subject {
        Subject::File(path) => match metadata(path)? {
            None => State::Absent,
            Some(found) if !found.is_file() => State::Present,
            Some(found) => {
                // Stated before it is read: an edit in between leaves a stat that no longer holds.
                let stat = Stat::of(&found);
                let settled = is_settled(stat.newest(), SystemTime::now());
                State::Content { stat, settled, digest: Digest::of(&fs::read(path)?) }
            }
        },
        Subject::Program(path) => metadata(path)?.map_or(State::Absent, |found| State::Stat(Stat::of(&found))),
        Subject::Presence(path) => metadata(path)?.map_or(State::Absent, |_| State::Present),
        Subject::Listing { dir, marker } => listing(dir, marker)?.map_or(State::Absent, State::Digest),
        Subject::Env(pattern) => State::Digest(environment(env, pattern)),
    })
}

fn listing(dir: &Path, marker: &str) -> io::Result<Option<Digest>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut lines = Vec::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        let link = if kind.is_symlink() { fs::read_link(&path)? } else { PathBuf::new() };
        let folder = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
        let marked = folder && metadata(&path.join(marker))?.is_some();
        lines.push((entry.file_name(), link, folder, marked));
    }
    lines.sort();
    let mut hasher = FieldHasher::new("zen listing 1");
    for (name, link, folder, marked) in lines {
        hasher.field(name.as_encoded_bytes()).field(link.as_os_str().as_encoded_bytes());
        hasher.number(u64::from(folder)).number(u64::from(marked));
    }
    Ok(Some(hasher.finish()))
}

fn environment(env: &Environment, pattern: &str) -> Digest {
    let mut hasher = FieldHasher::new("zen variables 1");
    let matches = |name: &OsStr| match pattern.strip_suffix('*') {
        Some(prefix) => name.as_encoded_bytes().starts_with(prefix.as_bytes()),
        None => name == pattern,
    };
    for (name, value) in env.iter().filter(|(name, _)| matches(name)) {
        hasher.field(name.as_encoded_bytes()).field(value.as_encoded_bytes());
    }
    hasher.finish()
}

/// The newest stamp that a change of the subject would have left: its own, or where it has none (a name that appears
/// or goes), that of the nearest folder that there is.
fn newest(subject: &Subject) -> Option<(i64, i64)> {
    match subject {
        Subject::Env(_) => None,
        Subject::File(path) | Subject::Program(path) => stamp_at_or_above(path),
        Subject::Listing { dir, .. } => {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.filter_map(|entry| stamp_at_or_above(&entry.path())).chain(stamp_at_or_above(dir)).max()
        }
        Subject::Presence(path) => stamp_at_or_above(path.parent()?),
    }
}

fn stamp_at_or_above(path: &Path) -> Option<(i64, i64)> {
    path.ancestors().find_map(|path| fs::metadata(path).ok()).map(|found| Stat::of(&found).newest())
}

/// git's rule: a stamp says something only if it is older than `at` by more than the clock's granularity. A file
/// system that keeps whole seconds shows itself by the stamp.
fn is_settled((seconds, nanos): (i64, i64), at: SystemTime) -> bool {
    let granularity = if nanos == 0 { Duration::from_secs(2) } else { Duration::from_millis(10) };
    let limit = at.checked_sub(granularity).and_then(|limit| limit.duration_since(SystemTime::UNIX_EPOCH).ok());
    limit.is_some_and(|limit| (seconds, nanos) < (limit.as_secs() as i64, i64::from(limit.subsec_nanos())))
}

fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

impl Stat {
    #[cfg(unix)]
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            dev: found.dev(),
            ino: found.ino(),
            size: found.len(),
            mtime: (found.mtime(), found.mtime_nsec()),
            ctime: (found.ctime(), found.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn of(found: &Metadata) -> Self {
        let since = |time: io::Result<SystemTime>| {
            time.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default()
        };
        let pair = |time: Duration| (time.as_secs() as i64, i64::from(time.subsec_nanos()));
        let mtime = pair(since(found.modified()));
        Self { dev: 0, ino: 0, size: found.len(), mtime, ctime: pair(since(found.created())) }
    }

    fn newest(&self) -> (i64, i64) {
        self.mtime.max(self.ctime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memo(env: &Environment, subjects: &[Subject]) -> Memo<u8> {
        answer(env, || Ok::<_, ()>((7, Some(subjects.to_vec())))).unwrap().1.unwrap()
    }

    #[test]
    fn sees_every_kind_of_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "a").unwrap();
        fs::create_dir_all(at("list/one")).unwrap();
        let env = Environment::from([("A_X".into(), "1".into())]);
        let subjects = [
            Subject::File(at("file")),
            Subject::File(at("absent")),
            Subject::Program(at("file")),
            Subject::Presence(at("present")),
            Subject::Listing { dir: at("list"), marker: "Cargo.toml".into() },
            Subject::Env("A_*".into()),
        ];
        let check = |changed: &str, env: &Environment, expected: Freshness| {
            let mut memo = memo(&Environment::from([("A_X".into(), "1".into())]), &subjects);
            assert_eq!(memo.check(&Environment::from([("A_X".into(), "1".into())])), Freshness::Current);
            match changed {
                "env" => {}
                "list/one" => fs::remove_dir(at(changed)).unwrap(),
                other => fs::write(at(other), "b").unwrap(),
            }
            assert_eq!(memo.check(env), expected, "after a change of {changed}");
        };
        for changed in ["file", "absent", "present", "list/two", "list/one/Cargo.toml"] {
            check(changed, &env, Freshness::Stale);
        }
        check("env", &Environment::from([("A_X".into(), "1".into()), ("A_Y".into(), "".into())]), Freshness::Stale);
        check("env", &Environment::new(), Freshness::Stale);
        check("unrelated", &env, Freshness::Current);
    }

    #[test]
    fn f_11_a_same_size_edit_that_keeps_its_stamp_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let env = Environment::new();
        for round in 0..50 {
            fs::write(&path, format!("{round:02}a")).unwrap();
            let stamp = fs::metadata(&path).unwrap().modified().unwrap();
            let mut memo = memo(&env, &[Subject::File(path.clone())]);
            let file = fs::File::options().write(true).open(&path).unwrap();
            (&file).write_all(format!("{round:02}b").as_bytes()).unwrap();
            file.set_modified(stamp).unwrap();
            assert_eq!(memo.check(&env), Freshness::Stale, "the edit of round {round} must be seen");
        }
    }

    #[test]
    fn f_12_a_touch_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a").unwrap();
        let env = Environment::new();
        let mut memo = memo(&env, &[Subject::File(path.clone())]);
        fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(memo.check(&env), Freshness::Moved);
        assert_ne!(memo.check(&env), Freshness::Stale);
    }

    #[test]
    fn an_edit_while_the_program_runs_is_not_kept_with_the_old_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut asked = 0;
        let (_, memo) = answer(&Environment::new(), || {
            asked += 1;
            fs::write(&path, asked.to_string()).unwrap();
            Ok::<_, ()>((asked, Some(vec![Subject::File(path.clone())])))
        })
        .unwrap();
        assert_eq!((asked, memo), (2, None));
    }

    #[test]
    fn damage_is_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memo");
        let written = memo(&Environment::new(), &[Subject::Env("X".into())]);
        written.save(&path, "test").unwrap();
        assert_eq!(Memo::load(&path, "test"), Some(written));
        assert_eq!(Memo::<u8>::load(&path, "other"), None);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(Memo::<u8>::load(&path, "test"), None, "a flip of byte {at} must be seen");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(Memo::<u8>::load(&path, "test"), None, "a cut at {at} must be seen");
        }
    }
}
