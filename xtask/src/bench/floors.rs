//! The bare cost of what a run cannot avoid: looking at files, hashing them, starting processes, copying. Each returns
//! how long it took; none knows `cargo zen`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::check::wrong;
use super::work;

/// Threads of each floor, as many as a run has jobs.
pub(crate) const THREADS: usize = 2;

/// Lists every folder and states every file below `folder`, which must be `expected` ones.
///
/// # Errors
/// What the disk says, or that there were more or fewer files.
pub(crate) fn walk(folder: &Path, expected: usize) -> io::Result<Duration> {
    let start = Instant::now();
    let files = AtomicUsize::new(0);
    each_file(folder, &|entry| {
        // By the open folder and the name alone, as a good walk does.
        entry.metadata()?;
        files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })?;
    let time = start.elapsed();
    let files = files.into_inner();
    if files == expected { Ok(time) } else { Err(wrong(format!("the walk saw {files} files, not {expected}"))) }
}

/// Reads and hashes every file in the folders, as b3sum would, several files at a time.
///
/// # Errors
/// What the disk says.
pub(crate) fn hash(folders: &[PathBuf]) -> io::Result<Duration> {
    let start = Instant::now();
    parallel(folders, |folder| {
        for entry in fs::read_dir(folder)? {
            let hash = blake3::hash(&fs::read(entry?.path())?);
            std::hint::black_box(hash);
        }
        Ok(())
    })?;
    Ok(start.elapsed())
}

/// Hashes one file: by `b3sum` if there is one, else in this process. Also says which it was.
///
/// # Errors
/// What the disk or b3sum says.
pub(crate) fn hash_one(file: &Path) -> io::Result<(Duration, &'static str)> {
    let start = Instant::now();
    match Command::new("b3sum").arg(file).stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok((start.elapsed(), "b3sum of the input")),
        Ok(status) => Err(io::Error::other(format!("b3sum failed ({status})"))),
        Err(_) => {
            let start = Instant::now();
            std::hint::black_box(work::digest(file)?);
            Ok((start.elapsed(), "BLAKE3 of the input, one thread"))
        }
    }
}

/// Copies one file with `cp`.
///
/// # Errors
/// What cp says.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<Duration> {
    time_of(Command::new("cp").arg("--reflink=auto").args([from, to]))
}

/// Starts and waits for `true` so many times.
///
/// # Errors
/// That it does not start.
pub(crate) fn spawn_true(times: usize) -> io::Result<Duration> {
    let start = Instant::now();
    let numbers: Vec<usize> = (0..times).collect();
    parallel(&numbers, |number| time_of(Command::new("true").arg(number.to_string())).map(|_| ()))?;
    Ok(start.elapsed())
}

/// How long a command takes that must succeed and says nothing.
///
/// # Errors
/// That it does not start, or failed.
pub(crate) fn time_of(command: &mut Command) -> io::Result<Duration> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let time = start.elapsed();
    if output.status.success() {
        return Ok(time);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(io::Error::other(format!("{command:?} failed ({})\n{}", output.status, String::from_utf8_lossy(&said))))
}

/// Does `work` for each item, on several threads; the first error wins.
fn parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> io::Result<()> + Sync) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

/// Visits all files below `folder`: threads take folders from one stack.
fn each_file(folder: &Path, visit: &(impl Fn(&fs::DirEntry) -> io::Result<()> + Sync)) -> io::Result<()> {
    let stack = Mutex::new(vec![folder.to_owned()]);
    // Folders that are on the stack or being listed.
    let open = AtomicUsize::new(1);
    let take = || stack.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let list = |folder: PathBuf| -> io::Result<()> {
        let mut below = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                below.push(entry.path());
            } else {
                visit(&entry)?;
            }
        }
        open.fetch_add(below.len(), Ordering::SeqCst);
        stack.lock().unwrap_or_else(PoisonError::into_inner).append(&mut below);
        Ok(())
    };
    let worker = || {
        while open.load(Ordering::SeqCst) > 0 {
            let Some(folder) = take() else {
                thread::yield_now();
                continue;
            };
            let listed = list(folder);
            open.fetch_sub(1, Ordering::SeqCst);
            listed?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a walker does not panic"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_sees_every_file_and_says_when_one_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b/c", "b/d", "b/e/f"] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, name).unwrap();
        }
        walk(folder.path(), 4).unwrap();
        assert!(walk(folder.path(), 5).is_err());
        assert!(walk(&folder.path().join("gone"), 0).is_err());
        hash(&[folder.path().join("b/e")]).unwrap();
        assert!(hash(&[folder.path().join("gone")]).is_err());
    }

    #[test]
    fn each_item_is_worked_on_once() {
        let sum = AtomicUsize::new(0);
        let numbers: Vec<usize> = (0..100).collect();
        parallel(&numbers, |number| {
            sum.fetch_add(*number, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 4950);
    }
}
