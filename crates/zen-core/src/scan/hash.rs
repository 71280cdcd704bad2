//! BLAKE3 of a file's bytes, never of something that is no regular file, never of a file that changes meanwhile.

use std::fs::{File, OpenOptions};
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
    let mut buffer = Vec::new();
    for _ in 0..TRIES {
        let mut file = open_regular(path)?;
        let before = Stamp::of(&file.metadata()?);
        let digest = hash_open(&mut file, before.size, &mut buffer)?;
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
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed());
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

fn hash_open(file: &mut File, size: u64, buffer: &mut Vec<u8>) -> io::Result<Digest> {
    buffer.clear();
    if size < SHARED {
        file.read_to_end(buffer)?;
        return Ok(Digest::of(buffer));
    }
    let mut hasher = blake3::Hasher::new();
    buffer.resize(SHARED as usize, 0);
    let mut next = vec![0; buffer.len()];
    let mut filled = fill(file, buffer)?;
    while filled > 0 {
        // Reading from the page cache takes about as long as hashing does.
        let hash = || {
            hasher.update_rayon(&buffer[..filled]);
        };
        let (read, ()) = rayon::join(|| fill(file, &mut next), hash);
        filled = read?;
        std::mem::swap(buffer, &mut next);
    }
    Ok(hasher.finalize().into())
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
