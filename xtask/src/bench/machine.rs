//! On what the figures were taken. Linux tells it in `/proc`; elsewhere most of it is unknown.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// What is printed beside the figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    /// Of the folder in which the workspaces lay.
    pub(crate) file_system: String,
}

impl Machine {
    /// Asks the system; `folder` is where the workspaces lie.
    pub(crate) fn ask(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let known = |text: Option<&str>| text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned());
        let (cpu, kernel, mounts) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"), read("/proc/mounts"));
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        Self {
            cores: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            cpu: known(cpu_model(&cpu)),
            kernel: known(Some(kernel.as_str()).filter(|kernel| !kernel.is_empty())),
            file_system: known(file_system(&mounts, &folder)),
        }
    }
}

/// Free bytes where `folder` lies, by `df`.
///
/// # Errors
/// That `df` is not there, or says something else.
pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let kib: Option<u64> =
        text.lines().last().and_then(|line| line.split_whitespace().nth(3)).and_then(|kib| kib.parse().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other(format!("`df` printed `{text}`")))
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':')).map(|(_, m)| m)
}

/// The type of the mount with the longest path above the folder; of equal ones the last, which covers the others.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    mounts.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read() {
        assert_eq!(cpu_model("processor : 0\nmodel name\t: Some CPU @ 2GHz\n"), Some(" Some CPU @ 2GHz"));
        let mounts = "dev / ext4 rw 0 0\nproc /proc proc rw 0 0\ntmp /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/bench")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/tmpfiles")), Some("ext4"));
        assert_eq!(file_system("", Path::new("/tmp")), None);
    }

    #[test]
    fn there_is_a_machine() {
        assert!(Machine::ask(Path::new(".")).cores > 0);
    }
}
