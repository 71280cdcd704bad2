//! The store on this machine: objects in files that are called by their digest. Knows no keys.
//!
//! Writing: a temporary file while hashing, read-only, renamed to its name; nothing is synced, since every byte is
//! verified when it is fetched. The whole store may vanish at any moment: that is misses, and new folders.
#![expect(clippy::disallowed_methods, reason = "the edge to the disk")]

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::files;
use super::place::{Place, StoreError, mark};
use super::records::Records;
use super::{FetchError, Objects};
use crate::digest::Digest;
use crate::scan::hash::open_regular;

const CHUNK: usize = 1 << 20;
/// From here on hashing in parallel is worth it (BLAKE3's own advice).
const PARALLEL: usize = 128 << 10;

/// What the store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Looking things up; nothing is created or moved, and a store that is not there is an empty one.
    Read,
    /// Everything. What cannot be written is read only, with a warning.
    Write,
}

/// A store in a folder of this machine.
#[derive(Debug)]
pub struct LocalStore {
    pub(super) place: Place,
    pub(super) writable: bool,
    /// The records.
    pub records: Records,
    warning: Option<String>,
    /// Can a file be reflinked here? Asked until the first no.
    reflink: AtomicBool,
    session: u64,
    temporaries: AtomicU64,
    /// Bytes of objects that this process added.
    pub(super) added: AtomicU64,
}

impl LocalStore {
    /// Opens the store in `dir`. Which records there are is read when somebody asks. With [`Access::Write`] the folder is made and marked.
    ///
    /// # Errors
    /// The folder is a symlink, or it is not empty and does not bear the marker. That it cannot be written is no
    /// error but a [`LocalStore::warning`].
    pub fn open(dir: &Path, access: Access) -> Result<Self, StoreError> {
        let place = Place { dir: dir.to_path_buf() };
        let made = place.check()?;
        let mut warning = None;
        let mut writable = false;
        if access == Access::Write {
            let use_lock = place.v1().join("locks/in-use");
            let ready = if made { files::open_lock(&use_lock).map(drop) } else { place.make() };
            match ready.or_else(|e| if made && e.kind() == io::ErrorKind::NotFound { place.make() } else { Err(e) }) {
                Ok(()) => writable = true,
                Err(e) => {
                    warning = Some(format!(
                        "the store in `{}` cannot be written ({e}): what it holds is used, nothing new is kept",
                        dir.display()
                    ));
                }
            }
        }
        let records = Records::new(place.clone(), writable);
        Ok(Self {
            place,
            writable,
            records,
            warning,
            reflink: AtomicBool::new(true),
            session: files::random(),
            temporaries: AtomicU64::new(0),
            added: AtomicU64::new(0),
        })
    }

    /// What the user should be told once about the state of the store.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Can anything be stored?
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// The folder that was named when it was opened.
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// The folder of this version's format, for what else is to lie there (locks, for example).
    pub fn folder(&self) -> PathBuf {
        self.place.v1()
    }

    /// Says that a run uses the store: until the guard is dropped no other process collects garbage. Waits for one
    /// that does.
    ///
    /// # Errors
    /// What opening or locking met.
    pub fn in_use(&self) -> io::Result<InUse> {
        if !self.writable {
            return Ok(InUse { known: true, _file: None, place: None });
        }
        let file = self.open_use_lock()?;
        let known = match files::retry(|| file.lock_shared()) {
            Err(e) if !files::is_unsupported(&e) => return Err(e),
            locked => locked.is_ok(),
        };
        Ok(InUse { known, _file: Some(file), place: Some(self.place.clone()) })
    }

    /// The opposite of [`LocalStore::in_use`]: nobody uses the store while the guard lives. `None` if somebody does.
    pub(super) fn alone(&self) -> io::Result<Option<Alone>> {
        let file = self.open_use_lock()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Alone { known: true, _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) if files::is_unsupported(&e) => Ok(Some(Alone { known: false, _file: file })),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    fn open_use_lock(&self) -> io::Result<File> {
        self.place.with_folders(|| files::open_lock(&self.place.v1().join("locks/in-use")))
    }

    pub(super) fn object_path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.place.v1().join("objects").join(&name[..2]).join(name)
    }

    pub(super) fn require_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the store is open for reading only"))
    }

    fn temporary(&self) -> io::Result<Temporary> {
        let n = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let path = self.place.v1().join("tmp").join(format!("{:016x}-{n}", self.session));
        Ok(Temporary { file: files::create_new(&path, true)?, path, kept: false })
    }

    /// Gives a written temporary file its name.
    fn publish(&self, mut temporary: Temporary, digest: Digest, size: u64) -> io::Result<()> {
        let path = self.object_path(digest);
        if let Some(folder) = path.parent().filter(|folder| folder.is_symlink()) {
            std::fs::remove_file(folder)?;
        }
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() == size => return Ok(()),
            Ok(_) => self.quarantine(digest),
            Err(_) => {}
        }
        let renamed = std::fs::rename(&temporary.path, &path).or_else(|e| match path.parent() {
            Some(folder) if e.kind() == io::ErrorKind::NotFound => {
                create_folder(folder)?;
                std::fs::rename(&temporary.path, &path)
            }
            _ => Err(e),
        });
        renamed?;
        temporary.kept = true;
        self.added.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    /// Moves a damaged object out of the way; if that fails, the next one who meets it tries again.
    pub(super) fn quarantine(&self, digest: Digest) {
        if !self.writable {
            return;
        }
        let folder = self.place.v1().join("quarantine");
        let from = self.object_path(digest);
        let to = folder.join(digest.to_string());
        if std::fs::rename(&from, &to).is_err() {
            // No folder yet, or what lies there is of another kind.
            let _ = std::fs::remove_file(&to);
            let moved = create_folder(&folder).and_then(|()| std::fs::rename(&from, &to));
            if moved.is_err() {
                let _ = std::fs::remove_file(&from);
            }
        }
    }

    fn reflinked(&self, from: &File, to: &File) -> bool {
        if !self.reflink.load(Ordering::Relaxed) {
            return false;
        }
        let done = reflink_copy::reflink_file(from, to).is_ok();
        if !done {
            self.reflink.store(false, Ordering::Relaxed);
        }
        done
    }

    fn open_object(&self, digest: Digest) -> Result<File, FetchError> {
        let path = self.object_path(digest);
        open_regular(&path).map_err(|e| match std::fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {
                self.quarantine(digest);
                FetchError::Damaged(digest)
            }
            _ if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                FetchError::Missing(digest)
            }
            _ => FetchError::Unreadable(digest, e),
        })
    }

    /// Has it the object, and is that what it should be? Reads it whole, a little at a time.
    pub fn holds(&self, digest: Digest, size: u64) -> bool {
        let Ok(mut object) = self.open_object(digest) else { return false };
        match copy(&mut object, &mut io::sink()) {
            Ok((found, read)) if found == digest => read == size,
            _ => {
                self.quarantine(digest);
                false
            }
        }
    }

    fn damaged(&self, digest: Digest) -> FetchError {
        self.quarantine(digest);
        FetchError::Damaged(digest)
    }

    fn put_open(&self, from: &Path) -> io::Result<(Digest, u64)> {
        let mut source = open_regular(from)?;
        let before = stamp(&source.metadata()?);
        let mut temporary = self.temporary()?;
        let (digest, size) = if self.reflinked(&source, &temporary.file) {
            temporary.file.rewind()?;
            copy(&mut temporary.file, &mut io::sink())
        } else {
            copy(&mut source, &mut temporary.file)
        }
        .map_err(CopyError::into_inner)?;
        let after = [source.metadata()?, std::fs::symlink_metadata(from)?];
        if after.iter().any(|after| stamp(after) != before) || size != before.0 {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, SourceChanged(from.to_path_buf())));
        }
        self.publish(temporary, digest, size)?;
        Ok((digest, size))
    }

    fn put_new(&self, bytes: &[u8], digest: Digest) -> io::Result<()> {
        let mut temporary = self.temporary()?;
        temporary.file.write_all(bytes)?;
        self.publish(temporary, digest, bytes.len() as u64)
    }

    fn fetch_into(&self, digest: Digest, size: u64, object: &mut File, target: &mut File) -> Result<(), FetchError> {
        let new = target.metadata()?;
        let (found, copied) = if self.reflinked(object, target) {
            be_like(target, &new)?;
            target.rewind()?;
            copy(target, &mut io::sink())
        } else {
            copy(object, target)
        }
        .map_err(|e| match e {
            CopyError::Read(_) => self.damaged(digest),
            CopyError::Write(e) => FetchError::Io(e),
        })?;
        if found != digest || copied != size { Err(self.damaged(digest)) } else { Ok(()) }
    }
}

impl Objects for LocalStore {
    fn contains(&self, objects: &[(Digest, u64)]) -> Vec<bool> {
        let is_there = |(digest, size): &(Digest, u64)| {
            std::fs::symlink_metadata(self.object_path(*digest)).is_ok_and(|m| m.is_file() && m.len() == *size)
        };
        objects.par_iter().with_min_len(64).map(is_there).collect()
    }

    /// A source that changes while it is read is an error of kind `ResourceBusy`, with [`SourceChanged`] inside.
    fn put_file(&self, from: &Path) -> io::Result<(Digest, u64)> {
        self.require_writable()?;
        self.place.with_folders(|| self.put_open(from))
    }

    fn put_bytes(&self, bytes: &[u8]) -> io::Result<Digest> {
        self.require_writable()?;
        let digest = Digest::of(bytes);
        if !self.contains(&[(digest, bytes.len() as u64)])[0] {
            self.place.with_folders(|| self.put_new(bytes, digest))?;
        }
        Ok(digest)
    }

    fn fetch(&self, digest: Digest, size: u64, to: &Path) -> Result<(), FetchError> {
        let mut object = self.open_object(digest)?;
        if object.metadata()?.len() != size {
            // Either the object is damaged, or whoever asks is wrong about its size; then it stays.
            return Err(match copy(&mut object, &mut io::sink()) {
                Ok((found, _)) if found == digest => FetchError::Missing(digest),
                _ => self.damaged(digest),
            });
        }
        let mut target = files::create_new(to, false)?;
        let fetched = self.fetch_into(digest, size, &mut object, &mut target);
        if fetched.is_err() {
            drop(target);
            let _ = std::fs::remove_file(to);
        }
        fetched
    }

    fn read(&self, digest: Digest) -> Result<Vec<u8>, FetchError> {
        self.read_at_most(digest, u64::MAX)
    }

    fn read_at_most(&self, digest: Digest, most: u64) -> Result<Vec<u8>, FetchError> {
        let object = self.open_object(digest)?;
        if object.metadata()?.len() > most {
            return Err(FetchError::TooLarge(digest));
        }
        let mut bytes = Vec::new();
        match object.take(most).read_to_end(&mut bytes) {
            Ok(_) if Digest::of(&bytes) == digest => Ok(bytes),
            _ => Err(self.damaged(digest)),
        }
    }
}

/// While it lives, nobody collects garbage in the store.
#[derive(Debug)]
#[must_use = "the store is in use only as long as this lives"]
pub struct InUse {
    /// Do others know of it, or does the file system have no locks?
    pub known: bool,
    _file: Option<File>,
    place: Option<Place>,
}

impl Drop for InUse {
    /// Somebody may have removed the store during the run, and not all of it, since the run went on writing: without the
    /// marker the next run would refuse what is left.
    fn drop(&mut self) {
        if let Some(place) = self.place.take().filter(|place| place.v1().is_dir()) {
            let _ = mark(&place.dir);
        }
    }
}

/// While it lives, nobody else uses the store.
#[derive(Debug)]
pub(super) struct Alone {
    /// Is that known, or does the file system have no locks?
    pub(super) known: bool,
    _file: File,
}

/// A file that was to be stored changed while it was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` changed while it was read", .0.display())]
pub struct SourceChanged(pub PathBuf);

/// A file in `tmp/`, removed unless it was renamed.
struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[derive(Debug)]
enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

impl CopyError {
    fn into_inner(self) -> io::Error {
        match self {
            Self::Read(e) | Self::Write(e) => e,
        }
    }
}

/// Copies what is left of `from`; gives the digest of what was written, and how much it was.
fn copy(from: &mut File, to: &mut (impl Write + Send)) -> Result<(Digest, u64), CopyError> {
    let expected = from.metadata().map_err(CopyError::Read)?.len();
    let length = usize::try_from(expected).map_or(CHUNK, |len| len.clamp(1, CHUNK));
    let (mut buffer, mut next) = (vec![0; length], vec![0; if expected > CHUNK as u64 { CHUNK } else { 0 }]);
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    let mut n = fill(from, &mut buffer).map_err(CopyError::Read)?;
    while n > 0 {
        let mut move_on = || {
            to.write_all(&buffer[..n]).map_err(CopyError::Write)?;
            // It may have grown since it was stated.
            next.resize(next.len().max(1), 0);
            fill(from, &mut next).map_err(CopyError::Read)
        };
        size += n as u64;
        n = if n < PARALLEL {
            hasher.update(&buffer[..n]);
            move_on()?
        } else {
            let hash = || {
                hasher.update_rayon(&buffer[..n]);
            };
            rayon::join(move_on, hash).0?
        };
        std::mem::swap(&mut buffer, &mut next);
    }
    Ok((hasher.finalize().into(), size))
}

/// Reads until the buffer is full or the file ends; gives how much that was.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Takes away what a reflink may have brought along of the object: its mode and its time.
pub(super) fn be_like(file: &File, new: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if now.permissions() != new.permissions() {
        file.set_permissions(new.permissions())?;
    }
    if now.modified()? < new.modified()? {
        file.set_modified(new.modified()?)?;
    }
    Ok(())
}

/// Size, and whatever else moves when a file is written or replaced.
fn stamp(metadata: &Metadata) -> (u64, Option<std::time::SystemTime>, [i64; 4]) {
    #[cfg(unix)]
    let more = {
        use std::os::unix::fs::MetadataExt;
        [metadata.dev() as i64, metadata.ino() as i64, metadata.ctime(), metadata.ctime_nsec()]
    };
    #[cfg(not(unix))]
    let more = [0; 4];
    (metadata.len(), metadata.modified().ok(), more)
}

fn create_folder(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
