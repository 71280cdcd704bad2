//! BLAKE3 of a file's bytes, never of something that is no regular file, never of a file that changes meanwhile.

use std::cell::RefCell;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use super::stamp::Stamp;
use crate::digest::Digest;

/// From this size on the two cores share one file.
const SHARED: u64 = 4 << 20;
const TRIES: usize = 3;

/// Digest of the regular file at `path`, and the stamp that it had before its first and after its last byte was read.
///
/// # Errors
/// What opening and reading met; [`io::ErrorKind::InvalidInput`] for anything but a regular file (a FIFO does not
/// hang), [`io::ErrorKind::ResourceBusy`] for one that kept changing.
pub fn hash_file(path: &Path) -> io::Result<(Digest, Stamp)> {
    for _ in 0..TRIES {
        let (mut file, metadata) = open_stated(path)?;
        let before = Stamp::of(&metadata);
        let digest = hash_open(&mut file, before.size)?;
        if Stamp::of(&file.metadata()?) == before {
            return Ok((digest, before));
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "the file kept changing while it was read"))
}

/// Opens without following a link and without waiting for a FIFO's other end.
///
/// # Errors
/// What opening met, and [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_stated(path).map(|(file, _)| file)
}

/// [`open_regular`], and what the open file's metadata is.
///
/// # Errors
/// As [`open_regular`].
pub fn open_stated(path: &Path) -> io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed());
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, metadata))
}

thread_local! {
    /// What small files are read into, one after the other.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Of a file that is as long as it says, this is of all its bytes; if it is not, its stamp has changed.
fn hash_open(file: &mut File, size: u64) -> io::Result<Digest> {
    if size < SHARED {
        return BUFFER.with_borrow_mut(|buffer| hash_small(file, size as usize, buffer));
    }
    let mut hasher = blake3::Hasher::new();
    let (mut piece, mut next) = (vec![0; SHARED as usize], vec![0; SHARED as usize]);
    let mut filled = fill(file, &mut piece)?;
    while filled > 0 {
        // Reading from the page cache takes about as long as hashing does.
        let hash = || {
            hasher.update_rayon(&piece[..filled]);
        };
        let (read, ()) = rayon::join(|| fill(file, &mut next), hash);
        filled = read?;
        std::mem::swap(&mut piece, &mut next);
    }
    Ok(hasher.finalize().into())
}

/// One read is enough where all that was announced comes; a file that has more than that (as those of `/proc` have) is
/// read to its end.
fn hash_small(file: &mut File, size: usize, buffer: &mut Vec<u8>) -> io::Result<Digest> {
    // Kept as long as the longest file was: filling it with zeros each time costs as much as reading does.
    if buffer.len() <= size {
        buffer.resize((size + 1).next_power_of_two(), 0);
    }
    let mut filled = 0;
    while filled < size || filled == 0 {
        match file.read(&mut buffer[filled..=size]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if filled <= size {
        return Ok(Digest::of(&buffer[..filled]));
    }
    let mut rest = buffer[..filled].to_vec();
    file.read_to_end(&mut rest)?;
    Ok(Digest::of(&rest))
}

/// Reads until the buffer is full or the file ends; gives how much that was.
///
/// # Errors
/// What reading met.
pub fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_files_have_the_plain_digest() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 1, 4096, SHARED as usize, SHARED as usize + 1, 2 * SHARED as usize + 17] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let path = folder.path().join("f");
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(hash_file(&path).unwrap().0, Digest::of(&bytes), "{size} bytes");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_says_it_is_empty_is_read_to_its_end() {
        let path = Path::new("/proc/self/environ");
        assert_eq!(std::fs::metadata(path).unwrap().len(), 0);
        assert_eq!(hash_file(path).unwrap().0, Digest::of(&std::fs::read(path).unwrap()));
    }

    #[cfg(unix)]
    #[test]
    fn f24_a_fifo_is_an_error_not_a_hang() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, path.as_path(), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
        assert_eq!(hash_file(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
