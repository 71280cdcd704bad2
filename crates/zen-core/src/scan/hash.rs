//! BLAKE3 of a file's bytes, never of something that is no regular file, never of a file that changes meanwhile.

use std::cell::RefCell;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use rayon::prelude::*;

use super::stamp::Stamp;
use crate::digest::Digest;

/// From this size on all cores share one file.
const SHARED: u64 = 4 << 20;
/// What one of them takes at a time: a power of two, and no more than its cache holds.
const PIECE: u64 = 1 << 20;
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
        match hash_open(&mut file, before.size) {
            Ok(digest) if Stamp::of(&file.metadata()?) == before => return Ok((digest, before)),
            // It was cut meanwhile.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
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
    hash_large(file, size)
}

/// Each thread reads pieces and hashes them while they are in its cache: every piece is a subtree of BLAKE3's tree.
fn hash_large(file: &File, size: u64) -> io::Result<Digest> {
    let pieces: Vec<ChainingValue> = (0..size.div_ceil(PIECE))
        .into_par_iter()
        .map_init(
            || vec![0; PIECE as usize],
            |buffer, piece| {
                let offset = piece * PIECE;
                let bytes = &mut buffer[..(size - offset).min(PIECE) as usize];
                read_exact_at(file, bytes, offset)?;
                let mut hasher = blake3::Hasher::new();
                hasher.set_input_offset(offset).update(bytes);
                Ok(hasher.finalize_non_root())
            },
        )
        .collect::<io::Result<_>>()?;
    let (left, right) = pieces.split_at(left_of(pieces.len()));
    Ok(merge_subtrees_root(&merge(left), &merge(right), Mode::Hash).into())
}

fn merge(pieces: &[ChainingValue]) -> ChainingValue {
    match pieces {
        [piece] => *piece,
        _ => {
            let (left, right) = pieces.split_at(left_of(pieces.len()));
            merge_subtrees_non_root(&merge(left), &merge(right), Mode::Hash)
        }
    }
}

/// The tree's left side is the largest power of two that leaves something for the right.
fn left_of(pieces: usize) -> usize {
    pieces.next_power_of_two() / 2
}

/// A file that ends earlier than it said is an error of kind `UnexpectedEof`.
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset);
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt;
        let mut filled = 0;
        while filled < bytes.len() {
            match file.seek_read(&mut bytes[filled..], offset + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        Ok(())
    }
    #[cfg(not(any(unix, windows)))]
    {
        use std::io::{Seek, SeekFrom};
        let mut file = File::try_clone(file)?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_files_have_the_plain_digest() {
        let folder = tempfile::tempdir().unwrap();
        let (shared, piece) = (SHARED as usize, PIECE as usize);
        let large = [0, 1, piece / 2, piece - 1, piece, piece + 1, 2 * piece, 3 * piece + 5].map(|more| shared + more);
        for size in [0, 1, 1023, 1024, 4096, shared - 1].into_iter().chain(large) {
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
