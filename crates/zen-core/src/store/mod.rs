//! The store: content-addressed objects and the records that point to them. Knows no steps and no workspace.

pub mod check;

mod files;

pub mod gc;

pub mod ground;

pub mod local;

pub mod lock;

pub mod log;

pub mod place;

pub mod records;
pub mod series;
pub mod verify;

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::digest::Digest;

/// Objects by content, on this machine or (later) elsewhere. Losing one costs time, never correctness.
pub trait Objects: Sync {
    /// Is there an object of this digest and size? Says nothing about its bytes: those are verified by `fetch`.
    fn contains(&self, objects: &[(Digest, u64)]) -> Vec<bool>;

    /// Puts a file's bytes into the store; gives their digest and size. The file is left as it is.
    ///
    /// # Errors
    /// What reading or writing met.
    fn put_file(&self, from: &Path) -> std::io::Result<(Digest, u64)>;

    /// Puts bytes into the store.
    ///
    /// # Errors
    /// What writing met.
    fn put_bytes(&self, bytes: &[u8]) -> std::io::Result<Digest>;

    /// Writes the object to `to`, which must not exist: by reflink where the file system can, else by copy. Mode and
    /// time are those of a new file, whatever the object's are. Every byte is verified; on [`FetchError::Missing`] and [`FetchError::Damaged`] nothing is left at `to`, and a
    /// damaged object is moved out of the way, so that the next run makes it anew.
    ///
    /// # Errors
    /// The object is missing or damaged, or writing failed.
    fn fetch(&self, digest: Digest, size: u64, to: &Path) -> Result<(), FetchError>;

    /// The object's bytes, verified.
    ///
    /// # Errors
    /// As [`Objects::fetch`].
    fn read(&self, digest: Digest) -> Result<Vec<u8>, FetchError>;

    /// [`Objects::read`] of what cannot be larger than `most`, whatever somebody says who may write records.
    ///
    /// # Errors
    /// As [`Objects::fetch`], and [`FetchError::TooLarge`].
    fn read_at_most(&self, digest: Digest, most: u64) -> Result<Vec<u8>, FetchError> {
        let bytes = self.read(digest)?;
        if bytes.len() as u64 > most { Err(FetchError::TooLarge(digest)) } else { Ok(bytes) }
    }
}

/// Why an object could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is not in the store.
    #[error("object {0} is missing from the store")]
    Missing(Digest),
    /// Its bytes are not those of its name; it was moved out of the way.
    #[error("object {0} is damaged in the store")]
    Damaged(Digest),
    /// It is there, and cannot be opened; it stays, since others may be able to.
    #[error("object {0} in the store cannot be read")]
    Unreadable(Digest, #[source] std::io::Error),
    /// It is larger than whatever of its kind zen makes; nothing of it was read.
    #[error("object {0} is too large for what it is said to be")]
    TooLarge(Digest),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
