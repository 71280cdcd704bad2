//! Bit flips: each byte of a small store, and random ones. In this process, so that there can be many; what a command makes
//! of a damaged store is looked at for some.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zen_core::store::local::{Access, LocalStore};
use zen_core::store::records::Stored;

use super::stage::{Stage, files_below};
use super::sweep::{Found, Sweep};

/// Flips bits of a store, and looks what is believed.
///
/// # Errors
/// What the disk says.
pub(crate) fn run(sweep: &Sweep) -> io::Result<Found> {
    let random_flips = sweep.length.of(500, 100_000_usize);
    let with_runs = sweep.length.of(12, 1_000);
    let every = sweep.length.of(7, 1);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let items: Vec<usize> = (0..workers).collect();
    let done = sweep.on_all_stages(&items, |_, stage, worker, progress| {
        prepare(stage)?;
        let store = stage.root.join("target/zen/v1");
        let sound = read(&store)?;
        let files = flippable(&store)?;
        let all: Vec<(usize, usize)> = files
            .iter()
            .enumerate()
            .flat_map(|(file, (_, bytes))| (0..bytes.len()).map(move |at| (file, at)))
            .collect();
        let mut random = fastrand::Rng::with_seed(sweep.seed + *worker as u64);
        let by_turns = all.iter().copied().skip(*worker).step_by(workers * every);
        let by_chance = (0..random_flips / workers).map(|_| all[random.usize(..all.len())]);
        for (file, at) in by_turns.chain(by_chance.collect::<Vec<_>>()) {
            let (path, bytes) = &files[file];
            let bit = random.u32(..8);
            flip(path, bytes, at, bit)?;
            let what = format!("bit {bit} of byte {at} of {}", path.strip_prefix(&store).unwrap_or(path).display());
            progress.check(stage, &what, || believed(&store, &sound, path))?;
            restore(path, bytes)?;
        }
        for _ in 0..with_runs / workers {
            let (file, at) = all[random.usize(..all.len())];
            let (path, bytes) = &files[file];
            flip(path, bytes, at, random.u32(..8))?;
            let what = format!("a run after a flip in byte {at} of {}", path.display());
            progress.check(stage, &what, || {
                // Both are restored, as far as they can be.
                stage.check_right(1)?;
                stage.check_right(2)
            })?;
            prepare(stage)?;
        }
        Ok((all.len(), files.len()))
    })?;
    let mut found = done.found;
    if let Some((bytes, files)) = done.results.first() {
        found.say(format!("a store of {bytes} bytes in {files} files"));
    }
    Ok(found)
}

/// Two recorded states.
fn prepare(stage: &Stage) -> io::Result<()> {
    stage.prepare(&super::stage::TWO_STATES)
}

fn read(store: &Path) -> io::Result<Vec<Stored>> {
    let folder = store.parent().expect("the store lies in a folder");
    let store = LocalStore::open(folder, Access::Read).map_err(io::Error::other)?;
    store.records.refresh()?;
    Ok(store.records.all())
}

/// Objects and the log of records, with their bytes.
fn flippable(store: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = files_below(&store.join("objects"))?;
    paths.push(store.join("records.log"));
    paths.sort();
    paths.into_iter().map(|path| fs::read(&path).map(|bytes| (path, bytes))).collect()
}

fn flip(path: &Path, bytes: &[u8], at: usize, bit: u32) -> io::Result<()> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << bit;
    restore(path, &bytes)
}

/// Objects are read-only, and may have been moved away.
fn restore(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

/// An object is found to be damaged; of the log, no record is believed that was not there.
fn believed(store: &Path, sound: &[Stored], path: &Path) -> io::Result<()> {
    let folder = store.parent().expect("the store lies in a folder");
    let opened = LocalStore::open(folder, Access::Read).map_err(io::Error::other)?;
    if path.ends_with("records.log") {
        opened.records.refresh()?;
        let records = opened.records.all();
        return match records.iter().find(|stored| !sound.iter().any(|of| of.record == stored.record)) {
            None => Ok(()),
            Some(stored) => Err(io::Error::other(format!("a record is believed that nobody wrote: {stored:?}"))),
        };
    }
    let verified = opened.verify(false).map_err(io::Error::other)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match verified.damaged.as_slice() {
        [only] if only.object.to_string() == name => Ok(()),
        other => Err(io::Error::other(format!("it is not found: {other:?}"))),
    }
}
