//! The files that `ZEN_CONTEXT` names: one for each step that runs at the same time, written anew for the next one, since to
//! make a file and remove it takes as long as a short step. Knows not what is in them.
#![expect(clippy::disallowed_methods, reason = "an edge: writes below the zen folder")]

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::scan::own;

/// The files of one run, in a folder of its own.
#[derive(Debug)]
pub(super) struct Contexts {
    zen_folder: PathBuf,
    below: PathBuf,
    free: Mutex<Vec<(PathBuf, File)>>,
    made: AtomicU32,
}

/// The file of a step, until this is dropped.
#[derive(Debug)]
pub(super) struct Context<'c> {
    contexts: &'c Contexts,
    file: Option<(PathBuf, File)>,
}

impl Contexts {
    /// Nothing is made yet.
    pub(super) fn new(zen_folder: PathBuf, below: PathBuf) -> Self {
        Self { zen_folder, below, free: Mutex::default(), made: AtomicU32::new(0) }
    }

    /// The folder, which is made when it is needed.
    pub(super) fn folder(&self) -> PathBuf {
        self.zen_folder.join(&self.below)
    }

    /// A file with this text.
    ///
    /// # Errors
    /// Where it could not be written, and why.
    pub(super) fn lend(&self, text: &str) -> Result<Context<'_>, (PathBuf, io::Error)> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let again = free.and_then(|(path, file)| rewrite(&path, &file, text).ok()?.then_some((path, file)));
        let file = again.map_or_else(|| self.make(text), Ok)?;
        Ok(Context { contexts: self, file: Some(file) })
    }

    fn make(&self, text: &str) -> Result<(PathBuf, File), (PathBuf, io::Error)> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.folder().join(format!("{number}.json"));
        let create = || {
            let mut tries = 100;
            loop {
                match own::open_or_make(&path, File::options().write(true).truncate(true)) {
                    // The first step of the run; or somebody removes the zen folder just now.
                    Err(error) if error.kind() == ErrorKind::NotFound && tries > 0 => tries -= 1,
                    created => return created,
                }
                match own::make_folder(&self.zen_folder, &self.below) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        };
        let made = create().and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
        match made {
            Ok(file) => Ok((path, file)),
            Err(error) => Err((path, error)),
        }
    }
}

impl Context<'_> {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.file.as_ref().map_or(Path::new(""), |(path, _)| path)
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        let mut free = self.contexts.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.file.take());
    }
}

/// Gives the file another text. Says whether that could be: not if the last step moved it, or gave it a second name.
fn rewrite(path: &Path, mut file: &File, text: &str) -> io::Result<bool> {
    let (open, named) = (file.metadata()?, fs::symlink_metadata(path)?);
    if !is_alone(&open, &named) {
        return Ok(false);
    }
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    if open.len() > text.len() as u64 {
        file.set_len(text.len() as u64)?;
    }
    Ok(true)
}

#[cfg(unix)]
fn is_alone(open: &fs::Metadata, named: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (open.dev(), open.ino(), open.nlink()) == (named.dev(), named.ino(), 1)
}

/// Cannot be told.
#[cfg(not(unix))]
fn is_alone(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_anew_for_the_next_step_and_not_for_one_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let contexts = Contexts::new(folder.path().to_owned(), "context/run-1".into());
        let read = |context: &Context<'_>| fs::read_to_string(context.path()).unwrap();
        let first = contexts.lend("a long text").unwrap();
        let beside = contexts.lend("beside").unwrap();
        assert_eq!((read(&first), read(&beside)), ("a long text".to_owned(), "beside".to_owned()));
        let path = first.path().to_owned();
        drop(first);
        for text in ["short", "", "a longer text than any"] {
            let next = contexts.lend(text).unwrap();
            assert_eq!((next.path(), read(&next)), (&*path, text.to_owned()));
        }
        assert_eq!(read(&beside), "beside");
    }

    #[test]
    fn what_a_step_kept_of_it_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let contexts = Contexts::new(folder.path().to_owned(), "context/run-1".into());
        let kept = folder.path().join("kept");
        type Keep = fn(&Path, &Path) -> io::Result<()>;
        let moved: Keep = |from, to| fs::rename(from, to);
        let linked: Keep = |from, to| fs::hard_link(from, to);
        let replaced: Keep = |from, to| fs::rename(from, to).and_then(|()| fs::write(from, "the step's own"));
        let pointed: Keep = |from, to| fs::rename(from, to).and_then(|()| std::os::unix::fs::symlink(to, from));
        for keep in [moved, linked, replaced, pointed] {
            let context = contexts.lend("first").unwrap();
            keep(context.path(), &kept).unwrap();
            drop(context);
            let next = contexts.lend("second").unwrap();
            assert_eq!(fs::read_to_string(next.path()).unwrap(), "second");
            assert_eq!(fs::read_to_string(&kept).unwrap(), "first");
            fs::remove_file(&kept).unwrap();
        }
    }
}
