//! The file systems' own clock, and how coarse it is: what git's racy rule needs. Knows no files but a probe.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Answers "how late is it for this file system": nanoseconds since the epoch.
#[derive(Debug)]
pub struct Clock {
    folder: PathBuf,
    kinds: Mutex<Vec<(u64, Kind)>>,
}

/// How a file system stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With the kernel's coarse clock; a tick is at most 10 ms.
    Local,
    /// With a clock that only a probe tells; up to 2 s coarse.
    Probed,
    /// Unknown, and no probe can be made there.
    Unknown,
}

/// The coarsest tick of a local file system.
pub const TICK: i64 = 10_000_000;
/// The tick of one that is not known to be finer.
pub const COARSE: i64 = 2_000_000_000;

impl Clock {
    /// Probes, where needed, are made in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), kinds: Mutex::default() }
    }

    /// All that happened to a file of `dev` and is stamped later than this may share its stamp with something that is
    /// yet to happen. `path` lies on that file system.
    pub fn horizon(&self, dev: u64, path: &Path) -> i64 {
        match self.kind(dev, path) {
            Kind::Local => now().saturating_sub(TICK),
            Kind::Probed => self.probe().map_or(i64::MIN, |now| now.saturating_sub(COARSE)),
            Kind::Unknown => i64::MIN,
        }
    }

    /// Does the file system of `path`, which has this `dev`, stamp with the kernel's own clock?
    pub fn is_local(&self, dev: u64, path: &Path) -> bool {
        self.kind(dev, path) == Kind::Local
    }

    fn kind(&self, dev: u64, path: &Path) -> Kind {
        let mut kinds = self.kinds.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, kind)) = kinds.iter().find(|(known, _)| *known == dev) {
            return *kind;
        }
        let kind = if is_local(path) {
            Kind::Local
        } else if self.folder.symlink_metadata().is_ok_and(|m| super::stamp::Stamp::of(&m).dev == dev) {
            Kind::Probed
        } else {
            Kind::Unknown
        };
        kinds.push((dev, kind));
        kind
    }

    fn probe(&self) -> Option<i64> {
        let file = tempfile::Builder::new().prefix("clock-").tempfile_in(&self.folder).ok()?;
        Some(super::stamp::Stamp::of(&file.as_file().metadata().ok()?).mtime)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_local(path: &Path) -> bool {
    /// As `statfs` calls ext4, tmpfs, xfs and btrfs.
    const KNOWN: [u64; 4] = [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e];
    rustix::fs::statfs(path).is_ok_and(|fs| KNOWN.contains(&(fs.f_type as u64 & 0xffff_ffff)))
}

#[cfg(target_os = "macos")]
fn is_local(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| fs.f_fstypename.iter().take(4).map(|c| *c as u8).eq(*b"apfs"))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
fn is_local(_: &Path) -> bool {
    false
}

/// The clock that local file systems stamp with, in nanoseconds since the epoch.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn now() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// The clock that local file systems stamp with, in nanoseconds since the epoch.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_nanos()).ok())
        .unwrap_or(i64::MIN)
}
