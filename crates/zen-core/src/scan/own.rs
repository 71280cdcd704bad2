//! The files and folders that zen keeps for itself. Whatever stands in their place, nothing is read or written through a
//! symlink, and a FIFO does not hang. Knows not what is in them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Opens the regular file at `path` by these options, and nothing else that has its name.
///
/// # Errors
/// What opening met, and [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
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

/// As [`open`]; a symlink or a FIFO that has the name is removed first, if it is in the way.
///
/// # Errors
/// As [`open`], and what removing met.
pub fn open_or_make(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.create(true);
    match open(path, options) {
        Err(_) if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) => {
            fs::remove_file(path)?;
            open(path, options)
        }
        opened => opened,
    }
}

/// All bytes of a file.
///
/// # Errors
/// As [`open`], and what reading met.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, OpenOptions::new().read(true))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file anew.
///
/// # Errors
/// As [`open_or_make`], and what writing met.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    open_or_make(path, OpenOptions::new().write(true).truncate(true))?.write_all(bytes)
}

/// Opens a file that is there to write behind its end.
///
/// # Errors
/// As [`open`].
pub fn append(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().append(true))
}

/// Makes the folder `below` in `base`, and the folders on the way. What has one of these names and is no folder is
/// removed.
///
/// # Errors
/// What making or removing met.
pub fn make_folder(base: &Path, below: &Path) -> io::Result<PathBuf> {
    let folder = base.join(below);
    if !is_real(base, below) {
        fs::create_dir_all(base)?;
        let mut at = base.to_owned();
        for name in below {
            at.push(name);
            if fs::symlink_metadata(&at).is_ok_and(|metadata| !metadata.is_dir()) {
                fs::remove_file(&at)?;
            }
            match fs::create_dir(&at) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
    }
    Ok(folder)
}

/// Is there a folder `below` in `base`, with no symlink on the way?
pub fn is_real(base: &Path, below: &Path) -> bool {
    let mut at = base.to_owned();
    below.iter().all(|name| {
        at.push(name);
        fs::symlink_metadata(&at).is_ok_and(|metadata| metadata.is_dir())
    })
}
