//! What `stat` says of a file, as far as it tells whether the bytes are the same. Knows no digests.

use std::fs::Metadata;

/// The parts of a file's metadata that change when its content does. Compared for equality, never for order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The file system.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
    /// In bytes.
    pub size: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Last change of the content, nanoseconds since the epoch.
    pub mtime: i64,
    /// Last change of content or metadata, nanoseconds since the epoch.
    pub ctime: i64,
}

impl Stamp {
    /// Of metadata that was read without following links.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            mtime: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of metadata that was read without following links. There is no inode to be had: such a stamp is good for
    /// comparing two looks at the same path, and is never put into the stat cache.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        let mtime = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        Self { dev: 0, ino: 0, size: metadata.len(), mode: 0, mtime, ctime: 0 }
    }

    /// Of nothing.
    pub fn none() -> Self {
        Self { dev: 0, ino: 0, size: 0, mode: 0, mtime: 0, ctime: 0 }
    }

    /// The later of both times.
    pub fn newest(&self) -> i64 {
        self.mtime.max(self.ctime)
    }

    /// Has the file its owner's executable bit? The one part of the mode that counts.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// The file system and the inode.
    pub fn identity(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }

    /// May it stand for the content in the stat cache? Not without an inode.
    pub fn is_identity(&self) -> bool {
        self.ino != 0
    }
}

#[cfg(unix)]
fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
